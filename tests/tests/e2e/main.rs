//! The promises that Sluice makes to clients, operators and plugin authors, kept against real servers.
//!
//! One binary with a file a topic. `cargo xtask test` builds what they need and runs them.
#![allow(missing_docs, reason = "a test's name says what it keeps")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

use std::sync::atomic::{AtomicBool, Ordering};

mod admin;
mod blocking;
mod client_ids;
mod clients;
mod cluster_bad_input;
mod cluster_blocking;
mod cluster_failover;
mod cluster_fan_out;
mod cluster_harness;
mod cluster_modules;
mod cluster_pubsub;
mod cluster_reads;
mod cluster_redirections;
mod cluster_scan;
mod cluster_scripts;
mod cluster_transactions;
mod cluster_walkthrough;
mod conformance;
mod drain;
mod endings;
mod examples;
mod failover;
mod failure;
mod framing;
mod handling;
mod idle;
mod import_source;
mod inspect;
mod isolation;
mod limits;
mod memory;
mod pipelines;
mod pipelining;
mod plugin_test;
mod plugins;
mod pools;
mod redis_py;
mod reload;
mod renamed_commands;
mod replication;
mod replies;
mod resharding;
mod sandbox;
mod session_identity;
mod sessions;
mod startup;
mod stream_reads;
mod timeouts;
mod told;
mod tracking;
mod traffic_log;
mod transport;
mod unknown_commands;
mod values;
mod versions;
mod virtual_node;

/// How many workers a promise is checked with that must hold for any number.
const WORKERS: [usize; 2] = [1, 2];

/// Sets the flag when it goes: however a test ends, its threads stop, so that a failure shows as one.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
