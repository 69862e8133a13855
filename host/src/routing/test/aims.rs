//! Requests that name a client by its ID reach that client or nobody.

use super::Stage;

const NOBODY: &str = "9223372036854775807";

#[test]
fn a_client_that_is_killed_by_its_id_is_disconnected_and_no_other() {
    let mut stage = Stage::single();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    let shared = stage.shared();
    stage.send(joe, &["CLIENT KILL ID 2"]);
    assert_eq!(stage.sent(&shared), [format!("CLIENT KILL ID {NOBODY}")], "the server judges the request");
    assert!(stage.hung_up.lock().unwrap().is_empty(), "it has not agreed yet");
    stage.reply(&shared, &[":0"]);
    assert_eq!(*stage.hung_up.lock().unwrap(), [ann]);
    assert_eq!(stage.told(joe), [":1"]);
}

#[test]
fn a_kill_that_the_server_refuses_disconnects_nobody() {
    let mut stage = Stage::single();
    let [joe, _ann] = [(); 2].map(|()| stage.join());
    let shared = stage.shared();
    stage.send(joe, &["CLIENT KILL ID 2"]);
    stage.reply(&shared, &["-NOPERM no"]);
    assert!(stage.hung_up.lock().unwrap().is_empty());
    assert_eq!(stage.told(joe), ["-NOPERM no"]);
}

#[test]
fn a_client_is_unblocked_where_it_is_blocked_and_by_what_that_server_calls_it() {
    let mut stage = Stage::single();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    let shared = stage.shared();
    stage.send(joe, &["CLIENT UNBLOCK 2"]);
    assert_eq!(stage.sent(&shared), [format!("CLIENT UNBLOCK {NOBODY}")], "she is not blocked anywhere");
    stage.reply(&shared, &[":0"]);
    stage.send(ann, &["BLPOP a 0"]);
    let own = stage.lent();
    stage.send(joe, &["CLIENT UNBLOCK 2"]);
    assert_eq!(stage.sent(&shared), [format!("CLIENT UNBLOCK {}", crate::upstream::SERVER_ID)]);
    stage.reply(&own, &["*-1"]);
    assert_eq!(stage.told(ann), ["*-1"]);
    stage.send(joe, &["CLIENT UNBLOCK 2"]);
    assert_eq!(stage.sent(&shared), [format!("CLIENT UNBLOCK {NOBODY}")], "the connection may be another's now");
}

#[test]
fn invalidations_go_to_no_other_client() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["CLIENT TRACKING ON REDIRECT 2"]);
    assert!(stage.told(joe)[0].starts_with("-ERR "));
    assert!(stage.sent(&shared).is_empty() && stage.private_at("").is_empty());
    stage.send(joe, &["CLIENT TRACKING ON REDIRECT 1"]);
    let own = stage.lent();
    assert_eq!(stage.sent(&own), ["CLIENT TRACKING ON"]);
}

#[test]
fn the_id_of_a_client_that_has_gone_means_nobody() {
    let mut stage = Stage::single();
    let [joe, ann] = [(); 2].map(|()| stage.join());
    let shared = stage.shared();
    stage.leave(ann);
    let _tom = stage.join();
    stage.send(joe, &["CLIENT KILL ID 2"]);
    stage.reply(&shared, &[":0"]);
    assert_eq!(stage.told(joe), [":0"]);
    assert!(stage.hung_up.lock().unwrap().is_empty());
}
