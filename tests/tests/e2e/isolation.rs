//! A thousand clients see exactly what they would see alone, whatever others on their worker are doing meanwhile; and those get exactly
//! what they should.

mod crowd;
mod disturbers;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Sluice, Topology, descriptors, wait_until};

use crate::Stopping;
use crowd::Script;
use disturbers::DISTURBERS;

const CLIENTS: usize = 1000;
const THREADS: usize = 8;

/// What the disturbing clients share.
struct Stage<'a> {
    proxy: &'a Sluice,
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

fn alone_among_others(topology: impl FnOnce(&RedisServer) -> Topology) {
    descriptors::raise();
    let began = Instant::now();
    let alone = RedisServer::start();
    let scripts: Vec<Script> = (0..CLIENTS).map(|number| Script::new(number, &mut alone.client())).collect();
    let server = RedisServer::start_with(&["--user", "reader", "on", ">secret", "~*", "+@read", "+@connection"]);
    let proxy = topology(&server).start();
    let over = AtomicBool::new(false);
    let done = DISTURBERS.iter().map(|_| AtomicUsize::new(0)).collect();
    let stage = Stage { proxy: &proxy, over, done };
    let (replies, differences) = std::thread::scope(|scope| {
        let stopping = Stopping(&stage.over);
        let disturbers: Vec<_> = DISTURBERS
            .iter()
            .zip(&stage.done)
            .map(|((_, disturb), done)| {
                let stage = &stage;
                scope.spawn(move || disturb(stage, done))
            })
            .collect();
        wait_until("all disturbing clients have begun", SOON, || {
            assert!(!disturbers.iter().any(|thread| thread.is_finished()), "a disturbing client has failed");
            stage.done.iter().all(|done| done.load(Ordering::Relaxed) > 0).then_some(())
        });
        let crowd: Vec<_> = scripts
            .chunks(CLIENTS.div_ceil(THREADS))
            .map(|scripts| scope.spawn(|| crowd::run(scripts, &proxy)))
            .collect();
        let results: Vec<_> = crowd.into_iter().map(|thread| thread.join().unwrap()).collect();
        drop(stopping);
        disturbers.into_iter().for_each(|thread| thread.join().expect("a disturbing client got what it should"));
        results.into_iter().fold((0, Vec::new()), |(replies, mut all), (more, differences)| {
            all.extend(differences);
            (replies + more, all)
        })
    });
    let done: Vec<String> = DISTURBERS
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
    alone_among_others(|server| Topology::new().sink(server));
}

#[test]
fn a_thousand_clients_see_what_they_would_see_alone_behind_three_components() {
    alone_among_others(Topology::three_components);
}
