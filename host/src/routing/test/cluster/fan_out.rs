//! Requests that go to several nodes: taken apart, put together, and what happens when a part fails.

use super::{MOVED, PAUSE, Stage, TRY_AGAIN, UNKNOWN, redirect};
use crate::ids::{PathId, SessionId};
use crate::upstream::ConnectionRef;

/// A session, and the shared connections to the nodes.
fn begun(stage: &mut Stage) -> (SessionId, [ConnectionRef; 3]) {
    (stage.join(), ["a", "b", "c"].map(|node| stage.shared_at(node)))
}

#[test]
fn values_come_in_the_order_of_their_keys_whichever_node_answers_first() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, c]) = begun(&mut stage);
    stage.send(joe, &["MGET c a {c}2 b"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["MGET a".into()], vec!["MGET b".into()]));
    assert_eq!(stage.sent(&c), ["MGET c {c}2"]);
    stage.reply(&b, &["*1|$1|b"]);
    stage.reply(&c, &["*2|$1|c|$1|C"]);
    assert!(stage.told(joe).is_empty());
    stage.reply(&a, &["*1|$1|a"]);
    assert_eq!(stage.told(joe), ["*4|$1|c|$1|a|$1|C|$1|b"]);
}

#[test]
fn counts_are_summed_and_all_must_succeed_where_the_command_says_so() {
    let mut stage = Stage::cluster();
    let (joe, nodes) = begun(&mut stage);
    for (line, replies, whole) in [
        ("DEL a b c", [":1", ":0", ":1"], ":2"),
        ("MSET a 1 b 2 c 3", ["+OK", "+OK", "+OK"], "+OK"),
        ("DBSIZE", [":10", ":20", ":30"], ":60"),
    ] {
        stage.send(joe, &[line]);
        for (node, reply) in nodes.iter().zip(replies) {
            stage.reply(node, &[reply]);
        }
        assert_eq!(stage.told(joe), [whole], "{line}");
    }
}

#[test]
fn the_error_of_one_part_is_the_answer_to_the_whole() {
    for (line, reply) in [("MGET a b", "*1|$1|a"), ("DEL a b", ":1"), ("MSET a 1 b 2", "+OK")] {
        let mut stage = Stage::cluster();
        let (joe, [a, b, _]) = begun(&mut stage);
        stage.send(joe, &[line, "GET c"]);
        stage.reply(&a, &[reply]);
        stage.reply(&b, &["-OOM command not allowed"]);
        assert_eq!(stage.told(joe), ["-OOM command not allowed"], "{line}");
    }
}

#[test]
fn a_part_that_is_lost_makes_the_whole_unknown_and_is_not_sent_again() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, _]) = begun(&mut stage);
    stage.send_as(joe, &[("DEL a b", PathId::NONE, None)]);
    stage.sent(&b);
    stage.reply(&a, &[":1"]);
    stage.lose(&b);
    assert_eq!(stage.told(joe), [UNKNOWN]);
    stage.establish(&b);
    stage.pass(PAUSE);
    assert!(stage.sent(&b).is_empty());
}

#[test]
fn a_part_that_has_moved_is_sent_there_and_the_others_are_not_sent_again() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, c]) = begun(&mut stage);
    stage.send(joe, &["MGET a c"]);
    stage.sent(&c);
    stage.reply(&a, &[&redirect("MOVED", "a", "b")]);
    assert_eq!(stage.sent(&b), ["MGET a"]);
    stage.reply(&c, &["*1|$1|c"]);
    stage.reply(&b, &["*1|$1|a"]);
    assert_eq!(stage.told(joe), ["*2|$1|a|$1|c"]);
    assert!(stage.sent(&c).is_empty());
}

#[test]
fn a_part_that_is_tried_again_holds_back_what_comes_after_the_whole() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, _]) = begun(&mut stage);
    stage.send(joe, &["DEL a {a}2 b"]);
    assert_eq!(stage.sent(&a), ["DEL a {a}2"]);
    stage.reply(&a, &[TRY_AGAIN]);
    stage.reply(&b, &[":1"]);
    stage.send(joe, &["GET b"]);
    assert_eq!(stage.sent(&b), ["DEL b"], "and not GET");
    stage.pass(PAUSE);
    assert_eq!(stage.sent(&a), ["DEL a {a}2"]);
    stage.reply(&a, &[":2"]);
    assert_eq!(stage.told(joe), [":3"]);
    assert_eq!(stage.sent(&b), ["GET b"]);
}

#[test]
fn a_node_that_leaves_the_cluster_is_not_waited_for() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, c]) = begun(&mut stage);
    stage.lose(&c);
    c.borrow_mut().fail_to_connect();
    stage.receive(&c);
    stage.send(joe, &["SCRIPT LOAD x"]);
    stage.reply(&a, &["$3|sha"]);
    stage.reply(&b, &["$3|sha"]);
    assert!(stage.told(joe).is_empty(), "the node c may come back");
    stage.map(&[(0, 10_922, "b"), (10_923, 16_383, "a")]);
    stage.pass(PAUSE);
    assert_eq!(stage.told(joe), ["$3|sha"]);
}

#[test]
fn one_success_is_enough_where_one_node_is_concerned() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["SCRIPT KILL"]);
    let owns = ["a", "b", "c"].map(|node| stage.lent_at(node));
    for (own, reply) in owns.iter().zip(["-NOTBUSY No scripts in execution right now.", "+OK", "-NOTBUSY No scripts"]) {
        assert_eq!(stage.sent(own), ["SCRIPT KILL"]);
        stage.reply(own, &[reply]);
    }
    assert_eq!(stage.told(joe), ["+OK"]);
    assert!(owns.iter().all(|own| own.borrow().owner().is_none()), "all are given back");
}

#[test]
fn what_goes_to_each_node_waits_until_there_is_a_connection_to_each_and_holds_none_till_then() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 1);
    let [joe, ann] = [(); 2].map(|()| stage.join());
    stage.send(ann, &["BLPOP c 0"]);
    let taken = stage.lent_at("c");
    stage.send(joe, &["WAIT 1 0"]);
    assert!(["a", "b"].iter().all(|node| stage.private_at(node).is_empty()), "nor can others wait for it");
    stage.reply(&taken, &["*-1"]);
    stage.recycle(&taken);
    stage.establish(&taken);
    assert_eq!(stage.sent(&taken)[1..], ["WAIT 1 0"]);
    for own in ["a", "b"].map(|node| stage.lent_at(node)) {
        assert_eq!(stage.sent(&own), ["WAIT 1 0"]);
    }
}

#[test]
fn a_scan_visits_one_shard_after_the_other_until_its_cursor_is_nothing() {
    let mut stage = Stage::cluster();
    let (joe, nodes) = begun(&mut stage);
    let (mut cursor, mut visited) = ("0".to_owned(), Vec::new());
    loop {
        stage.send(joe, &[&format!("SCAN {cursor}")]);
        let at = nodes.iter().position(|node| !stage.sent(node).is_empty()).unwrap();
        visited.push(at);
        stage.reply(&nodes[at], &["*2|$1|0|*1|$1|k"]);
        let told = stage.told(joe).remove(0);
        cursor = told.split('|').nth(2).unwrap().to_owned();
        if cursor == "0" {
            break;
        }
    }
    visited.sort_unstable();
    assert_eq!(visited, [0, 1, 2], "each once");
    stage.send(joe, &["SCAN nonsense"]);
    assert_eq!(stage.told(joe), ["-ERR invalid cursor"]);
}

#[test]
fn a_random_key_is_one_of_a_node_that_has_keys() {
    let mut stage = Stage::cluster();
    let (joe, nodes) = begun(&mut stage);
    stage.send(joe, &["RANDOMKEY"]);
    for (node, frames) in nodes.iter().zip([["$-1", ":0"], ["$1|k", ":7"], ["$-1", ":0"]]) {
        assert_eq!(stage.sent(node), ["RANDOMKEY", "DBSIZE"]);
        stage.reply(node, &frames);
    }
    assert_eq!(stage.told(joe), ["$1|k"]);
}

#[test]
fn info_is_that_of_the_one_node_that_there_seems_to_be() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, c]) = begun(&mut stage);
    stage.worker.found_at = Some("192.0.2.1:6379".parse().unwrap());
    stage.send(joe, &["INFO replication"]);
    assert_eq!((stage.sent(&a), stage.sent(&b), stage.sent(&c)), (vec!["INFO replication".into()], vec![], vec![]));
    stage.reply(&a, &["$37|tcp_port:1|connected_slaves:2|a:b|"]);
    assert_eq!(stage.told(joe), ["$40|tcp_port:6379|connected_slaves:0|a:b|"]);
}

#[test]
fn parts_that_no_session_waits_for_any_more_are_for_nobody() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, _]) = begun(&mut stage);
    stage.send_as(joe, &[("MGET a b", PathId::at(1), None)]);
    stage.reply(&a, &["*1|$1|a"]);
    stage.leave(joe);
    stage.reply(&b, &["*1|$1|b"]);
    assert_eq!(stage.worker.discarded, [PathId::at(1)], "once");
}

#[test]
fn a_part_goes_by_the_map_of_the_time_when_it_is_sent() {
    let mut stage = Stage::cluster();
    let (joe, [a, b, c]) = begun(&mut stage);
    stage.send(joe, &["MGET a c"]);
    stage.sent(&a);
    stage.reply(&a, &["-CLUSTERDOWN Hash slot not served"]);
    stage.reply(&c, &["*1|$1|c"]);
    stage.map(MOVED);
    stage.pass(PAUSE);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec![], vec!["MGET a".into()]));
    stage.reply(&b, &["*1|$1|a"]);
    assert_eq!(stage.told(joe), ["*2|$1|a|$1|c"]);
}

#[test]
fn a_part_that_is_tried_again_goes_to_the_shard_that_it_is_for() {
    for line in ["DBSIZE", "RANDOMKEY"] {
        let mut stage = Stage::cluster();
        let (joe, [a, _, c]) = begun(&mut stage);
        stage.send(joe, &[line]);
        let (at_a, at_c) = (stage.sent(&a), stage.sent(&c));
        assert_eq!(at_a, at_c);
        let obstacle = "-LOADING server is loading the dataset in memory";
        stage.reply(&c, &vec![obstacle; at_c.len()]);
        stage.pass(PAUSE);
        assert_eq!((stage.sent(&a), stage.sent(&c)), (vec![], at_c), "{line}");
    }
}

#[test]
fn what_goes_to_each_node_waits_for_what_is_before_it_and_nothing_follows_until_all_have_answered() {
    let mut stage = Stage::cluster();
    let (joe, [a, ..]) = begun(&mut stage);
    stage.send(joe, &["GET a", "WAIT 1 0", "GET a"]);
    assert_eq!(stage.sent(&a), ["GET a"]);
    assert!(stage.private_at("a").is_empty(), "WAIT is about everything before it");
    stage.reply(&a, &["$1|a"]);
    let owns = ["a", "b", "c"].map(|node| stage.lent_at(node));
    for own in &owns {
        assert!(stage.sent(&a).is_empty());
        stage.reply(own, &[":1"]);
    }
    assert_eq!(stage.sent(&a), ["GET a"]);
}
