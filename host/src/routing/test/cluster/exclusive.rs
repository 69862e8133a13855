//! Connections of one session to nodes: granted, denied, lost, and given back.

use super::{NO_CONNECTION, Stage, UNKNOWN, WAIT, redirect};
use crate::ids::PathId;
use crate::upstream::Phase;

#[test]
fn a_connection_is_granted_in_the_order_of_the_queue() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 1);
    let [joe, ann, tom] = [(); 3].map(|()| stage.join());
    for (session, line) in [(joe, "BLPOP a 0"), (ann, "BLPOP {a}2 0"), (tom, "BLPOP {a}3 0")] {
        stage.send(session, &[line]);
    }
    let own = stage.lent_at("a");
    for (owner, next, line) in [(joe, ann, "BLPOP a 0"), (ann, tom, "BLPOP {a}2 0")] {
        assert_eq!(stage.sent(&own), [line]);
        assert_eq!(own.borrow().owner(), Some(owner));
        stage.reply(&own, &["*-1"]);
        assert_eq!(own.borrow().owner(), None, "given back");
        stage.recycle(&own);
        assert_eq!(own.borrow().owner(), Some(next));
        stage.establish(&own);
    }
}

#[test]
fn what_waits_for_a_connection_holds_back_what_comes_after_it() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 1);
    let [joe, ann] = [(); 2].map(|()| stage.join());
    let shared = stage.shared_at("b");
    stage.send(joe, &["BLPOP a 0"]);
    stage.send(ann, &["BLPOP a 0", "GET b"]);
    stage.send(ann, &["GET b"]);
    assert!(stage.sent(&shared).is_empty());
    let own = stage.lent_at("a");
    stage.reply(&own, &["*-1"]);
    stage.recycle(&own);
    stage.establish(&own);
    stage.reply(&own, &["*-1"]);
    assert_eq!(stage.sent(&shared), ["GET b", "GET b"]);
}

#[test]
fn a_session_that_waits_for_too_long_is_told_so_and_goes_on() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 0);
    let (joe, shared) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["BLPOP a 0", "GET b"]);
    stage.pass(2 * WAIT);
    assert_eq!(stage.told(joe), [NO_CONNECTION]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
}

#[test]
fn a_session_whose_decisive_request_gets_no_connection_is_dismissed() {
    for line in ["AUTH joe secret", "RESET", "WATCH a"] {
        let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 0);
        let (joe, shared) = (stage.join(), stage.shared_at("b"));
        stage.send_as(joe, &[(line, PathId::NONE, None), ("SET b 1", PathId::at(5), None)]);
        stage.pass(2 * WAIT);
        assert_eq!(stage.told(joe), [NO_CONNECTION, "(end)"], "{line}");
        assert!(stage.sent(&shared).is_empty(), "{line}");
        assert_eq!(stage.worker.discarded, [PathId::at(5)], "{line}");
    }
}

#[test]
fn a_connection_stays_while_keys_are_watched_and_other_requests_go_their_way() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["WATCH a", "GET b"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["+OK"]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
    stage.reply(&shared, &["$1|b"]);
    assert_eq!(own.borrow().owner(), Some(joe));
    stage.send(joe, &["UNWATCH"]);
    assert_eq!(stage.sent(&own)[1..], ["UNWATCH"], "where the keys are watched");
    stage.reply(&own, &["+OK"]);
    assert_eq!(own.borrow().phase(), Phase::Reset);
}

#[test]
fn a_watch_whose_slot_is_elsewhere_is_made_there() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &[&redirect("MOVED", "a", "b")]);
    let second = stage.lent_at("b");
    assert_eq!(stage.sent(&second), ["WATCH a"]);
    stage.reply(&second, &["+OK"]);
    assert_eq!(stage.told(joe), ["+OK"]);
    assert_eq!(second.borrow().owner(), Some(joe));
    assert_eq!(first.borrow().phase(), Phase::Reset, "nothing is watched there");
}

#[test]
fn a_connection_that_is_to_ask_begins_with_asking() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["BLPOP a 0"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &[&redirect("ASK", "a", "b")]);
    let second = stage.lent_at("b");
    assert_eq!(second.borrow().introduction().last().map(String::as_str), Some("ASKING"));
    assert_eq!(stage.sent(&second), ["BLPOP a 0"]);
}

#[test]
fn what_blocks_and_is_lost_is_not_sent_again_and_the_session_goes_on() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["BLPOP a 0", "GET b"]);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["BLPOP a 0"]);
    stage.lose(&own);
    assert_eq!(stage.told(joe), [UNKNOWN]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
    assert!(!stage.worker.session(joe).ended);
}

#[test]
fn reset_leaves_all_connections_but_one() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["SSUBSCRIBE a"]);
    let at_a = stage.lent_at("a");
    stage.reply(&at_a, &["*3|$10|ssubscribe|$1|a|:1"]);
    stage.send(joe, &["SSUBSCRIBE b"]);
    let at_b = stage.lent_at("b");
    stage.reply(&at_b, &["*3|$10|ssubscribe|$1|b|:1"]);
    stage.told(joe);
    stage.sent(&at_a);
    stage.send(joe, &["RESET"]);
    assert_eq!(stage.sent(&at_a), ["RESET"]);
    assert_eq!(at_b.borrow().owner(), None);
    stage.reply(&at_a, &["+RESET"]);
    assert_eq!(stage.told(joe), ["+RESET"]);
    assert_eq!(at_a.borrow().owner(), None);
}

#[test]
fn the_node_is_told_that_a_client_has_gone_whose_command_blocks() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["BLPOP a 0"]);
    let own = stage.lent_at("a");
    stage.sent(&own);
    stage.route(joe).depart();
    stage.lose(&own);
    assert!(stage.worker.session(joe).removed && stage.told(joe).is_empty());
}
