//! One server: which connection a request takes, and when it waits.

use super::Stage;
use super::stage::{NO_CONNECTION, UNKNOWN, WAIT};
use crate::ids::PathId;
use crate::upstream::Phase;

#[test]
fn a_request_that_needs_a_connection_of_its_own_waits_until_everything_before_it_is_answered() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a", "BLPOP b 0", "GET c"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
    assert!(stage.private_at("").is_empty());
    stage.reply(&shared, &["$1|a"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["BLPOP b 0", "GET c"], "what follows stays in order behind it");
    stage.reply(&own, &["*2|$1|b|$1|1", "$1|c"]);
    assert_eq!(stage.told(joe), ["$1|a", "*2|$1|b|$1|1", "$1|c"]);
    assert!(stage.sent(&shared).is_empty());
}

#[test]
fn nothing_is_sent_past_a_change_of_who_the_session_is_until_the_server_has_agreed() {
    for (line, agreed) in [
        ("AUTH joe secret", "+OK"),
        ("HELLO 3 AUTH joe secret", "%1|$5|proto|:3"),
        ("SELECT 3", "+OK"),
        ("RESET", "+RESET"),
        ("READONLY", "+OK"),
    ] {
        let mut stage = Stage::single();
        let (joe, shared) = (stage.join(), stage.shared());
        stage.send(joe, &[line, "SET a 1"]);
        let own = stage.lent();
        assert_eq!(stage.sent(&own), [line], "{line} goes alone");
        assert!(stage.sent(&shared).is_empty());
        stage.send(joe, &["SET b 2"]);
        assert!(stage.sent(&own).is_empty() && stage.sent(&shared).is_empty(), "{line}");
        stage.reply(&own, &[agreed]);
        let after = stage.shared();
        stage.establish(&after);
        assert_eq!(stage.sent(&after), ["SET a 1", "SET b 2"], "{line}");
        stage.reply(&after, &["+OK", "+OK"]);
        assert_eq!(stage.told(joe), [agreed, "+OK", "+OK"], "{line}");
    }
}

#[test]
fn what_follows_a_change_goes_to_the_connection_of_who_the_session_is_then() {
    let mut stage = Stage::single();
    let (joe, before) = (stage.join(), stage.shared());
    stage.send(joe, &["AUTH joe secret", "GET a"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    let after = stage.shared();
    assert_eq!(after.borrow().introduction(), ["AUTH joe secret"]);
    stage.establish(&after);
    assert_eq!((stage.sent(&after), stage.sent(&before)), (vec!["GET a".into()], vec![]));
}

#[test]
fn a_change_that_the_server_refuses_leaves_the_session_as_it_was() {
    for (line, refusal) in [
        ("AUTH joe wrong", "-WRONGPASS invalid username-password pair"),
        ("SELECT 99", "-ERR DB index is out of range"),
        ("HELLO 3 AUTH joe wrong", "-WRONGPASS invalid username-password pair"),
    ] {
        let mut stage = Stage::single();
        let (joe, shared) = (stage.join(), stage.shared());
        stage.send(joe, &[line, "GET a"]);
        let own = stage.lent();
        stage.reply(&own, &[refusal]);
        assert_eq!(stage.sent(&shared), ["GET a"], "{line}");
        stage.reply(&shared, &["$1|a"]);
        assert_eq!(stage.told(joe), [refusal, "$1|a"]);
    }
}

#[test]
fn a_transaction_has_its_connection_until_exec_is_answered() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["MULTI", "SET a 1"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["MULTI", "SET a 1"]);
    stage.reply(&own, &["+OK", "+QUEUED"]);
    assert_eq!(own.borrow().owner(), Some(joe));
    stage.send(joe, &["EXEC", "GET b"]);
    assert_eq!(stage.sent(&own), ["EXEC", "GET b"], "what is behind EXEC may use it too");
    stage.reply(&own, &["*1|+OK", "$1|b"]);
    assert_eq!((own.borrow().phase(), own.borrow().owner()), (Phase::Reset, None), "given back");
    stage.send(joe, &["GET c"]);
    assert_eq!(stage.sent(&shared), ["GET c"]);
    assert_eq!(stage.told(joe), ["+OK", "+QUEUED", "*1|+OK", "$1|b"]);
}

#[test]
fn what_exec_may_change_is_known_before_anything_follows_it() {
    let mut stage = Stage::single();
    let (joe, before) = (stage.join(), stage.shared());
    stage.send(joe, &["MULTI", "SELECT 3", "EXEC", "GET a"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["MULTI", "SELECT 3", "EXEC"]);
    stage.reply(&own, &["+OK", "+QUEUED", "*1|+OK"]);
    let after = stage.shared();
    stage.establish(&after);
    assert_eq!((stage.sent(&after), stage.sent(&before)), (vec!["GET a".into()], vec![]));
    assert_eq!(after.borrow().introduction(), ["SELECT 3"]);
}

#[test]
fn a_connection_that_is_not_needed_goes_on_to_the_first_that_waits() {
    let mut stage = Stage::single();
    let [joe, ann, tom, eve] = [(); 4].map(|()| stage.join());
    stage.send(joe, &["BLPOP a 0"]);
    let first = stage.lent();
    stage.send(ann, &["BLPOP b 0"]);
    let second = stage.lent();
    stage.send(tom, &["BLPOP c 0"]);
    stage.send(eve, &["BLPOP d 0"]);
    assert_eq!(stage.private_at("").len(), 2, "the pool is full");
    stage.reply(&second, &["*-1"]);
    stage.recycle(&second);
    assert_eq!(second.borrow().owner(), Some(tom), "whoever has waited for longest");
    stage.establish(&second);
    stage.reply(&first, &["*-1"]);
    stage.recycle(&first);
    assert_eq!(first.borrow().owner(), Some(eve));
    stage.establish(&first);
    assert!(stage.sent(&second).ends_with(&["BLPOP c 0".into()]));
    assert!(stage.sent(&first).ends_with(&["BLPOP d 0".into()]));
}

#[test]
fn nobody_overtakes_those_who_wait_for_a_connection() {
    let mut stage = Stage::single_as(|plan| plan.private.limit = 1);
    let [joe, ann, tom] = [(); 3].map(|()| stage.join());
    stage.send(joe, &["BLPOP a 0"]);
    let own = stage.lent();
    stage.send(ann, &["BLPOP b 0"]);
    stage.reply(&own, &["*-1"]);
    // It is at rest, and the turn has not looked at the queue yet.
    own.borrow_mut().come_to_rest();
    stage.send(tom, &["BLPOP c 0"]);
    stage.receive(&own);
    assert_eq!(own.borrow().owner(), Some(ann));
}

#[test]
fn a_session_that_waits_for_too_long_is_told_so_and_goes_on() {
    let mut stage = Stage::single_as(|plan| plan.private.limit = 0);
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["BLPOP a 0", "GET b"]);
    stage.pass(WAIT);
    assert!(stage.told(joe).is_empty() && stage.sent(&shared).is_empty(), "the time is not over yet");
    stage.pass(std::time::Duration::from_millis(1));
    assert_eq!(stage.told(joe), [NO_CONNECTION]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
    assert_eq!(stage.worker.failures, 1);
}

#[test]
fn a_session_whose_decisive_request_gets_no_connection_is_dismissed() {
    for line in ["AUTH joe secret", "SELECT 1", "RESET", "MULTI", "WATCH a"] {
        let mut stage = Stage::single_as(|plan| plan.private.limit = 0);
        let (joe, shared) = (stage.join(), stage.shared());
        stage.send_as(joe, &[(line, PathId::NONE, None), ("SET b 1", PathId::at(5), None)]);
        stage.pass(2 * WAIT);
        assert_eq!(stage.told(joe), [NO_CONNECTION, "(end)"], "{line}");
        assert!(stage.sent(&shared).is_empty(), "{line}: SET would be executed as somebody else");
        assert_eq!(stage.worker.discarded, [PathId::at(5)], "{line}");
    }
}

#[test]
fn a_session_that_loses_its_transaction_does_not_go_on_as_if_it_had_not() {
    for lines in [&["MULTI", "SET a 1"][..], &["WATCH a", "GET a"]] {
        let mut stage = Stage::single();
        let (joe, shared) = (stage.join(), stage.shared());
        stage.send(joe, lines);
        let own = stage.lent();
        stage.reply(&own, &["+OK", "+QUEUED"]);
        stage.lose(&own);
        assert!(stage.worker.session(joe).ended, "{lines:?}");
        assert!(stage.sent(&shared).is_empty());
    }
}

#[test]
fn a_session_that_loses_nothing_with_its_connection_goes_on_at_a_shared_one() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["BLPOP a 0", "GET b"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["BLPOP a 0", "GET b"]);
    stage.lose(&own);
    assert_eq!(stage.told(joe), [UNKNOWN, UNKNOWN], "what was written is not sent again");
    stage.send(joe, &["GET c"]);
    assert_eq!(stage.sent(&shared), ["GET c"]);
    assert!(!stage.worker.session(joe).ended);
}

#[test]
fn a_session_whose_change_was_perhaps_executed_is_dismissed() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["SELECT 1", "SET a 1"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["SELECT 1"]);
    stage.lose(&own);
    assert_eq!(stage.told(joe), [UNKNOWN, "(end)"]);
    assert!(stage.sent(&shared).is_empty(), "in which database, only the server knows");
}

#[test]
fn what_a_shared_connection_had_not_written_is_sent_when_it_is_there_again() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["SET a 1"]);
    assert_eq!(stage.sent(&shared), ["SET a 1"]);
    stage.send(joe, &["SET b 2"]);
    stage.lose(&shared);
    stage.establish(&shared);
    assert_eq!(stage.sent(&shared), ["SET b 2"]);
    stage.reply(&shared, &["+OK"]);
    assert_eq!(stage.told(joe), [UNKNOWN, "+OK"]);
}

#[test]
fn a_connection_is_given_back_only_when_everything_on_it_is_answered() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["BLPOP a 0", "GET b"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["BLPOP a 0", "GET b"]);
    stage.reply(&own, &["*-1"]);
    stage.send(joe, &["GET c"]);
    assert!(stage.sent(&own).is_empty() && stage.sent(&shared).is_empty(), "GET b is in flight");
    stage.reply(&own, &["$1|b"]);
    assert_eq!(stage.sent(&shared), ["GET c"]);
    stage.reply(&shared, &["$1|c"]);
    assert_eq!(stage.told(joe), ["*-1", "$1|b", "$1|c"]);
}
