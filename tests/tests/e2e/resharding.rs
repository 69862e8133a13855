//! Slots move to and fro between nodes while they are used, and no client can tell.
//!
//! Every client knows, of every reply, what it must be: keys of its own hold what it has written, counters of its own rise by one,
//! counters that all share only rise. A reply that is an error, comes in the wrong place or belongs to somebody else ends the test. In
//! the end the servers are asked what the counters hold: every increment, and none twice.

mod client;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_tests::wait::SOON;
use sluice_tests::{RedisCluster, Topology, wait_until};

use crate::Stopping;
use client::{ACTIONS, Actor, SLOTS};

const CLIENTS: usize = 50;
const NODES: usize = 3;

/// How long, where the environment does not say so with `SLUICE_RESHARDING_SECONDS`.
const SECONDS: u64 = 15;

/// How many keys of a slot move at once, and how long nothing happens then: long enough to meet a slot in two places, short enough that
/// a request for keys in both can wait until they are together.
const STEP: usize = 40;
const PAUSE: Duration = Duration::from_millis(4);

/// Slots that are on their way at the same time.
const MOVERS: usize = 2;

/// What the movers have done.
#[derive(Default)]
struct Moved {
    slots: AtomicU64,
    keys: AtomicU64,
    /// The longest that a slot was on its way, in milliseconds.
    longest: AtomicU64,
}

/// Moves slots from node to node until it is over; this mover has every so many of them.
fn keep_moving(cluster: &RedisCluster, mover: usize, over: &AtomicBool, moved: &Moved) {
    let mut random = SmallRng::seed_from_u64(mover as u64);
    let slots: Vec<u16> = (mover..SLOTS).step_by(MOVERS).map(|at| cluster.slot_of(client::tag(at))).collect();
    for &slot in slots.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let from = cluster.owner_of_slot(slot);
        let to = (from + random.random_range(1..NODES)) % NODES;
        let began = Instant::now();
        let migration = cluster.begin_migration(slot, from, to);
        let mut keys = 0;
        loop {
            std::thread::sleep(PAUSE);
            match cluster.move_keys(migration, STEP) {
                0 => break,
                count => keys += count,
            }
        }
        cluster.finish_migration(migration);
        moved.slots.fetch_add(1, Ordering::Relaxed);
        moved.keys.fetch_add(keys as u64, Ordering::Relaxed);
        moved.longest.fetch_max(began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

fn seconds() -> u64 {
    std::env::var("SLUICE_RESHARDING_SECONDS").map_or(SECONDS, |text| text.parse().expect("a number of seconds"))
}

#[test]
fn slots_that_move_under_load_cost_no_error_no_increment_and_no_order() {
    let cluster = RedisCluster::start(NODES, 0);
    let proxy = Topology::three_components(&cluster).workers(2).start();
    let (over, moved) = (AtomicBool::new(false), Moved::default());
    let began = Instant::now();
    let limit = Duration::from_secs(seconds());
    let (report, reports) = mpsc::channel();
    let (actors, failures): (Vec<Actor>, Vec<String>) = std::thread::scope(|scope| {
        let stopping = Stopping(&over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (over, addr, report) = (&over, proxy.addr(), report.clone());
                scope.spawn(move || {
                    let mut actor = Actor::new(number, addr);
                    let result = actor.act_until(over);
                    report.send(result.is_ok()).ok();
                    (actor, result)
                })
            })
            .collect();
        let movers: Vec<_> = (0..MOVERS)
            .map(|mover| {
                let (cluster, over, moved) = (&cluster, &over, &moved);
                scope.spawn(move || keep_moving(cluster, mover, over, moved))
            })
            .collect();
        // A client that ends before it is told to has seen something that it should not have.
        reports.recv_timeout(limit).ok();
        drop(stopping);
        movers.into_iter().for_each(|mover| mover.join().expect("slots can be moved"));
        let ended = clients.into_iter().map(|client| client.join().expect("a client says what went wrong"));
        let (actors, results): (Vec<_>, Vec<_>) = ended.unzip();
        (actors, results.into_iter().filter_map(Result::err).collect())
    });
    let took = began.elapsed();
    let requests: u64 = actors.iter().map(|actor| actor.requests).sum();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let refused = ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"].map(|error| (error, cluster.refusals(error)));
    println!(
        "{CLIENTS} clients got {requests} replies in {took:.1?} ({:.0}/s) while {} slots moved with {} keys, none for longer than {} ms; \
         the servers said {refused:?}",
        requests as f64 / took.as_secs_f64(),
        count(&moved.slots),
        count(&moved.keys),
        count(&moved.longest),
    );
    for (action, (name, _)) in ACTIONS.iter().enumerate() {
        print!("{name} {}, ", actors.iter().map(|actor| actor.done[action]).sum::<u64>());
    }
    println!("{} transactions tried again", actors.iter().map(|actor| actor.in_vain).sum::<u64>());
    let metrics = proxy.metrics();
    for (series, value) in metrics.samples().filter(|(series, _)| series.contains("redirect")) {
        println!("{series} {value}");
    }
    assert!(
        failures.is_empty(),
        "{} clients failed; the first:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );

    assert_counted(&cluster, &actors);
    assert!(count(&moved.slots) >= 2 * SLOTS as u64, "every slot moves more than once");
    for (error, count) in &refused[..3] {
        assert!(*count > 0, "no server ever said {error}: there was nothing to test");
    }
    for (action, (name, _)) in ACTIONS.iter().enumerate() {
        assert!(actors.iter().any(|actor| actor.done[action] > 0), "nobody has done this: {name}");
    }
}

/// What the servers hold is what the clients have been told.
fn assert_counted(cluster: &RedisCluster, actors: &[Actor]) {
    let value = |key: &str| -> u64 {
        // As the chain names it.
        let key = format!("e2e:{key}");
        let shard = cluster.owner_of_key(&key);
        let reply = wait_until("a node answers", SOON, || {
            let reply = cluster.client(shard).call(&["GET", &key]);
            (!reply.starts_with(b"-")).then_some(reply)
        });
        let text = String::from_utf8_lossy(&reply).into_owned();
        text.lines().nth(1).map_or(0, |value| value.parse().expect("a counter"))
    };
    for slot in 0..SLOTS {
        let shared: u64 = actors.iter().map(|actor| actor.shared_increments[slot]).sum();
        assert_eq!(value(&client::shared(slot)), shared, "the counter of all clients in slot {slot}");
        for actor in actors {
            assert_eq!(value(&actor.counter(slot)), actor.counted[slot], "client {}'s own counter", actor.number);
        }
        for watched in 0..client::WATCHED {
            let expected: u64 = actors
                .iter()
                .filter(|actor| actor.number % client::WATCHED == watched)
                .map(|actor| actor.watched_increments[slot])
                .sum();
            assert_eq!(value(&client::watched(slot, watched)), expected, "watched key {watched} in slot {slot}");
        }
    }
}
