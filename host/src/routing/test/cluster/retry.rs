//! Requests that were not executed: where they are retried, when, and how often.

use std::time::Duration;

use super::{PAUSE, RETRY, Stage, TRY_AGAIN, UNKNOWN, redirect};
use crate::ids::PathId;

#[test]
fn a_request_that_has_moved_is_sent_there_and_what_comes_after_it_waits() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b, c] = ["a", "b", "c"].map(|node| stage.shared_at(node));
    stage.send(joe, &["SET a 1"]);
    stage.reply(&a, &[&redirect("MOVED", "a", "b")]);
    assert_eq!(stage.sent(&b), ["SET a 1"]);
    stage.send(joe, &["GET c", "GET a"]);
    assert!(stage.sent(&c).is_empty(), "it would be executed before the one that is retried");
    stage.reply(&b, &["+OK"]);
    assert_eq!(stage.told(joe), ["+OK"], "the client is told nothing of the move");
    assert_eq!(stage.sent(&c), ["GET c"]);
}

#[test]
fn several_requests_that_have_moved_arrive_in_their_order() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["SET a 1", "SET a 2", "SET a 3"]);
    let moved = redirect("MOVED", "a", "b");
    stage.reply(&a, &[&moved, &moved, &moved]);
    assert_eq!(stage.sent(&b), ["SET a 1", "SET a 2", "SET a 3"]);
    stage.reply(&b, &["+1", "+2", "+3"]);
    assert_eq!(stage.told(joe), ["+1", "+2", "+3"]);
}

#[test]
fn a_request_in_the_middle_that_has_moved_is_answered_in_its_place() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["GET d", "GET a", "GET d"]);
    stage.reply(&a, &["$1|1", &redirect("MOVED", "a", "b"), "$1|3"]);
    assert_eq!(stage.told(joe), ["$1|1"]);
    stage.reply(&b, &["$1|2"]);
    assert_eq!(stage.told(joe), ["$1|2", "$1|3"]);
}

#[test]
fn a_request_that_is_to_ask_goes_behind_asking_this_once() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["GET a"]);
    stage.reply(&a, &[&redirect("ASK", "a", "b")]);
    assert_eq!(stage.sent(&b), ["ASKING", "GET a"]);
    stage.reply(&b, &["+OK", "$1|v"]);
    assert_eq!(stage.told(joe), ["$1|v"], "the reply to ASKING is the proxy's");
    stage.send(joe, &["GET a"]);
    assert_eq!((stage.sent(&a)[1..].to_vec(), stage.sent(&b)), (vec!["GET a".to_owned()], vec![]), "the map stays");
}

#[test]
fn a_request_that_has_moved_to_a_node_that_nobody_knows_waits_until_the_map_names_it() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["GET a"]);
    stage.reply(&a, &[&redirect("MOVED", "a", "new")]);
    stage.map(&[(0, 5460, "b"), (5461, 10_922, "c"), (10_923, 15_000, "a"), (15_001, 16_383, "new")]);
    let new = stage.shared_at("new");
    assert!(stage.sent(&new).is_empty(), "it is not due");
    stage.pass(PAUSE);
    assert_eq!(stage.sent(&new), ["GET a"]);
}

#[test]
fn five_redirections_are_followed_at_once_and_then_the_nodes_are_given_time() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let (mut here, mut there) = ("a", "b");
    stage.send(joe, &["GET a"]);
    for step in 1..=6 {
        let [from, to] = [here, there].map(|node| stage.shared_at(node));
        assert_eq!(stage.sent(&from), ["GET a"], "redirection {step}");
        stage.reply(&from, &[&redirect("MOVED", "a", there)]);
        assert_eq!(stage.written_last(&to), (step < 6).then(|| "GET a".to_owned()), "redirection {step}");
        (here, there) = (there, here);
    }
    stage.pass(Duration::from_millis(2));
    let node = stage.shared_at(here);
    assert_eq!(stage.sent(&node), ["GET a"]);
}

#[test]
fn nodes_that_never_agree_are_not_followed_for_ever() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["GET a"]);
    let nodes = ["a", "b"].map(|node| stage.shared_at(node));
    let mut told = Vec::new();
    for _ in 0..1000 {
        for (node, other) in nodes.iter().zip(["b", "a"]) {
            if !stage.sent(node).is_empty() {
                stage.reply(node, &[&redirect("MOVED", "a", other)]);
            }
        }
        stage.pass(Duration::from_millis(20));
        told.extend(stage.told(joe));
    }
    let error = "-CLUSTERDOWN too many redirections for slot 15495; this request was not executed";
    assert_eq!(told, [error]);
}

#[test]
fn while_a_request_is_tried_again_everything_behind_it_waits_and_goes_one_by_one() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    // In two slots of one node, so that neither waits for the other.
    stage.send(joe, &["DEL {a}1 {a}2", "DEL {d}1 {d}2", "DEL {e}1 {e}2"]);
    assert_eq!(stage.sent(&a), ["DEL {a}1 {a}2", "DEL {d}1 {d}2", "DEL {e}1 {e}2"]);
    stage.reply(&a, &[TRY_AGAIN, TRY_AGAIN, &redirect("MOVED", "e", "b")]);
    stage.send(joe, &["GET b", "GET c"]);
    assert!(stage.sent(&a).is_empty() && stage.sent(&b).is_empty());
    stage.pass(PAUSE);
    assert_eq!(stage.sent(&a), ["DEL {a}1 {a}2"], "the first alone");
    assert!(stage.sent(&b).is_empty());
    stage.reply(&a, &[":1"]);
    assert_eq!(stage.sent(&a), ["DEL {d}1 {d}2"], "then the second alone");
    assert!(stage.sent(&b).is_empty());
    stage.reply(&a, &[":2"]);
    assert_eq!(stage.sent(&b), ["DEL {e}1 {e}2"]);
    stage.reply(&b, &[":3"]);
    assert_eq!(stage.sent(&b), ["GET b"]);
    assert_eq!(stage.told(joe), [":1", ":2", ":3"]);
}

#[test]
fn a_request_that_moved_behind_one_that_waits_does_not_overtake_it() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["DEL {d}1 {d}2", "SET a 1"]);
    stage.reply(&a, &[TRY_AGAIN]);
    stage.pass(PAUSE);
    assert_eq!(stage.sent(&a)[2..], ["DEL {d}1 {d}2"]);
    stage.reply(&a, &[&redirect("MOVED", "a", "b")]);
    assert!(stage.sent(&b).is_empty(), "DEL is in flight and may be refused once more");
    stage.reply(&a, &[":1"]);
    assert_eq!(stage.sent(&b), ["SET a 1"]);
}

#[test]
fn an_obstacle_that_lasts_is_the_answer_once_the_time_is_over() {
    for obstacle in [TRY_AGAIN, "-CLUSTERDOWN Hash slot not served", "-LOADING server is loading the dataset in memory"]
    {
        let mut stage = Stage::cluster();
        let (joe, a) = (stage.join(), stage.shared_at("a"));
        stage.send_as(joe, &[("DEL {a}1 {a}2", PathId::NONE, None)]);
        let began = stage.worker.now;
        let mut attempts = 0;
        let told = loop {
            if !stage.sent(&a).is_empty() {
                attempts += 1;
                stage.reply(&a, &[obstacle]);
            }
            let told = stage.told(joe);
            if !told.is_empty() {
                break told;
            }
            stage.pass(Duration::from_millis(1));
            assert!(stage.worker.now - began < 2 * RETRY, "it is retried for ever");
        };
        assert_eq!(told, [obstacle]);
        let took = stage.worker.now - began;
        assert!(took >= RETRY && took <= RETRY + PAUSE + Duration::from_millis(1), "{took:?}");
        assert!((20..40).contains(&attempts), "{attempts}: the pauses grow to {PAUSE:?}");
        stage.send(joe, &["GET a"]);
        assert_eq!(stage.sent(&a), ["GET a"], "the session goes on");
    }
}

#[test]
fn what_was_written_and_lost_is_never_sent_again_and_what_was_not_is() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["SET a 1"]);
    assert_eq!(stage.sent(&a), ["SET a 1"]);
    stage.send(joe, &["SET a 2"]);
    stage.lose(&a);
    assert_eq!(stage.told(joe), [UNKNOWN]);
    stage.establish(&a);
    stage.pass(PAUSE);
    assert_eq!(stage.sent(&a), ["SET a 2"]);
}

#[test]
fn a_node_that_cannot_be_reached_is_waited_for_until_the_time_is_over() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.lose(&a);
    a.borrow_mut().fail_to_connect();
    stage.receive(&a);
    stage.send(joe, &["GET a"]);
    for _ in 0..30 {
        stage.pass(PAUSE);
    }
    let error = "-CLUSTERDOWN the node that serves slot 15495 is unreachable; this request was not sent";
    assert_eq!(stage.told(joe), [error]);
}

#[test]
fn an_error_that_a_script_has_made_up_is_an_answer() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["EVAL script 1 a"]);
    stage.reply(&a, &["-TRYAGAIN says the script"]);
    assert_eq!(stage.told(joe), ["-TRYAGAIN says the script"]);
    stage.send(joe, &["EVAL script 1 a"]);
    stage.reply(&a, &[&redirect("MOVED", "b", "b")]);
    assert_eq!(stage.told(joe), [redirect("MOVED", "b", "b")], "of another slot than its own");
}

#[test]
fn a_request_that_is_refused_again_stays_in_front_of_what_came_after_it() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["DEL {a}1 {a}2"]);
    stage.reply(&a, &[TRY_AGAIN]);
    stage.send(joe, &["GET b"]);
    for _ in 0..3 {
        stage.sent(&a);
        stage.pass(PAUSE);
        assert_eq!(stage.sent(&a), ["DEL {a}1 {a}2"]);
        stage.reply(&a, &[TRY_AGAIN]);
        assert!(stage.sent(&b).is_empty());
    }
    stage.pass(PAUSE);
    stage.reply(&a, &[":2"]);
    assert_eq!(stage.sent(&b), ["GET b"]);
}

#[test]
fn what_waited_before_a_retry_does_not_wait_for_what_came_after_it() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    let [a, b] = ["a", "b"].map(|node| stage.shared_at(node));
    stage.send(joe, &["DEL {a}1 {a}2", "GET a", "GET b"]);
    assert_eq!((stage.sent(&a), stage.sent(&b)), (vec!["DEL {a}1 {a}2".into()], vec![]));
    stage.reply(&a, &[&redirect("MOVED", "a", "b")]);
    stage.reply(&b, &[":2"]);
    assert_eq!(stage.sent(&a), ["GET a"]);
    stage.reply(&a, &["$1|a"]);
    stage.reply(&b, &["$1|b"]);
    assert_eq!(stage.told(joe), [":2", "$1|a", "$1|b"]);
}
