//! What connections bring, on its way to the worker; and a sink that has no connections.

use super::Stage;
use crate::chain::{Generation, Place};
use crate::ids::PathId;

#[test]
fn what_comes_for_a_session_that_has_gone_is_for_nobody() {
    let mut stage = Stage::single();
    let (joe, ann, shared) = (stage.join(), stage.join(), stage.shared());
    stage.send_as(joe, &[("GET a", PathId::at(1), None)]);
    stage.send_as(ann, &[("GET b", PathId::NONE, None)]);
    stage.leave(joe);
    stage.reply(&shared, &["$1|a", "$1|b"]);
    assert_eq!(stage.told(ann), ["$1|b"], "the one for joe is not hers");
    assert_eq!(stage.worker.discarded, [PathId::at(1)]);
}

#[test]
fn requests_of_a_session_that_has_gone_fail_without_a_word() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("a"));
    stage.send_as(joe, &[("GET a", PathId::at(1), None)]);
    stage.sent(&shared);
    stage.send_as(joe, &[("GET a", PathId::at(2), None)]);
    stage.leave(joe);
    stage.lose(&shared);
    assert_eq!(stage.worker.discarded, [PathId::at(1), PathId::at(2)]);
    assert_eq!(stage.worker.failures, 1, "what was not written is not known to have failed");
}

#[test]
fn what_the_server_sends_by_itself_is_watched_as_the_request_was_that_asked_for_it() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.worker.watches = vec![Place { generation: Generation::default(), position: 0 }];
    stage.send_as(joe, &[("SUBSCRIBE x", PathId::at(1), None)]);
    let own = stage.lent();
    stage.reply(&own, &["*3|$9|subscribe|$1|x|:1", "*3|$7|message|$1|x|$2|hi"]);
    assert_eq!(stage.told(joe)[1], "push, watched by 1: *3|$7|message|$1|x|$2|hi");
}

#[test]
fn replication_is_handed_on_as_it_comes_and_answers_what_asked_for_it() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send(joe, &["PSYNC ? -1"]);
    let own = stage.lent();
    stage.reply(&own, &["+FULLRESYNC 0 0"]);
    stage.send_as(joe, &[("REPLCONF ACK 1", PathId::at(2), None)]);
    assert_eq!(stage.sent(&own), ["PSYNC ? -1", "REPLCONF ACK 1"]);
    stage.reply(&own, &["anything at all"]);
    assert_eq!(stage.told(joe), ["+FULLRESYNC 0 0", "stream: anything at all"]);
    assert_eq!(stage.worker.discarded, [PathId::at(2)], "there will be no reply to it");
}

#[test]
fn a_sink_without_servers_answers_each_request_with_an_error() {
    let mut stage = Stage::null();
    let joe = stage.join();
    stage.send(joe, &["GET a", "CLIENT REPLY ON"]);
    let error = |name: &str| format!("-ERR '{name}' was answered by no transform, and the chain ends in NullSink");
    assert_eq!(stage.told(joe), [error("GET"), error("CLIENT")]);
    stage.tick();
    stage.leave(joe);
}

#[test]
fn a_sink_may_ask_for_requests_one_by_one() {
    let mut stage = Stage::single_as(|plan| plan.pipelining = crate::upstream::Pipelining::Off);
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a", "GET b"]);
    assert_eq!(stage.sent(&shared), ["GET a"]);
    stage.reply(&shared, &["$1|a"]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
}

#[test]
fn what_comes_for_a_session_that_has_gone_is_not_for_the_next_one_at_its_place() {
    let mut stage = Stage::single();
    let (joe, shared) = (stage.join(), stage.shared());
    stage.send(joe, &["GET a"]);
    stage.sent(&shared);
    stage.leave(joe);
    let ann = stage.join();
    assert_eq!((joe.place(), stage.routes.get(joe).is_none()), (ann.place(), true));
    stage.send(ann, &["GET b"]);
    stage.reply(&shared, &["$1|a", "$1|b"]);
    assert_eq!(stage.told(ann), ["$1|b"]);
}

#[test]
fn what_a_session_that_goes_has_waiting_is_forgotten() {
    let mut stage = Stage::single();
    let joe = stage.join();
    stage.send_as(joe, &[("SELECT 1", PathId::NONE, None), ("GET a", PathId::at(2), None)]);
    stage.leave(joe);
    assert_eq!(stage.worker.discarded, [PathId::at(2)]);
}
