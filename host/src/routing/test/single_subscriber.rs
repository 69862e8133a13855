//! One server: sessions that it sends what nobody has asked for, and that may not come back.

use super::Stage;
use crate::upstream::Phase;

const SUBSCRIBED: &str = "*3|$9|subscribe|$1|x|:1";

#[test]
fn a_subscriber_keeps_its_connection_until_it_is_subscribed_to_nothing() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent();
    stage.reply(&own, &[SUBSCRIBED, "*3|$7|message|$1|x|$2|hi"]);
    assert_eq!(stage.told(joe), [SUBSCRIBED, "push: *3|$7|message|$1|x|$2|hi"]);
    assert_eq!(own.borrow().owner(), Some(joe), "it is needed");
    stage.send(joe, &["UNSUBSCRIBE x"]);
    assert_eq!(stage.sent(&own)[1..], ["UNSUBSCRIBE x"]);
    stage.reply(&own, &["*3|$11|unsubscribe|$1|x|:0"]);
    assert_eq!(own.borrow().phase(), Phase::Reset, "it is needed no more");
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
}

#[test]
fn a_subscriber_that_loses_its_connection_is_subscribed_again_and_not_told() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent();
    stage.reply(&own, &[SUBSCRIBED]);
    stage.lose(&own);
    stage.told(joe);
    stage.send(joe, &["PING", "SUBSCRIBE y"]);
    assert!(stage.private_at("").is_empty(), "nothing goes before the subscriptions are there");
    let shared = stage.shared();
    assert!(stage.sent(&shared).is_empty(), "a subscriber's PING is another one");
    stage.tick();
    let again = stage.lent();
    assert_eq!(again.borrow().introduction(), ["subscribe x"]);
    assert_eq!(stage.sent(&again), ["PING", "SUBSCRIBE y"]);
    stage.reply(&again, &["*2|$4|pong|$0|", "*3|$9|subscribe|$1|y|:2", "*3|$7|message|$1|x|$2|hi"]);
    let told = ["*2|$4|pong|$0|", "*3|$9|subscribe|$1|y|:2", "push: *3|$7|message|$1|x|$2|hi"];
    assert_eq!(stage.told(joe), told);
}

#[test]
fn a_subscriber_waits_for_the_server_to_come_back() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent();
    stage.reply(&own, &[SUBSCRIBED]);
    stage.lose(&own);
    stage.lose(&shared);
    stage.tick();
    assert!(stage.private_at("").is_empty() && !stage.worker.session(joe).ended);
    stage.establish(&shared);
    stage.tick();
    assert_eq!(stage.lent().borrow().owner(), Some(joe));
}

#[test]
fn a_subscriber_that_cannot_be_subscribed_again_is_closed() {
    let mut stage = Stage::single_as(|plan| plan.private.limit = 1);
    let [joe, ann] = [(); 2].map(|()| stage.join());
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent();
    stage.reply(&own, &[SUBSCRIBED]);
    stage.send(ann, &["BLPOP a 0"]);
    stage.lose(&own);
    stage.tick();
    assert!(stage.worker.session(joe).ended, "another session has the last connection");
    assert!(!stage.worker.session(ann).ended);
}

#[test]
fn the_server_is_told_that_a_client_has_gone_whose_command_blocks() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["BLPOP a 0"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["BLPOP a 0"]);
    stage.route(joe).depart();
    stage.lose(&own);
    assert!(stage.worker.session(joe).removed, "the server has let it go");
    assert!(stage.told(joe).is_empty());
}

#[test]
fn a_client_that_goes_gives_everything_back() {
    let mut stage = Stage::single();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    stage.send(joe, &["WATCH a"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.leave(joe);
    assert_eq!(own.borrow().phase(), Phase::Reset);
    stage.recycle(&own);
    stage.send(ann, &["WATCH b"]);
    assert_eq!(own.borrow().owner(), Some(ann), "the next session gets it");
}

#[test]
fn what_was_in_flight_when_a_client_went_is_forgotten() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let trails = [1, 2, 3].map(crate::ids::PathId::at);
    stage.send_as(joe, &[("BLPOP a 0", trails[0], None), ("GET b", trails[1], None)]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["BLPOP a 0", "GET b"]);
    stage.leave(joe);
    assert_eq!(own.borrow().phase(), Phase::Closed, "what comes now is for nobody");
    assert_eq!(stage.worker.discarded, trails[..2]);
}

#[test]
fn a_direct_source_closes_its_clients_without_a_word_when_the_node_is_lost() {
    let mut stage = Stage::single_as(|plan| plan.hangs_up = true);
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
    stage.lose(&shared);
    assert_eq!(stage.told(joe), ["(end)"]);
}
