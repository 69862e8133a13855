//! What a cluster is as a sink.

use super::{Stage, UNKNOWN};
use crate::ids::PathId;
use crate::upstream::Phase;

#[test]
fn a_client_that_goes_gives_back_its_connections_at_every_node() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["+OK"]);
    stage.leave(joe);
    assert_eq!(own.borrow().phase(), Phase::Reset);
}

#[test]
fn what_a_client_that_goes_has_under_way_is_forgotten_once() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let trails = [1, 2, 3].map(PathId::at);
    stage.send_as(joe, &[("MULTI", PathId::NONE, None), ("SET a 1", trails[0], None), ("SCAN 0", PathId::NONE, None)]);
    let own = stage.lent_at("a");
    stage.sent(&own);
    stage.leave(joe);
    assert_eq!(stage.worker.discarded, [trails[0]]);
    let ann = stage.join();
    stage.worker.discarded.clear();
    stage.send_as(ann, &[("MGET a b", trails[1], None), ("BLPOP a 0", trails[2], None)]);
    stage.leave(ann);
    assert_eq!(stage.worker.discarded, trails[1..]);
}

#[test]
fn requests_that_go_straight_and_cannot_be_sent_are_retried_one_by_one() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["GET a"]);
    stage.reply(&a, &["$-1"]);
    stage.told(joe);
    stage.sent(&a);
    stage.lose(&a);
    a.borrow_mut().fail_to_connect();
    stage.receive(&a);
    stage.send(joe, &["SET a 1", "SET a 2"]);
    assert!(stage.told(joe).is_empty());
    stage.establish(&a);
    stage.pass(super::PAUSE);
    assert_eq!(stage.sent(&a), ["SET a 1"]);
    stage.reply(&a, &["+1"]);
    assert_eq!(stage.sent(&a), ["SET a 2"]);
    stage.reply(&a, &["+2"]);
    assert_eq!(stage.told(joe), ["+1", "+2"]);
}

#[test]
fn a_request_that_its_server_has_lost_is_answered() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["GET a", "GET a"]);
    stage.sent(&a);
    stage.lose(&a);
    assert_eq!(stage.told(joe), [UNKNOWN, UNKNOWN]);
}

#[test]
fn when_the_users_change_new_sessions_are_new_to_every_node() {
    let mut stage = Stage::cluster();
    let (joe, before) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["ACL SETUSER joe off"]);
    for node in ["a", "b", "c"] {
        let shared = stage.shared_at(node);
        assert_eq!(stage.sent(&shared), ["ACL SETUSER joe off"]);
        stage.reply(&shared, &["+OK"]);
    }
    assert_eq!(stage.told(joe), ["+OK"]);
    let ann = stage.join();
    stage.send(ann, &["GET b"]);
    let after = stage.shared_at("b");
    stage.establish(&after);
    assert_eq!((stage.sent(&before), stage.sent(&after)), (vec![], vec!["GET b".into()]));
}
