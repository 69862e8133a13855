//! Transactions whose node is not the right one, or not there any more: all of them is sent again.

use std::time::Duration;

use super::{PAUSE, RETRY, Stage, redirect};
use crate::ids::PathId;
use crate::upstream::Phase;

const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.";

#[test]
fn a_transaction_that_has_moved_is_sent_again_as_a_whole_and_queued_is_not_told_twice() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+QUEUED"]);
    stage.send(joe, &["SET a 2", "SET a 3"]);
    stage.told(joe);
    stage.reply(&first, &[&redirect("MOVED", "a", "b"), "+QUEUED"]);
    assert_eq!(first.borrow().phase(), Phase::Closed, "what was queued there is never executed");
    assert!(stage.told(joe).is_empty());
    let second = stage.lent_at("b");
    assert_eq!(second.borrow().introduction(), ["MULTI"]);
    assert_eq!(stage.sent(&second), ["SET a 1", "SET a 2", "SET a 3"]);
    stage.send(joe, &["EXEC"]);
    stage.reply(&second, &["+QUEUED", "+QUEUED"]);
    assert!(stage.sent(&second).is_empty());
    stage.reply(&second, &["+QUEUED"]);
    assert_eq!(stage.told(joe), ["+QUEUED", "+QUEUED"], "for those that had not been told");
    assert!(stage.worker.late.is_empty(), "the worker is not handed the others");
    assert_eq!(stage.sent(&second), ["EXEC"]);
    stage.reply(&second, &["*3|+OK|+OK|+OK"]);
    assert_eq!(stage.told(joe), ["*3|+OK|+OK|+OK"]);
}

#[test]
fn a_transaction_that_is_to_ask_begins_behind_asking() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &[&redirect("ASK", "a", "b")]);
    let second = stage.lent_at("b");
    assert_eq!(second.borrow().introduction(), ["ASKING", "MULTI"]);
    assert_eq!(stage.sent(&second), ["SET a 1"]);
}

#[test]
fn a_transaction_that_exec_finds_moved_is_executed_where_it_is_now() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1", "EXEC"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+QUEUED"]);
    stage.told(joe);
    stage.reply(&first, &[&redirect("MOVED", "a", "b")]);
    let second = stage.lent_at("b");
    assert_eq!(stage.sent(&second), ["SET a 1", "EXEC"], "all is known, and nothing was executed");
    stage.reply(&second, &["+QUEUED", "*1|+OK"]);
    assert_eq!(stage.told(joe), ["*1|+OK"]);
}

#[test]
fn a_transaction_whose_connection_is_lost_before_exec_is_sent_again() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1", "SET a 2"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+QUEUED"]);
    stage.lose(&first);
    assert_eq!(stage.told(joe), ["+OK", "+QUEUED"]);
    stage.pass(PAUSE);
    let second = stage.lent_at("a");
    assert_eq!(stage.sent(&second), ["SET a 1", "SET a 2"]);
    stage.reply(&second, &["+QUEUED", "+QUEUED"]);
    assert_eq!(stage.told(joe), ["+QUEUED"]);
}

#[test]
fn exec_that_was_not_written_when_its_connection_was_lost_is_sent_again_with_all_before_it() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+QUEUED"]);
    stage.send(joe, &["EXEC"]);
    stage.lose(&first);
    stage.pass(PAUSE);
    let second = stage.lent_at("a");
    assert_eq!(stage.sent(&second), ["SET a 1", "EXEC"]);
    stage.reply(&second, &["+QUEUED", "*1|+OK"]);
    assert_eq!(stage.told(joe), ["+OK", "+QUEUED", "*1|+OK"]);
}

#[test]
fn a_transaction_with_watched_keys_never_moves_exec_answers_null() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+OK"]);
    stage.send(joe, &["MULTI", "SET a 1"]);
    stage.reply(&first, &["+OK"]);
    stage.reply(&first, &[&redirect("MOVED", "a", "b")]);
    let second = stage.lent_at("b");
    stage.reply(&second, &["+QUEUED"]);
    stage.sent(&second);
    stage.send(joe, &["EXEC"]);
    assert!(stage.sent(&second).is_empty(), "it would be executed without what was watched");
    assert_eq!(stage.told(joe), ["+OK", "+OK", "+QUEUED", "*-1"]);
    assert_ne!(second.borrow().owner(), Some(joe));
}

#[test]
fn exec_that_waited_for_keys_that_were_watched_on_a_lost_connection_answers_null() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+OK"]);
    stage.send(joe, &["MULTI", "SET a 1"]);
    stage.reply(&first, &["+OK"]);
    stage.reply(&first, &["+QUEUED"]);
    stage.send(joe, &["EXEC"]);
    stage.lose(&first);
    stage.pass(PAUSE);
    assert!(stage.private_at("a").is_empty(), "it must not be executed without what was watched");
    assert_eq!(stage.told(joe), ["+OK", "+OK", "+QUEUED", "*-1"]);
}

#[test]
fn a_transaction_is_tried_again_for_a_while_and_then_refused() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["MULTI", "SET a 1"]);
    let down = "-CLUSTERDOWN The cluster is down";
    let mut told = Vec::new();
    let began = stage.worker.now;
    while stage.worker.now - began < 2 * RETRY {
        for own in stage.private_at("a") {
            stage.establish(&own);
            if !stage.sent(&own).is_empty() {
                stage.reply(&own, &[down]);
            }
        }
        stage.pass(Duration::from_millis(5));
        told.extend(stage.told(joe));
    }
    assert_eq!(told, ["+OK", down]);
    stage.send(joe, &["SET a 2", "EXEC"]);
    for own in stage.private_at("a") {
        stage.establish(&own);
        stage.reply(&own, &["+QUEUED"]);
        assert!(!stage.sent(&own).contains(&"EXEC".to_owned()), "a part of a transaction is not executed");
    }
    assert_eq!(stage.told(joe).last().map(String::as_str), Some(ABORTED));
}

#[test]
fn a_transaction_that_waits_for_a_connection_at_its_new_node_goes_on_when_one_is_there() {
    let mut stage = Stage::cluster_as(|plan| plan.node.private.limit = 1);
    let [joe, ann] = [(); 2].map(|()| stage.join());
    stage.send(ann, &["BLPOP b 0"]);
    let taken = stage.lent_at("b");
    stage.send(joe, &["MULTI", "SET a 1"]);
    let first = stage.lent_at("a");
    stage.reply(&first, &[&redirect("MOVED", "a", "b")]);
    stage.reply(&taken, &["*-1"]);
    stage.recycle(&taken);
    assert_eq!(taken.borrow().owner(), Some(joe));
    stage.establish(&taken);
    assert_eq!(stage.sent(&taken)[1..], ["SET a 1"]);
}

#[test]
fn what_had_to_happen_to_a_response_happens_once_however_often_its_request_is_sent() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send_as(joe, &[("MULTI", PathId::NONE, None), ("SET a 1", PathId::at(1), None)]);
    let first = stage.lent_at("a");
    stage.reply(&first, &["+QUEUED"]);
    stage.send(joe, &["SET a 2"]);
    stage.reply(&first, &[&redirect("MOVED", "a", "b")]);
    let second = stage.lent_at("b");
    stage.sent(&second);
    stage.leave(joe);
    assert!(!stage.worker.discarded.contains(&PathId::at(1)), "it went with the first reply");
}
