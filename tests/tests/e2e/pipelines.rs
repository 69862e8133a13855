//! Pipelines of random commands, cut anywhere, get the replies of a direct connection, byte for byte and in order.
//!
//! Two servers get the same commands: one directly, one through the proxy. Each client has keys of its own, so what others do
//! at the same moment does not matter.

mod commands;

use std::io::Write;
use std::net::TcpStream;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis_protocol::resp2::types::OwnedFrame;
use sluice_tests::{Client, RedisServer, Topology, cases};

use commands::{Compare, Step};

const CLIENTS: u64 = 200;
const COMMANDS: usize = 60;

/// What one client says, and in what pieces.
struct Script {
    steps: Vec<Step>,
    seed: u64,
}

impl Script {
    fn new(seed: u64, client: u64) -> Self {
        let seed = seed.wrapping_mul(1_000_003) + client;
        let mut random = SmallRng::seed_from_u64(seed);
        Self { steps: commands::generate(&mut random, &format!("c{client}"), COMMANDS), seed }
    }

    /// Sends everything in pieces of random length. A cut is a write of its own: the socket does not wait for more.
    fn send(&self, mut stream: TcpStream) {
        let bytes: Vec<u8> = self.steps.iter().flat_map(|step| step.bytes.iter().copied()).collect();
        let mut random = SmallRng::seed_from_u64(self.seed ^ 0xc4);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let longest = [3, 40, 700, 20_000][random.random_range(0..4)];
            let (piece, after) = rest.split_at(random.random_range(1..=longest).min(rest.len()));
            // A connection that was closed shows where the replies are read.
            if stream.write_all(piece).is_err() {
                return;
            }
            rest = after;
        }
    }

    /// Runs the script and returns its replies.
    fn run(&self, mut client: Client) -> Vec<Bytes> {
        let writer = client.writer();
        std::thread::scope(|scope| {
            scope.spawn(|| self.send(writer));
            let mut replies = Vec::new();
            for step in self.steps.iter().filter(|step| step.compare != Compare::Silent) {
                match client.try_reply() {
                    Ok(Some(reply)) => replies.push(reply),
                    other => {
                        // Shown as a reply that differs, with the place where it happened.
                        replies.push(format!("instead of a reply to {step:?}: {other:?}").into());
                        break;
                    }
                }
            }
            replies
        })
    }

    /// Describes the first reply that differs.
    fn difference(&self, expected: &[Bytes], found: &[Bytes]) -> Option<String> {
        let answered: Vec<&Step> = self.steps.iter().filter(|step| step.compare != Compare::Silent).collect();
        for (n, step) in answered.iter().enumerate() {
            let (expected, found) = (expected.get(n), found.get(n));
            let same = match (expected, found, step.compare) {
                (Some(expected), Some(found), Compare::AnyOrder) => sorted(expected) == sorted(found),
                (Some(expected), Some(found), Compare::Begins) => expected[0] == found[0],
                _ => expected == found,
            };
            if !same {
                let before = &answered[n.saturating_sub(3)..n];
                return Some(format!("{step:?}\nexpected {expected:?}\nfound    {found:?}\nafter {before:?}"));
            }
        }
        None
    }
}

/// The elements of an array whose order is the server's own choice.
fn sorted(reply: &Bytes) -> Vec<String> {
    match redis_protocol::resp2::decode::decode(reply) {
        Ok(Some((OwnedFrame::Array(elements), _))) => {
            let mut elements: Vec<String> = elements.iter().map(|element| format!("{element:?}")).collect();
            elements.sort();
            elements
        }
        other => vec![format!("{other:?}")],
    }
}

/// Lets all clients run at once, directly and through the proxy.
fn same_as_direct(seed: u64, workers: usize) {
    println!("seed {seed}, {workers} workers");
    let direct = RedisServer::start();
    let behind = RedisServer::start();
    let proxy = Topology::three_components(&behind).workers(workers).start();
    let scripts: Vec<Script> = (0..CLIENTS).map(|client| Script::new(seed, client)).collect();
    let differences: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = scripts
            .iter()
            .enumerate()
            .map(|(n, script)| {
                let (direct, proxy) = (&direct, &proxy);
                scope.spawn(move || {
                    let expected = script.run(direct.client());
                    let found = script.run(proxy.client());
                    let difference = script.difference(&expected, &found)?;
                    Some(format!("seed {seed}, client {n}, {workers} workers: {difference}"))
                })
            })
            .collect();
        clients.into_iter().filter_map(|client| client.join().unwrap()).collect()
    });
    assert!(differences.is_empty(), "{} clients got something else; the first:\n{}", differences.len(), differences[0]);
}

/// The seed in `SLUICE_TEST_SEED`, to look for others; or else two, or in a long run some more, from `first` on.
fn seeds(first: u64) -> Vec<u64> {
    match std::env::var("SLUICE_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("SLUICE_TEST_SEED is a number")],
        Err(_) => (first..first + u64::from(cases(2))).collect(),
    }
}

#[test]
fn two_hundred_clients_get_the_replies_of_a_direct_connection_with_one_worker() {
    for seed in seeds(1) {
        same_as_direct(seed, 1);
    }
}

#[test]
fn two_hundred_clients_get_the_replies_of_a_direct_connection_with_two_workers() {
    for seed in seeds(3) {
        same_as_direct(seed, 2);
    }
}
