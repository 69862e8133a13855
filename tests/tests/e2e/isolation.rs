//! A thousand clients see exactly what they would see alone, whatever others on their worker are doing meanwhile; and those get exactly
//! what they should.

mod crowd;
mod disturbers;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, RedisCluster, RedisServer, Sluice, Topology, descriptors, wait_until};

use crate::Stopping;
use crowd::Script;
use disturbers::DISTURBERS;

const CLIENTS: usize = 1000;
const THREADS: usize = 8;

/// A user that may do less than others, on every server.
const READER: [&str; 7] = ["--user", "reader", "on", ">secret", "~*", "+@read", "+@connection"];

/// What nobody can do to a cluster that is hidden, and why.
const NOT_IN_A_CLUSTER: &[(&str, &str)] = &[
    ("databases", "a cluster has but one"),
    ("lines of MONITOR", "no node sees what the others do"),
    ("invalidations", "they are refused: a client has one connection, and the keys are on many nodes"),
];

/// What the disturbing clients share.
struct Stage<'a> {
    proxy: &'a Sluice,
    /// Whether there is a cluster behind it.
    clustered: bool,
    over: AtomicBool,
    /// How many times each of them has done what it does.
    done: Vec<AtomicUsize>,
}

impl Stage<'_> {
    fn client(&self) -> Client {
        self.proxy.client()
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Sits still for a moment, in whatever state it is.
fn sit() {
    std::thread::sleep(Duration::from_millis(3));
}

fn server() -> RedisServer {
    RedisServer::start_with(&READER)
}

fn cluster() -> RedisCluster {
    RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&READER))
}

fn alone_among_others<U>(upstream: fn() -> U, topology: impl FnOnce(&U) -> Topology, left_out: &[(&str, &str)]) {
    descriptors::raise();
    let began = Instant::now();
    let alone = RedisServer::start();
    let scripts: Vec<Script> = (0..CLIENTS).map(|number| Script::new(number, &mut alone.client())).collect();
    let disturbers: Vec<_> =
        DISTURBERS.iter().filter(|(name, _)| !left_out.iter().any(|(left_out, _)| left_out == name)).collect();
    assert_eq!(disturbers.len() + left_out.len(), DISTURBERS.len(), "{left_out:?}");
    let upstream = upstream();
    let proxy = topology(&upstream).start();
    let over = AtomicBool::new(false);
    let done = disturbers.iter().map(|_| AtomicUsize::new(0)).collect();
    let stage = Stage { proxy: &proxy, clustered: !left_out.is_empty(), over, done };
    let (replies, differences) = std::thread::scope(|scope| {
        let stopping = Stopping(&stage.over);
        let disturbing: Vec<_> = disturbers
            .iter()
            .zip(&stage.done)
            .map(|((_, disturb), done)| {
                let stage = &stage;
                scope.spawn(move || disturb(stage, done))
            })
            .collect();
        wait_until("all disturbing clients have begun", SOON, || {
            assert!(!disturbing.iter().any(|thread| thread.is_finished()), "a disturbing client has failed");
            stage.done.iter().all(|done| done.load(Ordering::Relaxed) > 0).then_some(())
        });
        let crowd: Vec<_> = scripts
            .chunks(CLIENTS.div_ceil(THREADS))
            .map(|scripts| scope.spawn(|| crowd::run(scripts, &proxy)))
            .collect();
        let results: Vec<_> = crowd.into_iter().map(|thread| thread.join().unwrap()).collect();
        drop(stopping);
        disturbing.into_iter().for_each(|thread| thread.join().expect("a disturbing client got what it should"));
        results.into_iter().fold((0, Vec::new()), |(replies, mut all), (more, differences)| {
            all.extend(differences);
            (replies + more, all)
        })
    });
    let done: Vec<String> = disturbers
        .iter()
        .zip(&stage.done)
        .map(|((name, _), done)| format!("{name} {}", done.load(Ordering::Relaxed)))
        .collect();
    println!(
        "{CLIENTS} clients got {replies} replies in {:.1?}, {} of them wrong; meanwhile: {}",
        began.elapsed(),
        differences.len(),
        done.join(", ")
    );
    assert!(differences.is_empty(), "{} differences; the first:\n{}", differences.len(), differences[0]);
    assert_eq!(replies, scripts.iter().map(Script::replies).sum::<usize>());
}

#[test]
fn a_thousand_clients_see_what_they_would_see_alone() {
    alone_among_others(server, |server| Topology::new().sink(server), &[]);
}

#[test]
fn a_thousand_clients_see_what_they_would_see_alone_behind_three_components() {
    alone_among_others(server, Topology::three_components, &[]);
}

#[test]
fn a_thousand_clients_of_a_cluster_see_what_they_would_see_alone_with_one_server() {
    alone_among_others(cluster, |cluster| Topology::new().sink(cluster), NOT_IN_A_CLUSTER);
}

#[test]
fn a_thousand_clients_of_a_cluster_see_what_they_would_see_alone_with_one_server_behind_three_components() {
    alone_among_others(cluster, Topology::three_components, NOT_IN_A_CLUSTER);
}
