//! Subscriptions at several nodes, as one list; and made again where they are lost.

use super::{MOVED, PAUSE, Stage};
use crate::ids::SessionId;
use crate::upstream::{ConnectionRef, Phase};

/// A confirmation of a subscription to a channel of a shard, or of its end.
fn shard(word: &str, channel: &str, count: usize) -> String {
    format!("*3|${}|{word}|$1|{channel}|:{count}", word.len())
}

/// A session that is subscribed to these channels of shards, each at its node.
fn subscribed(stage: &mut Stage, channels: &[&str]) -> (SessionId, Vec<ConnectionRef>) {
    let joe = stage.join();
    let mut connections = Vec::new();
    for channel in channels {
        stage.send(joe, &[&format!("SSUBSCRIBE {channel}")]);
        let own = stage.lent_at(channel);
        stage.reply(&own, &[&shard("ssubscribe", channel, 1)]);
        stage.sent(&own);
        connections.push(own);
    }
    stage.told(joe);
    (joe, connections)
}

#[test]
fn subscriptions_at_several_nodes_are_counted_as_one_list() {
    let mut stage = Stage::cluster();
    let (joe, _) = subscribed(&mut stage, &["a"]);
    stage.send(joe, &["SSUBSCRIBE b"]);
    let at_b = stage.lent_at("b");
    stage.reply(&at_b, &[&shard("ssubscribe", "b", 1)]);
    assert_eq!(stage.told(joe), [shard("ssubscribe", "b", 2)], "that at the node a counts too");
    stage.send(joe, &["SUBSCRIBE x"]);
    let listening = ["a", "b", "c"].map(|node| stage.private_at(node));
    let own =
        listening.into_iter().flatten().find(|own| stage.written_last(own).is_some_and(|line| line == "SUBSCRIBE x"));
    stage.reply(&own.unwrap(), &["*3|$9|subscribe|$1|x|:1"]);
    assert_eq!(stage.told(joe), ["*3|$9|subscribe|$1|x|:1"], "those of shards are counted by themselves");
}

#[test]
fn the_end_of_all_subscriptions_is_told_by_all_nodes_and_counts_down() {
    let mut stage = Stage::cluster();
    let (joe, own) = subscribed(&mut stage, &["a", "b"]);
    stage.send(joe, &["SUNSUBSCRIBE"]);
    assert_eq!((stage.sent(&own[0]), stage.sent(&own[1])), (vec!["SUNSUBSCRIBE".into()], vec!["SUNSUBSCRIBE".into()]));
    stage.reply(&own[1], &[&shard("sunsubscribe", "b", 0)]);
    assert!(stage.told(joe).is_empty());
    stage.reply(&own[0], &[&shard("sunsubscribe", "a", 0)]);
    assert_eq!(stage.told(joe), [shard("sunsubscribe", "a", 1), shard("sunsubscribe", "b", 0)]);
    assert!(own.iter().all(|own| own.borrow().phase() == Phase::Reset), "both are given back");
}

#[test]
fn a_subscription_that_its_node_ends_is_made_at_the_new_one_and_the_client_is_told_nothing() {
    let mut stage = Stage::cluster();
    let (joe, own) = subscribed(&mut stage, &["a"]);
    stage.reply(&own[0], &[&shard("sunsubscribe", "a", 0)]);
    stage.map(MOVED);
    stage.tick();
    let again = stage.lent_at("b");
    assert_eq!(again.borrow().introduction().last().map(String::as_str), Some("ssubscribe a"));
    stage.reply(&again, &["*3|$8|smessage|$1|a|$2|hi"]);
    assert_eq!(stage.told(joe), ["push: *3|$8|smessage|$1|a|$2|hi"]);
    assert_eq!(own[0].borrow().owner(), None, "the old one is given back");
}

#[test]
fn a_node_that_a_session_listens_to_already_is_asked_for_more() {
    let mut stage = Stage::cluster();
    let (joe, own) = subscribed(&mut stage, &["a", "b"]);
    stage.reply(&own[0], &[&shard("sunsubscribe", "a", 0)]);
    stage.map(MOVED);
    stage.tick();
    assert_eq!(stage.private_at("b").len(), 1);
    assert_eq!(stage.sent(&own[1]), ["ssubscribe a"]);
    stage.send(joe, &["SSUBSCRIBE {b}2"]);
    assert!(stage.sent(&own[1]).is_empty(), "requests about subscriptions wait until all are there again");
    stage.reply(&own[1], &[&shard("ssubscribe", "a", 2)]);
    assert!(stage.told(joe).is_empty(), "the proxy's own confirmation is the proxy's");
    stage.pass(PAUSE);
    assert_eq!(stage.sent(&own[1]), ["SSUBSCRIBE {b}2"]);
}

#[test]
fn a_node_that_refuses_is_asked_again() {
    let mut stage = Stage::cluster();
    let (_, own) = subscribed(&mut stage, &["a", "b"]);
    stage.reply(&own[0], &[&shard("sunsubscribe", "a", 0)]);
    stage.map(MOVED);
    stage.tick();
    assert_eq!(stage.sent(&own[1]), ["ssubscribe a"]);
    stage.reply(&own[1], &["-ERR not now"]);
    stage.tick();
    assert_eq!(stage.sent(&own[1]), ["ssubscribe a"]);
    stage.reply(&own[1], &[&super::redirect("MOVED", "a", "a")]);
    stage.map(super::super::stage::MAP);
    stage.tick();
    assert_eq!(stage.lent_at("a").borrow().introduction().last().map(String::as_str), Some("ssubscribe a"));
}

#[test]
fn subscriptions_of_a_node_that_is_lost_are_made_again_when_a_node_serves_them() {
    let mut stage = Stage::cluster();
    let (joe, own) = subscribed(&mut stage, &["a"]);
    let shared = stage.shared_at("a");
    stage.lose(&shared);
    stage.lose(&own[0]);
    stage.tick();
    assert!(stage.private_at("a").is_empty() && stage.private_at("b").is_empty(), "nobody serves the slot");
    assert!(!stage.worker.session(joe).ended && stage.told(joe).is_empty());
    stage.map(MOVED);
    stage.tick();
    let again = stage.lent_at("b");
    assert_eq!(again.borrow().introduction().last().map(String::as_str), Some("ssubscribe a"));
    assert!(stage.told(joe).is_empty());
}

#[test]
fn channels_of_no_shard_are_made_again_at_any_node_that_works() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["*3|$9|subscribe|$1|x|:1"]);
    stage.told(joe);
    let shared = stage.shared_at("a");
    stage.lose(&shared);
    stage.lose(&own);
    stage.tick();
    let again = stage.lent_at("b");
    assert_eq!(again.borrow().introduction().last().map(String::as_str), Some("subscribe x"));
    stage.reply(&again, &["*3|$7|message|$1|x|$2|hi"]);
    assert_eq!(stage.told(joe), ["push: *3|$7|message|$1|x|$2|hi"]);
}

#[test]
fn a_subscriber_that_no_connection_is_left_for_is_closed() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 1);
    let (joe, own) = subscribed(&mut stage, &["a"]);
    let ann = stage.join();
    stage.send(ann, &["BLPOP a 0"]);
    stage.lose(&own[0]);
    stage.tick();
    assert!(stage.worker.session(joe).ended && !stage.worker.session(ann).ended);
}

#[test]
fn a_session_that_loses_what_cannot_be_had_again_is_closed() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MONITOR"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["+OK"]);
    stage.lose(&own);
    assert!(stage.worker.session(joe).ended, "lines of MONITOR are missing");
}

#[test]
fn requests_about_subscriptions_wait_while_some_are_made_again_and_others_do_not() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["HELLO 3"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["%1|$5|proto|:3"]);
    stage.recycle(&own);
    stage.send(joe, &["SSUBSCRIBE a"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &[">3|$10|ssubscribe|$1|a|:1"]);
    stage.reply(&own, &[">3|$12|sunsubscribe|$1|a|:0"]);
    stage.send(joe, &["GET b", "SSUBSCRIBE b"]);
    let shared = stage.shared_at("b");
    stage.establish(&shared);
    assert_eq!(stage.sent(&shared), ["GET b"]);
    stage.reply(&shared, &["_"]);
    stage.pass(PAUSE / 50);
    assert!(stage.private_at("b").is_empty());
    assert_eq!(stage.told(joe), ["%1|$5|proto|:3", ">3|$10|ssubscribe|$1|a|:1", "_"]);
}

#[test]
fn reset_forgets_what_is_to_be_subscribed_to_again() {
    let mut stage = Stage::cluster();
    let (joe, own) = subscribed(&mut stage, &["a"]);
    stage.lose(&own[0]);
    stage.send(joe, &["RESET"]);
    let other = stage.lent_at("a");
    assert_eq!(stage.sent(&other), ["RESET"], "it does not wait until they are made");
    stage.reply(&other, &["+RESET"]);
    stage.recycle(&other);
    stage.tick();
    assert_eq!(stage.told(joe), ["+RESET"]);
    assert!(
        ["a", "b", "c"]
            .iter()
            .all(|node| { stage.private_at(node).iter().all(|private| private.borrow().owner().is_none()) })
    );
}
