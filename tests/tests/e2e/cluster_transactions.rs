//! Transactions before a hidden cluster: whole at one node, moved as a whole, and never executed twice.

use std::time::Duration;

use bytes::Bytes;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, RedisCluster, Sluice, Topology, inline, wait_until};

const QUEUED: &str = "+QUEUED\r\n";
const CROSS_SLOT: &str = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";

fn start(primaries: usize, replicas: usize) -> (RedisCluster, Sluice) {
    let cluster = RedisCluster::start_with(primaries, replicas, &ClusterOptions::new().partial_coverage());
    let proxy = Topology::watching(&cluster).start();
    (cluster, proxy)
}

/// Sends these one after the other, and compares each reply: `line => reply`.
#[track_caller]
fn story(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(client.ask(line), *expected, "{line}");
    }
}

/// A key of another node than that of `key`.
fn elsewhere(cluster: &RedisCluster, key: &str) -> String {
    let owner = cluster.owner_of_key(key);
    (0..).map(|number| format!("key-{number}")).find(|other| cluster.owner_of_key(other) != owner).unwrap()
}

#[test]
fn what_has_no_keys_goes_with_the_keys_that_follow() {
    let (cluster, proxy) = start(3, 0);
    for shard in 0..3 {
        let key = (0..).map(|number| format!("key-{number}")).find(|key| cluster.owner_of_key(key) == shard).unwrap();
        let mut client = proxy.client();
        let set = format!("SET {key} 1");
        let lines = [("MULTI", "+OK\r\n"), ("PING", QUEUED), ("ECHO hello", QUEUED), (&*set, QUEUED)];
        story(&mut client, &lines);
        assert_eq!(client.ask("EXEC"), "*3\r\n+PONG\r\n$5\r\nhello\r\n+OK\r\n");
        story(&mut client, &[("MULTI", "+OK\r\n"), ("EXEC", "*0\r\n"), ("MULTI", "+OK\r\n"), ("PING", QUEUED)]);
        story(&mut client, &[("EXEC", "*1\r\n+PONG\r\n")]);
        // All at once.
        let lines = ["MULTI", "PING", &format!("INCR {key}"), "EXEC", &format!("GET {key}")];
        client.send(&lines.map(inline).concat());
        assert_eq!(client.replies(5), ["+OK\r\n", QUEUED, QUEUED, "*2\r\n+PONG\r\n:2\r\n", "$1\r\n2\r\n"]);
    }
}

#[test]
fn keys_of_two_slots_are_refused_as_a_server_refuses_them() {
    let (cluster, proxy) = start(3, 0);
    let mut client = proxy.client();
    let far = elsewhere(&cluster, "a");
    let (set, watch, both) = (format!("SET {far} 1"), format!("WATCH {far}"), format!("WATCH a {far}"));
    let (msetnx, get, exists) = (format!("MSETNX a 1 {far} 1"), format!("GET {far}"), format!("EXISTS a {far}"));
    story(&mut client, &[("MULTI", "+OK\r\n"), ("SET a 1", QUEUED), (&set, QUEUED), ("EXEC", CROSS_SLOT)]);
    story(&mut client, &[("MULTI", "+OK\r\n"), (&msetnx, CROSS_SLOT), ("EXEC", ABORTED)]);
    story(&mut client, &[(&both, CROSS_SLOT), ("WATCH a", "+OK\r\n"), (&watch, CROSS_SLOT)]);
    // The first one is still watched.
    assert_eq!(proxy.client().ask("SET a other"), "+OK\r\n");
    story(&mut client, &[("MULTI", "+OK\r\n"), ("SET a mine", QUEUED), ("EXEC", "*-1\r\n")]);
    story(&mut client, &[("GETDEL a", "$5\r\nother\r\n"), (&get, "$-1\r\n"), (&exists, ":0\r\n")]);
}

#[test]
fn what_a_transaction_must_not_hold_aborts_it() {
    let (cluster, proxy) = start(3, 0);
    let ports: Vec<String> = (0..3).map(|shard| cluster.primary(shard).port().to_string()).collect();
    let mut client = proxy.client();
    let refused = [
        "CLUSTER SLOTS",
        "CLUSTER SHARDS",
        "CLUSTER NODES",
        "CLUSTER REPLICAS x",
        "CLUSTER MYID",
        "CLUSTER MEET 127.0.0.1 1",
        "ROLE",
        "INFO",
        "INFO replication",
        "FLUSHALL",
        "DBSIZE",
        "KEYS *",
        "SCAN 0",
        "CLIENT LIST",
        "FAILOVER",
        "REPLICAOF NO ONE",
    ];
    assert_eq!(client.ask("SET a before"), "+OK\r\n");
    for line in refused {
        for keys in [true, false] {
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            if keys {
                assert_eq!(client.ask("SET a during"), QUEUED);
            }
            let error = client.ask(line);
            assert!(error.starts_with(b"-ERR "), "{line}: {error:?}");
            let text = String::from_utf8_lossy(&error);
            assert!(ports.iter().all(|port| !text.contains(port)), "{line}: {text}");
            assert_eq!(client.ask("EXEC"), ABORTED, "{line}");
        }
    }
    // What looks as if it concerned more, and does not.
    story(&mut client, &[("MULTI", "+OK\r\n"), ("GET a", QUEUED), ("WAIT 0 0", QUEUED), ("TIME", QUEUED)]);
    let replies = client.ask("EXEC");
    assert!(replies.starts_with(b"*3\r\n$6\r\nbefore\r\n:0\r\n*2\r\n"), "{replies:?}");
    let lines = [("MULTI", "+OK\r\n"), ("SET a during", QUEUED)];
    story(&mut client, &lines);
    assert!(client.ask("SET a").starts_with(b"-ERR wrong number"), "arity is looked at at once");
    assert!(client.ask("NOSUCH").starts_with(b"-ERR unknown command"), "and so is the name");
    story(&mut client, &[("EXEC", ABORTED), ("GET a", "$6\r\nbefore\r\n")]);
    story(&mut client, &[("MULTI", "+OK\r\n"), ("SET a during", QUEUED)]);
    assert!(client.ask("MULTI").starts_with(b"-ERR MULTI calls can not be nested"));
    assert!(client.ask("WATCH a").starts_with(b"-ERR WATCH inside MULTI is not allowed"));
    let far = elsewhere(&cluster, "a");
    assert!(client.ask(&format!("WATCH {far}")).starts_with(b"-"));
    client.ask("DISCARD");
    story(&mut client, &[("GET a", "$6\r\nbefore\r\n")]);
    // An error while it is executed is that command's alone.
    story(&mut client, &[("MULTI", "+OK\r\n"), ("INCR a", QUEUED), ("SET a after", QUEUED)]);
    let replies = client.ask("EXEC");
    assert!(replies.starts_with(b"*2\r\n-ERR value is not an integer") && replies.ends_with(b"+OK\r\n"), "{replies:?}");
}

#[test]
fn discard_and_reset_end_a_transaction() {
    let (_cluster, proxy) = start(3, 0);
    let mut client = proxy.client();
    for end in [("DISCARD", "+OK\r\n"), ("RESET", "+RESET\r\n")] {
        for keys in [true, false] {
            story(&mut client, &[("MULTI", "+OK\r\n"), ("PING", QUEUED)]);
            if keys {
                story(&mut client, &[("SET a 1", QUEUED)]);
            }
            let lines = [end, ("GET a", "$-1\r\n"), ("EXEC", "-ERR EXEC without MULTI\r\n")];
            story(&mut client, &lines);
            assert_eq!(client.ask("DISCARD"), "-ERR DISCARD without MULTI\r\n");
        }
    }
}

/// Where the keys of a migration are that the transaction meets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moved {
    /// The slot has another owner, of which the proxy does not know.
    Wholly,
    /// The slot is on its way, and the key has arrived.
    InPart,
}

#[test]
fn a_moved_transaction_is_replayed_whole() {
    for moved in [Moved::Wholly, Moved::InPart] {
        let (cluster, proxy) = start(3, 0);
        let mut client = proxy.client();
        let slot = cluster.slot_of("{t}");
        let from = cluster.owner_of_slot(slot);
        let mut owner = from;
        for round in 0..4_usize {
            assert_eq!(client.ask("MSET {t}a 1 {t}b 1"), "+OK\r\n");
            let to = (owner + 1) % 3;
            // Before MULTI, behind MULTI, behind the first command, and before EXEC.
            let lines = ["MULTI", "INCR {t}a", "INCR {t}b"];
            for line in &lines[..round] {
                client.ask(line);
            }
            let migration = cluster.begin_migration(slot, owner, to);
            while cluster.move_keys(migration, 10) > 0 {}
            if moved == Moved::Wholly {
                cluster.finish_migration(migration);
            }
            for line in &lines[round..] {
                let expected = if *line == "MULTI" { "+OK\r\n" } else { QUEUED };
                assert_eq!(client.ask(line), expected, "{moved:?}, {round}");
            }
            assert_eq!(client.ask("EXEC"), "*2\r\n:2\r\n:2\r\n", "{moved:?}, {round}");
            assert_eq!(client.ask("MGET {t}a {t}b"), "*2\r\n$1\r\n2\r\n$1\r\n2\r\n");
            if moved == Moved::InPart {
                cluster.finish_migration(migration);
            }
            owner = to;
        }
    }
}

#[test]
fn a_watch_does_not_outlive_its_slot_or_its_node() {
    let (mut cluster, proxy) = start(3, 1);
    let slot = cluster.slot_of("{w}");
    let from = cluster.owner_of_slot(slot);
    let mut client = proxy.client();
    let mut owner = from;
    // Before MULTI and behind it.
    for begun in [false, true] {
        assert_eq!(client.ask("WATCH {w}"), "+OK\r\n");
        if begun {
            story(&mut client, &[("MULTI", "+OK\r\n"), ("SET {w} 1", QUEUED)]);
        }
        let to = (owner + 1) % 3;
        cluster.migrate_slot(slot, owner, to);
        owner = to;
        if !begun {
            story(&mut client, &[("MULTI", "+OK\r\n"), ("SET {w} 1", QUEUED)]);
        }
        story(&mut client, &[("EXEC", "*-1\r\n"), ("GET {w}", "$-1\r\n")]);
        // And the next one is a new one.
        let lines = [("WATCH {w}", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("GET {w}", QUEUED), ("EXEC", "*1\r\n$-1\r\n")];
        story(&mut client, &lines);
    }
    for begun in [false, true] {
        assert_eq!(client.ask("WATCH {w}"), "+OK\r\n");
        if begun {
            story(&mut client, &[("MULTI", "+OK\r\n"), ("SET {w} 1", QUEUED)]);
        }
        cluster.kill(owner);
        cluster.promote(owner, 0);
        if !begun {
            story(&mut client, &[("MULTI", "+OK\r\n"), ("SET {w} 1", QUEUED)]);
        }
        story(&mut client, &[("EXEC", "*-1\r\n"), ("GET {w}", "$-1\r\n")]);
        cluster.restart((owner, 0));
    }
}

#[test]
fn a_transaction_whose_node_dies_before_exec_is_executed_by_the_next_one() {
    let (mut cluster, proxy) = start(3, 1);
    let mut client = proxy.client();
    let owner = cluster.owner_of_key("{d}");
    assert_eq!(client.ask("SET {d} 1"), "+OK\r\n");
    assert_eq!(cluster.client(owner).ask("WAIT 1 10000"), ":1\r\n");
    story(&mut client, &[("MULTI", "+OK\r\n"), ("INCR {d}", QUEUED)]);
    cluster.kill(owner);
    cluster.promote(owner, 0);
    story(&mut client, &[("INCR {d}", QUEUED), ("EXEC", "*2\r\n:2\r\n:3\r\n"), ("GET {d}", "$1\r\n3\r\n")]);
}

#[test]
fn exec_in_doubt_is_an_error_and_never_sent_again() {
    let (mut cluster, proxy) = start(3, 1);
    let mut client = proxy.client();
    let owner = cluster.owner_of_key("{x}");
    assert_eq!(client.ask("SET {x} 1"), "+OK\r\n");
    // The node executes it, the replica hears of it, and no reply comes.
    let mut direct = cluster.client(owner);
    assert_eq!(direct.ask("WAIT 1 10000"), ":1\r\n");
    story(&mut client, &[("MULTI", "+OK\r\n"), ("INCR {x}", QUEUED)]);
    assert_eq!(client.call(&["EVAL", "for i = 1, 1e10 do end", "0"]), QUEUED);
    client.send(&inline("EXEC"));
    std::thread::sleep(Duration::from_millis(100));
    cluster.kill(owner);
    let reply: Bytes = client.reply();
    assert!(reply.starts_with(b"-ERR ") && String::from_utf8_lossy(&reply).contains("unknown"), "{reply:?}");
    cluster.promote(owner, 0);
    // Whatever was executed by the old node and replicated, the new one has executed nothing.
    let value = wait_until("the new primary serves", SOON, || {
        let value = proxy.client().ask("GET {x}");
        value.starts_with(b"$").then_some(value)
    });
    assert_eq!(value, "$1\r\n1\r\n");
    story(&mut client, &[("GET {x}", "$1\r\n1\r\n"), ("EXEC", "-ERR EXEC without MULTI\r\n")]);
}
