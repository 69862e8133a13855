//! What a client sees of a slot that is on its way, step by step: nothing.

use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use sluice_tests::{Migration, RedisCluster, Sluice, Topology, inline};

/// Keys of one slot.
const KEYS: [&str; 3] = ["{moving}a", "{moving}b", "{moving}c"];

/// How long a request must wait before the last of its keys arrives: longer than five attempts.
const PAUSE: Duration = Duration::from_millis(150);

/// A cluster and a proxy before it, with and without components between them and the client.
fn each(story: impl Fn(&RedisCluster, &Sluice)) {
    let cluster = RedisCluster::start(3, 0);
    story(&cluster, &Topology::new().sink(&cluster).start());
    story(&cluster, &Topology::watching(&cluster).start());
}

/// Sets the slot of [`KEYS`] on its way from the node that has it.
fn begin(cluster: &RedisCluster) -> Migration {
    let slot = cluster.slot_of(KEYS[0]);
    let from = cluster.owner_of_slot(slot);
    cluster.begin_migration(slot, from, (from + 1) % 3)
}

/// Sends these at once, while the first key has moved and the others have not; the rest follows after a pause.
fn between(cluster: &RedisCluster, proxy: &Sluice, lines: &[&str]) -> Vec<Bytes> {
    let mut client = proxy.client();
    for key in KEYS {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK\r\n");
    }
    let migration = begin(cluster);
    cluster.move_key(migration, KEYS[0]);
    client.send(&lines.iter().flat_map(|line| inline(line)).collect::<Vec<u8>>());
    sleep(PAUSE);
    cluster.finish_migration(migration);
    client.replies(lines.len())
}

#[test]
fn requests_whose_keys_are_in_two_places_wait_and_keep_their_order() {
    let lines = [
        "MSET {moving}a 2 {moving}b 2 {moving}c 2",
        "MGET {moving}a {moving}b {moving}c",
        "SUNION {moving}none {moving}neither",
        "EXISTS {moving}a {moving}b {moving}c",
    ];
    each(|cluster, proxy| {
        let replies = between(cluster, proxy, &lines);
        assert_eq!(replies, ["+OK\r\n", "*3\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n", "*0\r\n", ":3\r\n"]);
    });
}

#[test]
fn what_could_be_executed_does_not_overtake_what_could_not() {
    let lines = ["MSET {moving}a 2 {moving}b 2", "INCR {moving}b", "GET {moving}b", "INCR {moving}a"];
    each(|cluster, proxy| {
        assert_eq!(between(cluster, proxy, &lines), ["+OK\r\n", ":3\r\n", "$1\r\n3\r\n", ":3\r\n"]);
    });
}

#[test]
fn the_last_request_of_a_session_waits_for_one_that_is_sent_on() {
    each(|cluster, proxy| {
        let mut client = proxy.client();
        assert_eq!(client.ask("SET {moving}a 1"), "+OK\r\n");
        let migration = begin(cluster);
        cluster.move_key(migration, "{moving}a");
        cluster.finish_migration(migration);
        // The proxy has not heard of it.
        client.send(&[inline("INCR {moving}a"), inline("QUIT")].concat());
        assert_eq!(client.replies(2), [":2\r\n", "+OK\r\n"]);
    });
}

#[test]
fn a_second_watch_that_is_sent_on_loses_the_first_and_nothing_else() {
    each(|cluster, proxy| {
        let mut client = proxy.client();
        client.ask("DEL {moving}a {moving}b {moving}c");
        assert_eq!(client.ask("SET {moving}a 1"), "+OK\r\n");
        assert_eq!(client.ask("WATCH {moving}a"), "+OK\r\n");
        let migration = begin(cluster);
        // A key that is not there is at the other node already.
        assert_eq!(client.ask("WATCH {moving}b"), "+OK\r\n");
        for (line, reply) in [("MULTI", "+OK\r\n"), ("SET {moving}c 1", "+QUEUED\r\n"), ("EXEC", "*-1\r\n")] {
            assert_eq!(client.ask(line), reply);
        }
        cluster.move_key(migration, "{moving}a");
        cluster.finish_migration(migration);
        assert_eq!(client.ask("GET {moving}c"), "$-1\r\n");
    });
}

#[test]
fn what_a_script_makes_up_is_its_answer() {
    let cluster = RedisCluster::start(3, 0);
    let proxy = Topology::watching(&cluster).start();
    let mut client = proxy.client();
    let script = "EVAL redis.call('incr',KEYS[1])return~redis.error_reply('TRYAGAIN~mine') 1 k";
    let script: Vec<u8> = inline(script).iter().map(|&byte| if byte == b'~' { b' ' } else { byte }).collect();
    client.send(&script);
    assert_eq!(client.reply(), "-TRYAGAIN mine\r\n");
    assert_eq!(client.ask("GET k"), "$1\r\n1\r\n");
}

#[test]
fn thousands_of_requests_that_leave_together_are_sent_on() {
    const COUNT: usize = 12_000;
    each(|cluster, proxy| {
        let mut client = proxy.client();
        assert_eq!(client.ask("SET {moving}a 1"), "+OK\r\n");
        let migration = begin(cluster);
        cluster.move_key(migration, "{moving}a");
        // They wait for the reply to the first, and leave as one.
        let mut bytes = inline("CLIENT GETNAME");
        (0..COUNT).for_each(|_| bytes.extend(inline("GET {moving}a")));
        client.send(&bytes);
        client.reply();
        assert!(client.replies(COUNT).iter().all(|reply| reply == "$1\r\n1\r\n"));
        cluster.finish_migration(migration);
    });
}

#[test]
fn a_slot_goes_to_a_node_that_has_none_yet() {
    let cluster = RedisCluster::start(3, 0);
    let slot = cluster.slot_of(KEYS[0]);
    let owner = cluster.owner_of_slot(slot);
    let empty = (owner + 1) % 3;
    // The others get what it has.
    let slots: Vec<usize> = (empty * 16_384 / 3..(empty + 1) * 16_384 / 3).collect();
    for end in [slots[0], slots[slots.len() - 1]] {
        assert_eq!(cluster.owner_of_slot(end as u16), empty);
    }
    for node in 0..3 {
        let id = cluster.node_id(owner);
        let lines = slots.iter().flat_map(|slot| inline(&format!("CLUSTER SETSLOT {slot} NODE {id}")));
        let mut client = cluster.client(node);
        client.send(&lines.collect::<Vec<u8>>());
        assert!(client.replies(slots.len()).iter().all(|reply| reply == "+OK\r\n"));
    }
    let proxy = Topology::watching(&cluster).start();
    let mut client = proxy.client();
    assert_eq!(client.ask("SET {moving}a 1"), "+OK\r\n");
    let migration = cluster.begin_migration(slot, owner, empty);
    assert_eq!(client.ask("SET {moving}b 2"), "+OK\r\n");
    assert_eq!(cluster.client(empty).ask("DBSIZE"), ":1\r\n");
    cluster.move_key(migration, "{moving}a");
    cluster.finish_migration(migration);
    assert_eq!(client.ask("MGET {moving}a {moving}b"), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
}

#[test]
fn keys_that_are_new_wait_for_the_slot_to_arrive() {
    each(|cluster, proxy| {
        let mut client = proxy.client();
        assert_eq!(client.ask("DEL {moving}a {moving}b {moving}c"), ":0\r\n");
        let migration = begin(cluster);
        client.send(&inline("MSET {moving}a 1 {moving}b 2 {moving}c 3"));
        sleep(PAUSE);
        cluster.finish_migration(migration);
        assert_eq!(client.reply(), "+OK\r\n");
        assert_eq!(client.ask("DEL {moving}a {moving}b {moving}c"), ":3\r\n");
    });
}

#[test]
fn transactions_among_requests_that_are_sent_on_are_answered_in_their_turn() {
    let lines = [
        "INCR {moving}a",
        "ECHO between",
        "MULTI",
        "INCR {moving}a",
        "INCR {moving}b",
        "EXEC",
        "INCR {moving}a",
        "MULTI",
        "INCR {moving}c",
        "EXEC",
        "INCR {moving}b",
    ];
    each(|cluster, proxy| {
        let replies = between(cluster, proxy, &lines);
        let expected = [
            ":2\r\n",
            "$7\r\nbetween\r\n",
            "+OK\r\n",
            "+QUEUED\r\n",
            "+QUEUED\r\n",
            "*2\r\n:3\r\n:2\r\n",
            ":4\r\n",
            "+OK\r\n",
            "+QUEUED\r\n",
            "*1\r\n:2\r\n",
            ":3\r\n",
        ];
        assert_eq!(replies, expected);
    });
}

#[test]
fn a_transaction_whose_watched_key_is_written_elsewhere_is_not_executed() {
    each(|cluster, proxy| {
        let (mut client, mut other) = (proxy.client(), proxy.client());
        assert_eq!(client.ask("DEL {moving}a"), ":0\r\n");
        assert_eq!(client.ask("WATCH {moving}a"), "+OK\r\n");
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        assert_eq!(client.ask("SET {moving}a mine"), "+QUEUED\r\n");
        // From here on a key that is not there is written by the other node, and the first one refuses EXEC.
        let migration = begin(cluster);
        assert_eq!(other.ask("SET {moving}a other"), "+OK\r\n");
        assert_eq!(client.ask("EXEC"), "*-1\r\n");
        cluster.finish_migration(migration);
        assert_eq!(client.ask("GETDEL {moving}a"), "$5\r\nother\r\n");
    });
}
