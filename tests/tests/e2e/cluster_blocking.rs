//! Requests that wait, before a hidden cluster: at the node of their key, wherever that is by now.

use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, RedisCluster, RedisServer, Sluice, Topology, inline, wait_until};

fn start(primaries: usize, replicas: usize) -> (RedisCluster, Sluice) {
    let cluster = RedisCluster::start_with(primaries, replicas, &ClusterOptions::new().partial_coverage());
    let proxy = Topology::watching(&cluster).start();
    (cluster, proxy)
}

fn key_at(cluster: &RedisCluster, shard: usize) -> String {
    (0..).map(|number| format!("{{key-{number}}}")).find(|key| cluster.owner_of_key(key) == shard).unwrap()
}

/// Waits until so many clients wait at a node.
#[track_caller]
fn wait_until_blocked(cluster: &RedisCluster, shard: usize, count: u64) {
    let mut direct = cluster.client(shard);
    wait_until("clients wait", SOON, || {
        (RedisServer::info(&mut direct, "clients", "blocked_clients") == count).then_some(())
    });
}

/// A way to wait at a key, what brings what is waited for, and what the reply ends with.
const WAYS: &[(&str, &str, &str)] = &[
    ("BLPOP {}l 0", "RPUSH {}l v", "$1\r\nv\r\n"),
    ("BLMOVE {}l {}m LEFT RIGHT 0", "RPUSH {}l v", "$1\r\nv\r\n"),
    ("BZPOPMIN {}z 0", "ZADD {}z 1 v", "$1\r\nv\r\n$1\r\n1\r\n"),
    ("XREAD BLOCK 0 STREAMS {}s $", "XADD {}s 1-1 f v", "$1\r\nf\r\n$1\r\nv\r\n"),
];

#[test]
fn a_request_waits_at_the_node_of_its_key() {
    let (cluster, proxy) = start(3, 0);
    let keys: Vec<String> = (0..3).map(|shard| key_at(&cluster, shard)).collect();
    let fill = |line: &str, shard: usize| inline(&line.replace("{}", &keys[shard]));
    let mut waiters: Vec<(usize, usize, Client)> = Vec::new();
    for (at, (wait, ..)) in WAYS.iter().enumerate() {
        for shard in 0..3 {
            let mut client = proxy.client();
            client.send(&fill(wait, shard));
            waiters.push((at, shard, client));
            wait_until_blocked(&cluster, shard, at as u64 + 1);
        }
    }
    let mut other = proxy.client();
    // BLPOP was first at its key, so BLMOVE gets the second one.
    for (at, shard, waiter) in &mut waiters {
        let (_, bring, end) = WAYS[*at];
        other.send(&fill(bring, *shard));
        assert!(!other.reply().starts_with(b"-"));
        let reply = waiter.reply();
        assert!(reply.ends_with(end.as_bytes()), "{bring}: {reply:?}");
        assert_eq!(waiter.ask("PING"), "+PONG\r\n");
    }
    let reply = other.ask(&format!("BLPOP {} {} 0", keys[0], keys[1]));
    assert!(reply.starts_with(b"-CROSSSLOT "), "{reply:?}");
}

#[test]
fn a_client_that_goes_while_it_waits_at_any_node_takes_nothing_with_it() {
    let (cluster, proxy) = start(3, 0);
    let mut other = proxy.client();
    for shard in 0..3 {
        let key = key_at(&cluster, shard);
        let mut waiters: Vec<Client> = (0..20).map(|_| proxy.client()).collect();
        for (number, waiter) in waiters.iter_mut().enumerate() {
            if number % 2 == 0 {
                waiter.hello3();
                waiter.ask("SUBSCRIBE news");
            }
            waiter.send(&inline(&format!("BLPOP {key} 0")));
        }
        wait_until_blocked(&cluster, shard, 20);
        for (number, mut waiter) in waiters.into_iter().enumerate() {
            if number % 3 == 0 {
                waiter.finish_sending();
                waiter.rest();
            }
        }
        wait_until_blocked(&cluster, shard, 0);
        assert_eq!(other.ask(&format!("RPUSH {key} v")), ":1\r\n");
        assert_eq!(other.ask(&format!("LPOP {key}")), "$1\r\nv\r\n");
    }
}

#[test]
fn a_request_that_waits_follows_its_slot() {
    let (cluster, proxy) = start(3, 0);
    let key = key_at(&cluster, 0);
    let slot = cluster.slot_of(&key);
    let mut waiters: Vec<Client> = (0..3).map(|_| proxy.client()).collect();
    waiters[1].hello3();
    waiters[1].ask("SUBSCRIBE news");
    for waiter in &mut waiters {
        waiter.send(&inline(&format!("BLPOP {key} 0")));
        waiter.send(&inline("ECHO behind"));
    }
    wait_until_blocked(&cluster, 0, 3);
    cluster.migrate_slot(slot, 0, 1);
    wait_until_blocked(&cluster, 1, 3);
    let mut other = proxy.client();
    other.ask("PUBLISH news hello");
    assert_eq!(waiters[1].reply(), ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    assert_eq!(other.ask(&format!("RPUSH {key} 1 2 3")), ":3\r\n");
    let mut values: Vec<_> = waiters.iter_mut().map(Client::reply).collect();
    values.sort();
    let value = |value: &str| format!("*2\r\n${}\r\n{key}\r\n$1\r\n{value}\r\n", key.len());
    assert_eq!(values, ["1", "2", "3"].map(value));
    for waiter in &mut waiters {
        assert_eq!(waiter.reply(), "$6\r\nbehind\r\n");
    }
    assert_eq!(other.ask(&format!("EXISTS {key}")), ":0\r\n");
}

#[test]
fn a_request_that_waits_is_told_when_its_node_dies_and_follows_when_it_hands_over() {
    let (mut cluster, proxy) = start(3, 1);
    let key = key_at(&cluster, 0);
    let mut waiter = proxy.client();
    let wait = inline(&format!("BLPOP {key} 0"));
    waiter.send(&wait);
    wait_until_blocked(&cluster, 0, 1);
    cluster.hand_over(0, 0);
    wait_until_blocked(&cluster, 0, 1);
    let mut other = proxy.client();
    assert_eq!(other.ask(&format!("RPUSH {key} v")), ":1\r\n");
    assert_eq!(waiter.reply(), format!("*2\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len()));
    // What a node that has died has done for it, nobody knows.
    waiter.send(&wait);
    wait_until_blocked(&cluster, 0, 1);
    cluster.kill(0);
    let reply = waiter.reply();
    assert!(reply.starts_with(b"-ERR ") && String::from_utf8_lossy(&reply).contains("unknown"), "{reply:?}");
    cluster.promote(0, 0);
    waiter.send(&wait);
    wait_until_blocked(&cluster, 0, 1);
    assert_eq!(other.ask(&format!("RPUSH {key} w")), ":1\r\n");
    assert_eq!(waiter.reply(), format!("*2\r\n${}\r\n{key}\r\n$1\r\nw\r\n", key.len()));
}

#[test]
fn wait_counts_the_replicas_of_every_shard() {
    let (mut cluster, proxy) = start(3, 1);
    let mut client = proxy.client();
    let keys: Vec<String> = (0..3).map(|shard| key_at(&cluster, shard)).collect();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK\r\n");
    }
    assert_eq!(client.ask("WAIT 1 10000"), ":1\r\n");
    for (shard, key) in keys.iter().enumerate() {
        let mut replica = cluster.client((shard, 0));
        assert_eq!(replica.ask("READONLY"), "+OK\r\n");
        assert_eq!(replica.ask(&format!("GET {key}")), "$1\r\n1\r\n");
    }
    // A replica that has not got the write does not count, whichever shard it is of.
    for shard in 0..3 {
        cluster.pause((shard, 0));
        client.send(&keys.iter().map(|key| inline(&format!("SET {key} 2"))).collect::<Vec<_>>().concat());
        assert_eq!(client.replies(3), ["+OK\r\n"; 3]);
        let began = Instant::now();
        assert_eq!(client.ask("WAIT 1 300"), ":0\r\n", "shard {shard}");
        assert!(began.elapsed() >= Duration::from_millis(250), "it was not waited for");
        client.send(&inline("WAIT 1 0"));
        assert!(client.silent_for(Duration::from_millis(100)));
        cluster.resume((shard, 0));
        assert_eq!(client.reply(), ":1\r\n");
    }
    // Whoever goes while it waits leaves nothing behind.
    cluster.pause((1, 0));
    client.send(&[inline(&format!("SET {} 3", keys[1])), inline("WAIT 1 0")].concat());
    assert_eq!(client.reply(), "+OK\r\n");
    wait_until_blocked(&cluster, 1, 1);
    drop(client);
    wait_until_blocked(&cluster, 1, 0);
    cluster.resume((1, 0));
}

#[test]
fn a_script_that_runs_away_at_any_node_is_killed() {
    let (cluster, proxy) = start(3, 0);
    for shard in 0..3 {
        let key = key_at(&cluster, shard);
        assert_eq!(cluster.client(shard).ask("CONFIG SET lua-time-limit 10"), "+OK\r\n");
        let mut runaway = proxy.client();
        runaway.send_request(&["EVAL", "while true do end", "1", &key]);
        let mut other = proxy.client();
        wait_until("it is killed", SOON, || (other.ask("SCRIPT KILL") == "+OK\r\n").then_some(()));
        let reply = runaway.reply();
        assert!(reply.starts_with(b"-") && String::from_utf8_lossy(&reply).contains("killed by user"), "{reply:?}");
    }
}
