//! What becomes of a request, by what its command does.

use super::Stage;

#[test]
fn keys_of_two_slots_are_the_servers_to_refuse() {
    let mut stage = Stage::cluster();
    let (joe, a) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["RENAME a b"]);
    assert_eq!(stage.sent(&a), ["RENAME a b"]);
}

#[test]
fn a_watch_of_another_slot_than_the_first_is_refused() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WATCH a", "WATCH {a}2", "WATCH b"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["+OK"]);
    stage.reply(&own, &["+OK"]);
    assert_eq!(stage.told(joe), ["+OK", "+OK", "-CROSSSLOT Keys in request don't hash to the same slot"]);
    assert!(stage.private_at("b").is_empty());
}

#[test]
fn what_is_said_to_all_goes_to_all_on_the_connections_that_sessions_share() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["CONFIG SET maxmemory 1"]);
    for node in ["a", "b", "c"] {
        let shared = stage.shared_at(node);
        assert_eq!(stage.sent(&shared), ["CONFIG SET maxmemory 1"], "{node}");
        assert!(stage.private_at(node).is_empty());
    }
}

#[test]
fn what_blocks_at_all_nodes_has_a_connection_of_its_own_to_each() {
    let mut stage = Stage::cluster();
    let joe = stage.join();
    stage.send(joe, &["WAIT 1 0"]);
    let owns = ["a", "b", "c"].map(|node| stage.lent_at(node));
    for own in &owns {
        assert_eq!(stage.sent(own), ["WAIT 1 0"]);
    }
    for (own, reply) in owns.iter().zip([":2", ":1", ":3"]) {
        assert!(stage.told(joe).is_empty());
        stage.reply(own, &[reply]);
    }
    assert_eq!(stage.told(joe), [":1"], "the least of all");
}

#[test]
fn a_subscriber_of_the_old_protocol_may_say_little_and_one_of_the_new_anything() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("a"));
    stage.send(joe, &["SUBSCRIBE x"]);
    let own = stage.lent_at("a");
    stage.reply(&own, &["*3|$9|subscribe|$1|x|:1"]);
    stage.sent(&own);
    stage.told(joe);
    stage.send(joe, &["GET a", "PING"]);
    assert!(stage.sent(&shared).is_empty());
    assert_eq!(stage.sent(&own), ["PING"], "the server knows what it answers there");
    let refused = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    assert_eq!(stage.told(joe), [format!("-ERR Can't execute 'get': {refused}")]);
    let ann = stage.join();
    stage.send(ann, &["HELLO 3"]);
    let own = stage.lent_at("b");
    stage.reply(&own, &["%1|$5|proto|:3"]);
    stage.recycle(&own);
    stage.send(ann, &["SUBSCRIBE x"]);
    let own = stage.lent_at("b");
    stage.reply(&own, &[">3|$9|subscribe|$1|x|:1"]);
    stage.send(ann, &["GET a"]);
    let shared = stage.shared_at("a");
    stage.establish(&shared);
    assert_eq!(stage.sent(&shared), ["GET a"]);
}

#[test]
fn what_needs_a_connection_goes_alone() {
    let mut stage = Stage::cluster();
    let (joe, shared) = (stage.join(), stage.shared_at("b"));
    stage.send(joe, &["GET b", "BLPOP a 0", "GET b"]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
    assert!(stage.private_at("a").is_empty(), "something before it is not answered");
    stage.reply(&shared, &["$1|1"]);
    let own = stage.lent_at("a");
    assert_eq!(stage.sent(&own), ["BLPOP a 0"]);
    assert!(stage.sent(&shared).is_empty(), "nothing follows until it is answered");
    stage.reply(&own, &["*-1"]);
    assert_eq!(stage.sent(&shared), ["GET b"]);
}
