//! Requests on their way from the chain: what leaves together, and what is looked at one by one.

use super::Stage;
use crate::chain::{Answer, Outcome};
use crate::ids::PathId;

#[test]
fn requests_of_one_write_leave_in_order_and_are_answered_in_order() {
    let mut stage = Stage::single();
    let (joe, server) = (stage.join(), stage.shared());
    stage.send(joe, &["SET a 1", "GET a", "GET b"]);
    assert_eq!(stage.sent(&server), ["SET a 1", "GET a", "GET b"]);
    stage.reply(&server, &["+OK", "$1|1"]);
    stage.reply(&server, &["$-1"]);
    assert_eq!(stage.told(joe), ["+OK", "$1|1", "$-1"]);
}

#[test]
fn what_the_chain_answers_waits_for_the_replies_before_it() {
    let mut stage = Stage::single();
    let (joe, server) = (stage.join(), stage.shared());
    let answer = Outcome::Reply(Answer { frame: "+by the chain\r\n".into(), foreign: false });
    stage.send_as(
        joe,
        &[("GET a", PathId::NONE, None), ("GET b", PathId::NONE, Some(answer)), ("GET c", PathId::NONE, None)],
    );
    assert_eq!(stage.sent(&server), ["GET a", "GET c"]);
    assert!(stage.told(joe).is_empty());
    stage.reply(&server, &["$1|a", "$1|c"]);
    assert_eq!(stage.told(joe), ["$1|a", "+by the chain", "$1|c"]);
}

#[test]
fn nothing_is_sent_behind_a_last_answer() {
    let mut stage = Stage::single();
    let (joe, server) = (stage.join(), stage.shared());
    stage.send_as(
        joe,
        &[
            ("GET a", PathId::NONE, None),
            ("GET b", PathId::NONE, Some(Outcome::Close(None))),
            ("GET c", PathId::at(4), None),
        ],
    );
    assert_eq!(stage.sent(&server), ["GET a"]);
    assert_eq!(stage.worker.discarded, [PathId::at(4)], "what had to happen to its response is forgotten");
    stage.send(joe, &["GET d"]);
    assert!(stage.sent(&server).is_empty() && stage.worker.session(joe).ended);
    stage.reply(&server, &["$1|a"]);
    assert_eq!(stage.told(joe), ["$1|a", "(end)"]);
}

#[test]
fn quit_is_answered_by_the_proxy_and_is_the_end() {
    let mut stage = Stage::single();
    let (joe, server) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a", "QUIT", "GET b"]);
    assert_eq!(stage.sent(&server), ["GET a"]);
    stage.reply(&server, &["$-1"]);
    assert_eq!(stage.told(joe), ["$-1", "+OK", "(end)"]);
}

#[test]
fn a_browser_does_not_reach_the_connection_that_others_use() {
    let mut stage = Stage::single();
    let (joe, server) = (stage.join(), stage.shared());
    stage.send(joe, &["POST / HTTP/1.1", "Host: here"]);
    assert!(stage.sent(&server).is_empty());
    assert_eq!(stage.told(joe), ["(end)"]);
}

#[test]
fn client_reply_concerns_the_proxy_alone() {
    let mut stage = Stage::single();
    let (joe, server) = (stage.join(), stage.shared());
    stage.send(joe, &["CLIENT REPLY ON", "CLIENT REPLY PERHAPS"]);
    assert_eq!(stage.sent(&server), ["CLIENT REPLY PERHAPS"], "what is wrong is the server's to refuse");
    assert_eq!(stage.told(joe), ["+OK"]);
}

#[test]
fn sessions_share_a_connection_and_each_gets_its_own_replies() {
    let mut stage = Stage::single();
    let (joe, ann, server) = (stage.join(), stage.join(), stage.shared());
    stage.send(joe, &["GET j"]);
    stage.send(ann, &["GET a"]);
    stage.send(joe, &["GET k"]);
    assert_eq!(stage.sent(&server), ["GET j", "GET a", "GET k"]);
    stage.reply(&server, &["$1|j", "$1|a", "$1|k"]);
    assert_eq!((stage.told(joe), stage.told(ann)), (vec!["$1|j".into(), "$1|k".into()], vec!["$1|a".into()]));
}

#[test]
fn a_session_keeps_to_one_of_the_connections_that_sessions_share() {
    let mut stage = Stage::single_as(|plan| plan.connections = 2);
    let joe = stage.join();
    stage.send(joe, &["SET a 1", "CLIENT REPLY ON", "SET a 2"]);
    stage.send(joe, &["SET a 3"]);
    let sent = stage.all_shared().into_iter().map(|server| stage.sent(&server)).filter(|sent| !sent.is_empty());
    assert_eq!(sent.collect::<Vec<_>>(), [["SET a 1", "SET a 2", "SET a 3"]], "another one could be faster");
}

#[test]
fn requests_go_straight_to_the_node_of_their_key_and_replies_come_back_in_order() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["GET a", "GET b", "GET {b}2"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["GET a".into()], vec!["GET b".into(), "GET {b}2".into()]));
    stage.reply(&b, &["$1|b", "$1|2"]);
    assert!(stage.told(joe).is_empty(), "the first reply has not come");
    stage.reply(&a, &["$1|a"]);
    assert_eq!(stage.told(joe), ["$1|a", "$1|b", "$1|2"]);
}
