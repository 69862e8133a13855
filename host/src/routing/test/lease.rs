//! What a session needs a connection of its own for, and for how long.

use super::Stage;
use crate::upstream::Phase;

/// The phase of a session's own connection behind these requests and their replies.
fn behind(exchanges: &[(&str, &str)]) -> Phase {
    let mut stage = Stage::single();
    let joe = stage.join();
    let mut own = None;
    for (line, reply) in exchanges {
        stage.send(joe, &[line]);
        let own = own.get_or_insert_with(|| stage.lent());
        stage.reply(own, &[reply]);
    }
    own.map(|own| own.borrow().phase()).unwrap()
}

#[test]
fn a_connection_is_kept_while_the_server_knows_what_cannot_be_told_again() {
    for exchanges in [
        &[("MULTI", "+OK")][..],
        &[("MULTI", "+OK"), ("GET a", "+QUEUED")],
        &[("WATCH a", "+OK")],
        &[("WATCH a", "+OK"), ("GET a", "$-1")],
        &[("WATCH a", "+OK"), ("EXEC", "-ERR EXEC without MULTI")],
        &[("CLIENT TRACKING ON", "+OK")],
        &[("CLIENT CAPA redirect", "+OK")],
        &[("ASKING", "+OK")],
        &[("SUBSCRIBE x", "*3|$9|subscribe|$1|x|:1")],
        &[("MONITOR", "+OK")],
    ] {
        assert_eq!(behind(exchanges), Phase::Ready, "{exchanges:?}");
    }
}

#[test]
fn a_connection_is_given_back_once_that_is_over() {
    for exchanges in [
        &[("MULTI", "-ERR no")][..],
        &[("MULTI", "+OK"), ("EXEC", "*0")],
        &[("MULTI", "+OK"), ("DISCARD", "+OK")],
        &[("WATCH a", "-ERR no")],
        &[("WATCH a", "+OK"), ("UNWATCH", "+OK")],
        &[("WATCH a", "+OK"), ("MULTI", "+OK"), ("EXEC", "*-1")],
        &[("CLIENT TRACKING ON", "-ERR no")],
        &[("CLIENT TRACKING ON", "+OK"), ("CLIENT TRACKING OFF", "+OK")],
        &[("ASKING", "+OK"), ("GET a", "$-1")],
        &[("MULTI", "+OK"), ("RESET", "+RESET")],
        &[("BLPOP a 1", "*-1")],
        &[("CLIENT SETNAME me", "+OK")],
    ] {
        assert_eq!(behind(exchanges), Phase::Reset, "{exchanges:?}");
    }
}

#[test]
fn a_connection_is_closed_where_reset_would_not_undo_what_was_done_to_it() {
    for exchanges in [&[("CLIENT NO-EVICT ON", "+OK")][..], &[("CLIENT CAPA redirect", "+OK"), ("RESET", "+RESET")]] {
        assert_eq!(behind(exchanges), Phase::Closed, "{exchanges:?}");
    }
}

#[test]
fn a_watch_inside_of_a_transaction_is_refused_and_no_part_of_it() {
    let mut stage = Stage::single();
    let joe = stage.join();
    let state = stage.route(joe).state().clone();
    stage.send(joe, &["MULTI", "WATCH a", "SELECT 3", "EXEC"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK", "-ERR WATCH inside MULTI is not allowed", "+QUEUED", "*1|+OK"]);
    assert_eq!(state.borrow().identity.database, 3, "SELECT is the first of the replies of EXEC");
    assert_eq!(own.borrow().phase(), Phase::Reset);
}

#[test]
fn a_connection_for_one_request_takes_no_other() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["SCRIPT KILL", "BLPOP a 0"]);
    let first = stage.lent();
    assert_eq!(stage.sent(&first), ["SCRIPT KILL"]);
    stage.reply(&first, &["+OK"]);
    assert_eq!(first.borrow().phase(), Phase::Reset);
    let second = stage.lent();
    assert_eq!((stage.sent(&first), stage.sent(&second)), (vec![], vec!["BLPOP a 0".into()]));
    assert!(stage.sent(&shared).is_empty());
}

#[test]
fn a_library_that_was_named_is_not_the_next_sessions() {
    let mut stage = Stage::single();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    stage.send(joe, &["CLIENT SETINFO LIB-NAME lib"]);
    let own = stage.lent();
    stage.reply(&own, &["+OK"]);
    stage.recycle(&own);
    stage.send(ann, &["WATCH a"]);
    assert_eq!(own.borrow().owner(), Some(ann));
    assert_eq!(own.borrow().introduction(), ["CLIENT SETINFO LIB-NAME ", "CLIENT SETINFO LIB-VER "]);
}

#[test]
fn what_ends_something_that_never_began_needs_no_connection_of_its_own() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["EXEC", "DISCARD", "UNWATCH"]);
    assert_eq!(stage.sent(&shared), ["EXEC", "DISCARD", "UNWATCH"]);
    assert!(stage.private_at("").is_empty());
}
