//! Slots that move while clients use them.

use sluice_tests::wait::SOON;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluice_tests::process::output_of;
use sluice_tests::{RedisCluster, inline, request, wait_until};

use tokio::sync::Mutex;

use super::clients::python_story;
use super::fred;
use super::proxies::{Proxies, Told};
use crate::Stopping;

/// How many private connections the proxy has, and how many of them some session has at the moment.
fn private(proxies: &Proxies) -> usize {
    proxies.proxy.metrics().sum("sluice_upstream_connections", &[("kind", "private")]).unwrap_or_default() as usize
}

#[test]
fn asking_is_about_the_next_request_alone() {
    let proxies = Proxies::start(0, Told::ByRewriting, 1);
    let cluster = &proxies.cluster;
    let keys = ["{moving}:1", "{moving}:2"];
    let slot = cluster.slot_of(keys[0]);
    let from = cluster.owner_of_slot(slot);
    let to = (from + 1) % 3;
    let (mut source, mut target) = (proxies.client(from), proxies.client(to));
    for key in keys {
        assert_eq!(source.call(&["SET", key, "1"]), "+OK\r\n");
    }
    let migration = cluster.begin_migration(slot, from, to);
    cluster.move_key(migration, keys[0]);
    let ask = format!("-ASK {slot} {}\r\n", proxies.addrs[to]);
    let moved = format!("-MOVED {slot} {}\r\n", proxies.addrs[from]);
    assert_eq!(source.call(&["INCR", keys[0]]), ask);
    assert_eq!(source.call(&["INCR", keys[1]]), ":2\r\n");

    // One by one, as clients do that wait for the answer to ASKING.
    assert_eq!(target.call(&["GET", keys[0]]), moved);
    assert_eq!(target.ask("ASKING"), "+OK\r\n");
    assert_eq!(target.call(&["GET", keys[0]]), "$1\r\n1\r\n");
    assert_eq!(target.call(&["GET", keys[0]]), moved);
    // In one piece, as others do.
    let incr = || request(&["INCR", keys[0]]);
    let requests =
        [inline("ASKING"), incr(), incr(), inline("ASKING"), incr(), inline("ASKING"), inline("PING"), incr()];
    target.send(&requests.concat());
    let expected = ["+OK\r\n", ":2\r\n", &moved, "+OK\r\n", ":3\r\n", "+OK\r\n", "+PONG\r\n", &moved];
    assert_eq!(target.replies(expected.len()), expected);
    // It is about a transaction as a whole.
    let requests = [inline("ASKING"), inline("MULTI"), incr(), incr(), inline("EXEC"), incr()];
    target.send(&requests.concat());
    let expected = ["+OK\r\n", "+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n:4\r\n:5\r\n", &moved];
    assert_eq!(target.replies(expected.len()), expected);
    // ASKING for nothing, and what is no ASKING.
    assert!(target.ask("ASKING now").starts_with(b"-ERR wrong number of arguments"));
    assert_eq!(target.call(&["GET", keys[0]]), moved);

    cluster.finish_migration(migration);
    assert_eq!(target.call(&["GET", keys[0]]), "$1\r\n5\r\n");
    proxies.assert_nobody_came_past_them();
}

#[test]
fn sessions_that_ask_share_a_few_connections() {
    const SESSIONS: usize = 50;
    let proxies = Proxies::start(0, Told::ByRewriting, 1);
    let cluster = &proxies.cluster;
    let slot = cluster.slot_of("{moving}");
    let from = cluster.owner_of_slot(slot);
    let to = (from + 1) % 3;
    let migration = cluster.begin_migration(slot, from, to);
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| proxies.client(to)).collect();
    for session in &mut sessions {
        session.send(&[inline("ASKING"), inline("INCR {moving}")].concat());
        assert_eq!(session.reply(), "+OK\r\n");
        assert!(session.reply().starts_with(b":"));
    }
    // All of them have asked and none has gone: one connection after the other was given back, and lent again.
    let connections = private(&proxies);
    assert!(connections < 10, "{connections} for one session after the other");
    for session in &mut sessions {
        session.send(&inline("ASKING"));
    }
    for session in &mut sessions {
        assert_eq!(session.reply(), "+OK\r\n");
    }
    wait_until("each of them may ask for something", SOON, || (private(&proxies) == SESSIONS).then_some(()));
    for session in &mut sessions {
        assert!(session.ask("INCR {moving}").starts_with(b":"));
    }
    wait_until("no more are kept than are idle", SOON, || (private(&proxies) <= 16).then_some(()));
    let count = format!(":{}\r\n", 2 * SESSIONS + 1);
    assert_eq!(sessions[0].ask("ASKING"), "+OK\r\n");
    assert_eq!(sessions[0].ask("INCR {moving}"), count);
    cluster.finish_migration(migration);
}

#[test]
fn clients_follow_slots_that_move_and_count_right() {
    let proxies = Proxies::start(0, Told::ByRewriting, 2);
    let (stop, turn) = (AtomicBool::new(false), Mutex::new(()));
    let mut counts = BTreeMap::new();
    let began = Instant::now();
    let mut moves = 0;
    std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let python = scope.spawn(|| output_of(&mut python_story(&proxies, "count", true)));
        let fred = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(fred::count(proxies.addrs.clone(), proxies.addrs.clone(), &stop, &turn))
        });
        let cli = scope.spawn(|| count_with_redis_cli(&proxies, &stop));
        while began.elapsed() < Duration::from_secs(10) && !python.is_finished() && !fred.is_finished() {
            to_and_fro(&proxies.cluster, moves);
            let turn = turn.blocking_lock();
            at_once(&proxies.cluster, moves);
            drop(turn);
            moves += 1;
        }
        let mut client = proxies.client(proxies.cluster.owner_of_key("stop"));
        assert_eq!(client.ask("SET stop 1"), "+OK\r\n");
        drop(stopping);
        counts.extend(fred.join().unwrap());
        counts.extend(cli.join().unwrap());
        for line in python.join().unwrap().lines() {
            let (key, reached) = line.split_once(' ').unwrap();
            counts.insert(key.to_owned(), reached.parse().unwrap());
        }
    });
    println!("{moves} moves; {counts:?}");
    assert!(moves >= 10, "{moves} moves");
    for error in ["ASK", "MOVED"] {
        assert!(proxies.errors(error) > 10, "nobody was sent elsewhere by {error}");
    }
    for (key, reached) in counts {
        assert!(reached > 10, "{key} was counted to {reached} only");
        let text = reached.to_string();
        let mut owner = proxies.client(proxies.cluster.owner_of_key(&key));
        assert_eq!(owner.call(&["GET", &key]), format!("${}\r\n{text}\r\n", text.len()), "{key}");
    }
    proxies.assert_nobody_came_past_them();
}

/// Moves one slot to another shard while nobody looks.
fn at_once(cluster: &RedisCluster, round: usize) {
    let slot = cluster.slot_of("{fred}");
    let from = cluster.owner_of_slot(slot);
    cluster.migrate_slot(slot, from, (from + 1 + round % 2) % 3);
}

/// Moves the other slot to another shard while it is used, some of its keys sooner than others.
fn to_and_fro(cluster: &RedisCluster, round: usize) {
    let slot = cluster.slot_of("{moving}");
    let from = cluster.owner_of_slot(slot);
    let migration = cluster.begin_migration(slot, from, (from + 1 + round % 2) % 3);
    for _ in 0..3 {
        cluster.move_keys(migration, 2);
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.finish_migration(migration);
    std::thread::sleep(Duration::from_millis(50));
}

/// Counts until it is told to stop, and returns how far.
fn count_with_redis_cli(proxies: &Proxies, stop: &AtomicBool) -> BTreeMap<String, i64> {
    let port = proxies.addrs[2].rsplit(':').next().unwrap();
    let mut reached = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut command = Command::new("redis-cli");
        command.args(["-c", "-h", "127.0.0.1", "-p", port, "-r", "50", "INCR", "{moving}:cli"]);
        for line in output_of(&mut command).lines() {
            reached += 1;
            assert_eq!(line, reached.to_string());
        }
    }
    [("{moving}:cli".to_owned(), reached)].into()
}
