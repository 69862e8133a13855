//! The same requests to `MemoryStore` and to a real `redis-server` 7.0: the replies must be the same, byte for byte.
//!
//! What is different on purpose:
//!
//! - the order in which keys and members come, which the server does not promise either (compared in any order), and what is picked at
//!   random (compared by its kind);
//! - `SCAN` cursors, negative ones too; `HSCAN` and `SSCAN` give all at once;
//! - the last digits of `INCRBYFLOAT` beyond 64 bits, and hexadecimal numbers: sums are exact decimals here, 80-bit floats there;
//! - `HELLO`, `INFO`, `COMMAND`, `CLIENT INFO` and `CLIENT LIST` speak of this program; `CLIENT SETINFO` is that of 7.2;
//! - `DBSIZE` does not count what has expired; `LPOS` refuses the rank that has no opposite, as 7.2 does;
//! - one database, as with `databases 1`;
//! - commands that are not supported are refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compare;
mod random;
mod script;
mod server;

use std::time::{Duration, SystemTime};

use memory_store::MemoryStore;
use sluice_plugin::testing::Harness;

use crate::compare::{Compare, Protocol};
use crate::server::Server;

/// How many random requests are sent one after the other before everything is removed.
const RUN: usize = 150;
const RUNS: u64 = 120;

/// How many random requests are sent to long lists.
const LONG_RUN: usize = 4000;

/// How much of a reply is shown, in bytes.
const MOST_SHOWN: usize = 400;

/// Both, side by side.
struct Pair {
    server: Server,
    store: Harness<MemoryStore>,
    protocol: Protocol,
}

impl Pair {
    fn start(protocol: Protocol) -> Self {
        let mut server = Server::start();
        let mut store = Harness::<MemoryStore>::new(serde_json::json!({})).unwrap();
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        store.state_limit(64 << 20);
        store.advance(since_1970 - Duration::from_secs(1_700_000_000));
        if protocol == Protocol::Resp3 {
            server.ask(&["HELLO", "3"]);
        }
        Self { server, store, protocol }
    }

    /// Send a request to both; the error says how the replies differ.
    fn ask(&mut self, line: &[Vec<u8>]) -> Result<(), String> {
        let expected = self.server.ask(line);
        let verdict = self.store.request(line.to_vec());
        let shown = compare::shown(line);
        let reply = verdict.reply().ok_or_else(|| format!("{shown}: there is no reply"))?;
        let found = compare::encode(reply, self.protocol);
        Compare::of(line).same(&found, &expected).map_err(|difference| {
            let [found, expected] =
                [&found, &expected].map(|frame| frame[..frame.len().min(MOST_SHOWN)].escape_ascii());
            format!("{shown}: {difference}\n  MemoryStore: {found}\n  server:      {expected}\n")
        })
    }
}

/// All differences at once: lines of the script hardly depend on each other.
fn scripted(protocol: Protocol) {
    let mut pair = Pair::start(protocol);
    let differences: Vec<String> = script::lines().filter_map(|line| pair.ask(&line).err()).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.concat());
}

/// Lists that are long enough for what is done differently with them.
fn long_lists(protocol: Protocol) {
    let mut pair = Pair::start(protocol);
    let mut requests = random::Requests::of_long_lists(1);
    for step in 0..LONG_RUN {
        let line = requests.next();
        if let Err(difference) = pair.ask(&line) {
            panic!("step {step}: {difference}");
        }
    }
}

/// The first difference, with all that was sent before it since the keys were removed.
fn randomised(protocol: Protocol) {
    let mut pair = Pair::start(protocol);
    for seed in 0..RUNS {
        let mut requests = random::Requests::new(seed);
        pair.ask(&script::words("FLUSHALL")).unwrap();
        let mut sent = Vec::new();
        for _ in 0..RUN {
            let line = requests.next();
            if let Err(difference) = pair.ask(&line) {
                panic!("seed {seed}, after\n  {}\n{difference}", sent.join("\n  "));
            }
            sent.push(compare::shown(&line));
        }
    }
}

#[test]
fn scripted_requests_get_the_replies_of_the_server_in_resp2() {
    scripted(Protocol::Resp2);
}

#[test]
fn scripted_requests_get_the_replies_of_the_server_in_resp3() {
    scripted(Protocol::Resp3);
}

#[test]
fn long_lists_are_those_of_the_server() {
    long_lists(Protocol::Resp2);
}

#[test]
fn random_requests_get_the_replies_of_the_server_in_resp2() {
    randomised(Protocol::Resp2);
}

#[test]
fn random_requests_get_the_replies_of_the_server_in_resp3() {
    randomised(Protocol::Resp3);
}
