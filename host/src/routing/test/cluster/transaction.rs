//! Transactions, from MULTI to the reply to EXEC.

use super::{NO_CONNECTION, Stage, UNKNOWN, WAIT};
use crate::ids::{PathId, SessionId};
use crate::upstream::{ConnectionRef, Phase};

const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.";
const CROSS_SLOT: &str = "-CROSSSLOT Keys in request don't hash to the same slot";

/// A transaction that has begun at the node `a`: its session, and its connection.
fn begun(stage: &mut Stage) -> (SessionId, ConnectionRef) {
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["SET a 1"]);
    stage.reply(&own, &["+QUEUED"]);
    assert_eq!(stage.told(joe), ["+OK", "+QUEUED"]);
    (joe, own)
}

#[test]
fn the_first_key_decides_the_node_and_multi_is_said_there_before_it() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI"]);
    assert_eq!(stage.told(joe), ["+OK"], "there is no node to ask yet");
    stage.send(joe, &["GET c"]);
    let own = stage.lent_at("c");
    assert_eq!(own.borrow().introduction(), ["MULTI"]);
    assert_eq!(stage.sent(&own), ["GET c"]);
}

#[test]
fn exec_is_sent_only_when_everything_before_it_is_queued() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["MULTI", "SET a 1", "GET a", "EXEC", "GET b"]);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["SET a 1", "GET a"]);
    stage.reply(&own, &["+QUEUED"]);
    assert!(stage.sent(&own).is_empty(), "GET could still be sent elsewhere");
    stage.reply(&own, &["+QUEUED"]);
    assert_eq!(stage.sent(&own), ["EXEC"]);
    assert!(stage.sent(&shared).is_empty(), "nothing is sent past EXEC");
    stage.reply(&own, &["*2|+OK|$1|1"]);
    assert_eq!(stage.told(joe), ["+OK", "+QUEUED", "+QUEUED", "*2|+OK|$1|1"]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
    assert_eq!(own.borrow().phase(), Phase::Reset, "the connection is given back");
}

#[test]
fn a_transaction_begins_when_everything_before_it_is_answered() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["GET b", "MULTI", "GET a"]);
    assert!(stage.private_at("a").is_empty());
    stage.reply(&shared, &["$-1"]);
    assert_eq!(stage.told(joe), ["$-1", "+OK"]);
    assert_eq!(stage.private_at("a").len(), 1);
}

#[test]
fn a_request_before_multi_that_comes_back_is_no_part_of_the_transaction() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [b, c] = ["b", "c"].map(|node| stage.shared_at(node));
    stage.send(joe, &["SET b 1", "MULTI", "GET a"]);
    stage.reply(&b, &[&super::redirect("MOVED", "b", "c")]);
    assert_eq!(stage.sent(&c), ["SET b 1"], "it is executed by itself");
    stage.reply(&c, &["+OK"]);
    assert_eq!(stage.told(joe), ["+OK", "+OK"]);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["GET a"]);
}

#[test]
fn keys_of_two_slots_make_exec_fail_and_no_server_is_asked() {
    let mut stage = Stage::cluster();
    let (joe, own) = begun(&mut stage);
    stage.send(joe, &["SET b 1", "EXEC"]);
    assert!(stage.sent(&own).is_empty() && stage.private_at("b").is_empty());
    assert_eq!(stage.told(joe), ["+QUEUED", CROSS_SLOT]);
    assert_eq!(own.borrow().owner(), None);
}

#[test]
fn a_request_that_is_refused_makes_exec_fail() {
    let mut stage = Stage::cluster();
    let (joe, own) = begun(&mut stage);
    stage.send(joe, &["FLUSHALL", "EXEC"]);
    assert!(stage.sent(&own).is_empty());
    assert_eq!(stage.told(joe)[1], ABORTED);
}

#[test]
fn a_transaction_of_nothing_and_one_that_is_discarded_reach_no_server() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "EXEC"]);
    assert_eq!(stage.told(joe), ["+OK", "*0"]);
    let (joe, own) = begun(&mut stage);
    stage.send(joe, &["DISCARD"]);
    assert_eq!(stage.told(joe), ["+OK"]);
    assert_ne!(own.borrow().owner(), Some(joe), "its connection is given back: the server forgets what was queued");
    let shared = stage.shared_at("a");
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
}

#[test]
fn reset_ends_a_transaction() {
    let mut stage = Stage::cluster();
    let (joe, own) = begun(&mut stage);
    stage.send(joe, &["RESET"]);
    assert_ne!(own.borrow().owner(), Some(joe));
    let other = stage.lent_at("a");
    stage.reply(&other, &["+RESET"]);
    let shared = stage.shared_at("a");
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
}

#[test]
fn exec_that_was_written_and_lost_is_never_sent_again() {
    let mut stage = Stage::cluster();
    let (joe, own) = begun(&mut stage);
    stage.send(joe, &["EXEC"]);
    assert_eq!(stage.sent(&own), ["EXEC"]);
    stage.lose(&own);
    assert_eq!(stage.told(joe), [UNKNOWN]);
    stage.pass(super::PAUSE);
    assert!(["a", "b", "c"].iter().all(|node| stage.private_at(node).is_empty()));
    let shared = stage.shared_at("a");
    stage.send(joe, &["GET a"]);
    assert_eq!(stage.sent(&shared), ["GET a"], "the session goes on, outside of any transaction");
}

#[test]
fn a_transaction_that_no_connection_is_free_for_is_refused() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 0);
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1", "SET a 2", "EXEC"]);
    for _ in 0..3 {
        stage.pass(2 * WAIT);
    }
    assert_eq!(stage.told(joe), ["+OK", NO_CONNECTION, NO_CONNECTION, ABORTED]);
    let shared = stage.shared_at("a");
    assert!(stage.sent(&shared).is_empty(), "nothing is executed by itself");
}

#[test]
fn keys_that_are_watched_decide_the_node_and_exec_is_its_to_answer() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["+OK"]);
    stage.sent(&own);
    stage.send(joe, &["MULTI", "GET a", "EXEC"]);
    assert_eq!(stage.sent(&own), ["MULTI"]);
    stage.reply(&own, &["+OK"]);
    assert_eq!(stage.sent(&own), ["GET a"]);
    stage.reply(&own, &["+QUEUED"]);
    assert_eq!(stage.sent(&own), ["EXEC"]);
    stage.reply(&own, &["*-1"]);
    assert_eq!(stage.told(joe), ["+OK", "+OK", "+QUEUED", "*-1"]);
    assert_eq!(own.borrow().phase(), Phase::Reset);
}

#[test]
fn keys_that_were_watched_on_a_lost_connection_make_exec_answer_null() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["+OK"]);
    stage.lose(&own);
    stage.send(joe, &["MULTI", "GET a", "EXEC"]);
    let other = stage.lent_at("a");
    assert_eq!(stage.sent(&other), ["GET a"]);
    stage.reply(&other, &["+QUEUED"]);
    assert!(stage.sent(&other).is_empty(), "it must not be executed");
    assert_eq!(stage.told(joe), ["+OK", "+OK", "+QUEUED", "*-1"]);
    stage.send(joe, &["MULTI", "EXEC"]);
    assert_eq!(stage.told(joe), ["+OK", "*0"], "this once");
}

#[test]
fn unwatch_and_discard_end_what_was_lost_of_a_watch() {
    for lines in [&["UNWATCH"][..], &["MULTI", "DISCARD"]] {
        let mut stage = Stage::cluster();
        let joe = stage.join();
        stage.send(joe, &["WATCH a"]);
        let own = stage.lent_at("a");
        stage.reply(&own, &["+OK"]);
        stage.lose(&own);
        stage.send(joe, lines);
        let shared = stage.shared_at("a");
        if stage.sent(&shared) == ["UNWATCH"] {
            stage.reply(&shared, &["+OK"]);
        }
        stage.told(joe);
        stage.send(joe, &["MULTI", "EXEC"]);
        assert_eq!(stage.told(joe), ["+OK", "*0"], "{lines:?}");
    }
}

#[test]
fn a_transaction_that_begins_before_the_cluster_is_known_is_one_all_the_same() {
    let mut stage = Stage::unknown_cluster_as(|_| {});
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1", "EXEC"]);
    assert_eq!(stage.told(joe), ["+OK"]);
    stage.map(super::super::stage::MAP);
    stage.pass(super::PAUSE);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["SET a 1"]);
    stage.reply(&own, &["+QUEUED"]);
    assert_eq!(stage.sent(&own), ["EXEC"]);
}

#[test]
fn what_a_transaction_changes_of_its_session_counts_once_exec_says_so() {
    let mut stage = Stage::cluster();
    let (joe, own) = begun(&mut stage);
    let state = stage.route(joe).state().clone();
    stage.send_as(joe, &[("AUTH joe secret", PathId::NONE, None), ("EXEC", PathId::NONE, None)]);
    stage.reply(&own, &["+QUEUED"]);
    assert_eq!(state.borrow().user(), "default");
    stage.reply(&own, &["*2|+OK|+OK"]);
    assert_eq!(state.borrow().user(), "joe");
}

#[test]
fn keys_that_were_watched_where_their_slot_was_make_exec_answer_null() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+OK"]);
    stage.send(joe, &["WATCH {a}2"]);
    stage.reply(&first, &[&super::redirect("MOVED", "a", "b")]);
    let second = stage.lent_at("b");
    assert_eq!(stage.sent(&second), ["WATCH {a}2"]);
    stage.reply(&second, &["+OK"]);
    stage.send(joe, &["MULTI", "EXEC"]);
    stage.reply(&second, &["+OK"]);
    assert_eq!(stage.told(joe), ["+OK", "+OK", "+OK", "*-1"], "nobody has looked at the key a since");
}

#[test]
fn a_transaction_that_no_node_serves_is_refused_when_the_time_is_over() {
    let mut stage = Stage::cluster();
    stage.map(&[(0, 10_922, "b"), (10_923, 15_000, "a")]);
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    for _ in 0..30 {
        stage.pass(super::PAUSE);
    }
    let nobody = "-CLUSTERDOWN nobody serves slot 15495; this request was not sent";
    assert_eq!(stage.told(joe), ["+OK", nobody]);
    stage.send(joe, &["EXEC"]);
    assert_eq!(stage.told(joe), [ABORTED]);
}

#[test]
fn a_transaction_whose_node_does_not_take_its_session_is_not_executed_in_part() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    let own = stage.private_at("a").remove(0);
    stage.refuse(&own);
    stage.pass(super::PAUSE);
    let told = stage.told(joe);
    assert!(told[1].starts_with("-ERR the upstream does not accept"), "{told:?}");
    stage.send(joe, &["SET a 2", "EXEC"]);
    let mut sent = Vec::new();
    for _ in 0..3 {
        for own in stage.private_at("a") {
            stage.establish(&own);
            let lines = stage.sent(&own);
            stage.reply(&own, &vec!["+QUEUED"; lines.len()]);
            sent.extend(lines);
        }
        stage.pass(super::PAUSE);
    }
    assert!(!sent.contains(&"EXEC".to_owned()), "SET a 1 was answered with an error: {sent:?}");
    assert_eq!(stage.told(joe).last().map(String::as_str), Some(ABORTED));
}
