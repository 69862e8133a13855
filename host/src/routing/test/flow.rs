//! What replies tell of a session, and what it has waiting.

use super::Stage;
use super::stage::WAIT;
use crate::resp::Protocol;

#[test]
fn a_change_counts_once_its_own_reply_has_come_and_not_before() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let state = stage.route(joe).state().clone();
    stage.send(joe, &["SELECT 3"]);
    let own = stage.lent();
    assert_eq!(state.borrow().identity.database, 0);
    stage.reply(&own, &["+OK"]);
    assert_eq!(state.borrow().identity.database, 3);
}

#[test]
fn changes_of_a_transaction_count_one_by_one_as_exec_says() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let state = stage.route(joe).state().clone();
    stage.send(joe, &["MULTI", "SELECT 3", "GET a", "SELECT 99", "EXEC"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK", "+QUEUED", "+QUEUED", "+QUEUED"]);
    assert_eq!(state.borrow().identity.database, 0, "it is only queued");
    stage.reply(&own, &["*3|+OK|$1|a|-ERR DB index is out of range"]);
    assert_eq!(state.borrow().identity.database, 3, "the last one was refused");
}

#[test]
fn a_transaction_that_is_not_executed_changes_nothing() {
    for (end, reply) in [("EXEC", "*-1"), ("EXEC", "-EXECABORT Transaction discarded"), ("DISCARD", "+OK")] {
        let mut stage = Stage::single();
        let joe = stage.join();
        let state = stage.route(joe).state().clone();
        stage.send(joe, &["MULTI", "SELECT 3", end]);
        let own = stage.lent();
        stage.reply(&own, &["+OK", "+QUEUED", reply]);
        assert_eq!(state.borrow().identity.database, 0, "{end} {reply}");
    }
}

#[test]
fn a_local_answer_takes_no_change_that_was_asked_for_before_it() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let state = stage.route(joe).state().clone();
    stage.send(joe, &["MULTI"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.send(joe, &["SELECT 3", "CLIENT REPLY ON", "EXEC"]);
    stage.reply(&own, &["+QUEUED", "*1|+OK"]);
    assert_eq!(state.borrow().identity.database, 3);
}

#[test]
fn when_the_users_of_the_server_change_new_sessions_are_new_to_it() {
    let mut stage = Stage::single();
    let (joe, before) = (stage.join(), stage.shared());
    stage.send(joe, &["ACL SETUSER joe off"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    let ann = stage.join();
    let after = stage.shared();
    assert!(!std::rc::Rc::ptr_eq(&before, &after));
    stage.establish(&after);
    stage.send(ann, &["GET a"]);
    assert_eq!((stage.sent(&before), stage.sent(&after)), (vec![], vec!["GET a".into()]));
}

#[test]
fn a_session_listens_while_its_server_may_send_by_itself() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent();
    assert!(!stage.route(joe).listens());
    stage.reply(&own, &["*3|$9|subscribe|$1|x|:1"]);
    assert!(stage.route(joe).listens() && stage.route(joe).needs_poll());
}

#[test]
fn who_a_session_is_speaks_the_protocol_that_it_has_asked_for() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let state = stage.route(joe).state().clone();
    stage.send(joe, &["HELLO 3", "GET a"]);
    let own = stage.lent();
    stage.reply(&own, &["-NOPROTO unsupported protocol version"]);
    assert_eq!(state.borrow().identity.protocol, Protocol::Resp2);
    stage.send(joe, &["HELLO 3"]);
    let shared = stage.shared();
    stage.reply(&shared, &["$-1"]);
    let own = stage.lent();
    stage.reply(&own, &["%1|$5|proto|:3"]);
    assert_eq!(state.borrow().identity.protocol, Protocol::Resp3);
    assert_eq!(stage.shared().borrow().introduction(), ["HELLO 3"]);
}

#[test]
fn sessions_wait_for_a_connection_without_being_polled_in_vain() {
    let mut stage = Stage::single_as(|plan| plan.private.limit = 0);
    let joe = stage.join();
    stage.send(joe, &["BLPOP a 0"]);
    stage.send(joe, &["BLPOP b 0"]);
    stage.look();
    stage.pass(2 * WAIT);
    stage.pass(2 * WAIT);
    assert_eq!(stage.told(joe).len(), 2, "each waits by itself, and once");
}
