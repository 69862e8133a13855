//! What is known of a request that waits: its bytes, its change, and how its connection begins.

use super::Stage;
use crate::resp::Protocol;

#[test]
fn a_request_that_waits_leaves_as_it_came_whatever_its_size() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let large = format!("LPUSH a {}", "x".repeat(100_000));
    stage.send(joe, &["SELECT 1", &large]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    let after = stage.shared();
    stage.establish(&after);
    assert_eq!(stage.sent(&after), [large]);
}

#[test]
fn a_connection_for_an_introduction_is_nobodys_but_speaks_the_sessions_protocol() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["HELLO 3"]);
    let own = stage.lent();
    stage.reply(&own, &["%1|$5|proto|:3"]);
    stage.recycle(&own);
    stage.send(joe, &["SELECT 2"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.recycle(&own);
    stage.send(joe, &["AUTH joe secret"]);
    assert_eq!(stage.lent().borrow().introduction(), ["HELLO 3"], "no database that it may not select");
    assert_eq!(stage.route(joe).state().borrow().identity.protocol, Protocol::Resp3);
}

#[test]
fn what_must_get_through_to_a_busy_server_selects_no_database() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["SELECT 3"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.recycle(&own);
    stage.send(joe, &["FUNCTION KILL"]);
    assert!(stage.lent().borrow().introduction().is_empty());
}
