//! What is planned is done, in an order that no client can tell from that of one server.

use super::{MOVED, Stage};
use crate::upstream::ReadFrom;

#[test]
fn what_was_sent_by_an_old_map_is_answered_before_anything_goes_by_a_new_one() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b, c] = ["a", "b", "c"].map(|node| stage.shared_at(node));
    stage.send(joe, &["SET a 1"]);
    stage.sent(&a);
    stage.map(MOVED);
    stage.send(joe, &["SET a 2", "SET c 3"]);
    assert!(stage.sent(&b).is_empty() && stage.sent(&c).is_empty(), "they could overtake the first one");
    stage.reply(&a, &["+OK"]);
    assert_eq!(
        (stage.sent(&a), stage.sent(&b), stage.sent(&c)),
        (vec![], vec!["SET a 2".into()], vec!["SET c 3".into()])
    );
    stage.reply(&c, &["+third"]);
    stage.reply(&b, &["+second"]);
    assert_eq!(stage.told(joe), ["+OK", "+second", "+third"]);
}

#[test]
fn requests_for_a_slot_wait_for_those_of_several_keys_there() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["DEL {a}1 {a}2"]);
    stage.send(joe, &["GET b"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["DEL {a}1 {a}2".into()], vec!["GET b".into()]));
    stage.send(joe, &["GET a", "GET b"]);
    assert!(stage.sent(&a).is_empty() && stage.sent(&b).is_empty(), "GET a could be executed before a retry of DEL");
    stage.reply(&a, &[":2"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["GET a".into()], vec!["GET b".into()]));
}

#[test]
fn requests_in_parts_wait_for_those_of_several_keys_in_one_of_their_slots() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["DEL {a}1 {a}2", "MGET a b"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["DEL {a}1 {a}2".into()], vec![]));
    stage.reply(&a, &[":2"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["MGET a".into()], vec!["MGET b".into()]));
}

#[test]
fn a_request_without_keys_goes_where_its_session_is_at_home() {
    let mut stage = Stage::cluster();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["PING", "ECHO hi"]);
    stage.send(ann, &["PING"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["PING".into(), "ECHO hi".into()], vec!["PING".into()]));
}

#[test]
fn a_request_waits_for_the_map_and_is_told_when_there_is_none() {
    let mut stage = Stage::unknown_cluster_as(|_| {});
    let joe = stage.join();
    stage.send(joe, &["GET a", "GET b"]);
    assert!(stage.told(joe).is_empty());
    stage.map(super::super::stage::MAP);
    stage.pass(super::PAUSE);
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    assert_eq!(stage.sent(&a), ["GET a"]);
    assert!(stage.sent(&b).is_empty(), "the first one has waited, so the second waits for it");
    stage.reply(&a, &["$1|a"]);
    assert_eq!(stage.sent(&b), ["GET b"]);
}

#[test]
fn reads_go_to_a_replica_once_it_is_connected_and_writes_never_do() {
    let mut stage = Stage::cluster_as(|plan| plan.read_from = ReadFrom::PreferReplica);
    stage.map(&[(0, 10_922, "b"), (10_923, 16_383, "a,x")]);
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&a), ["GET a"], "the replica is not there yet");
    stage.reply(&a, &["$1|a"]);
    let x = stage.shared_at("x");
    assert_eq!(x.borrow().introduction(), ["READONLY"]);
    stage.establish(&x);
    stage.send(joe, &["GET a", "SET a 2"]);
    assert_eq!((stage.sent(&x), stage.sent(&a)), (vec!["GET a".into()], vec!["SET a 2".into()]));
    stage.reply(&x, &["-MASTERDOWN Link with MASTER is down"]);
    stage.reply(&a, &["+OK"]);
    stage.pass(super::PAUSE);
    assert_eq!((stage.sent(&x), stage.sent(&a)), (vec![], vec!["GET a".into()]), "a retry goes to the primary");
}

#[test]
fn a_node_that_left_and_came_back_is_spoken_to_on_its_new_connection() {
    let mut stage = Stage::cluster();
    let (joe, old) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&old), ["GET a"]);
    stage.reply(&old, &["$1|a"]);
    stage.map(&[(0, 16_383, "b")]);
    stage.tick();
    stage.map(super::super::stage::MAP);
    let new = stage.shared_at("a");
    stage.send(joe, &["GET a"]);
    assert_eq!((stage.sent(&old), stage.sent(&new)), (vec![], vec!["GET a".into()]));
}

#[test]
fn a_session_that_becomes_somebody_else_joins_other_connections_at_each_node() {
    let mut stage = Stage::cluster();
    let (joe, before) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["AUTH joe secret", "GET a", "GET b"]);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["AUTH joe secret"]);
    assert!(stage.sent(&before).is_empty(), "nothing is sent past it");
    stage.reply(&own, &["+OK"]);
    for (node, line) in [("a", "GET a"), ("b", "GET b")] {
        let after = stage.shared_at(node);
        assert_eq!(after.borrow().introduction(), ["AUTH joe secret"]);
        stage.establish(&after);
        assert_eq!(stage.sent(&after), [line]);
    }
}
