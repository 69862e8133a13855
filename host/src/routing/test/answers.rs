//! Requests that end without a server's reply.

use super::Stage;
use super::stage::UNKNOWN;
use crate::ids::PathId;

const NOT_SENT: &str = "-ERR the upstream is unreachable; this request was not sent";

#[test]
fn a_request_that_cannot_be_sent_is_told_so_in_the_order_of_its_session() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a"]);
    stage.sent(&shared);
    stage.lose(&shared);
    shared.borrow_mut().fail_to_connect();
    stage.receive(&shared);
    stage.send(joe, &["GET b", "GET c"]);
    assert_eq!(stage.told(joe), [UNKNOWN, NOT_SENT, NOT_SENT], "each is answered");
    assert_eq!(stage.worker.failures, 3);
    assert!(!stage.worker.session(joe).ended, "it may go on when the server is back");
    stage.establish(&shared);
    stage.send(joe, &["GET d"]);
    stage.reply(&shared, &["$1|d"]);
    assert_eq!(stage.told(joe), ["$1|d"]);
}

#[test]
fn what_waits_behind_a_last_answer_is_forgotten_and_not_answered() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send_as(joe, &[("SELECT 1", PathId::NONE, None), ("GET a", PathId::at(3), None)]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["SELECT 1"]);
    stage.lose(&own);
    assert_eq!(stage.told(joe).last().map(String::as_str), Some("(end)"));
    assert_eq!(stage.worker.discarded, [PathId::at(3)]);
}

#[test]
fn a_session_that_ends_is_told_what_becomes_of_all_that_waits() {
    let mut stage = Stage::single_as(|plan| plan.private.limit = 1);
    let joe = stage.join();
    stage.send(joe, &["WATCH a"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.send(joe, &["SELECT 1", "GET b"]);
    assert_eq!(stage.sent(&own)[1..], ["SELECT 1"]);
    stage.told(joe);
    stage.lose(&own);
    assert!(stage.told(joe).iter().any(|told| told == "(end)"));
}

#[test]
fn a_connection_that_the_server_refuses_fails_its_requests_and_says_why() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["AUTH joe secret"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    let after = stage.shared();
    stage.refuse(&after);
    stage.send(joe, &["GET a"]);
    let refused = "-ERR the upstream does not accept this session's user, database or protocol any more; this request was not sent";
    assert_eq!(stage.told(joe), ["+OK", refused]);
    assert!(stage.route(joe).is_refused());
}
