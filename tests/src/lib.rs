//! Starts what an end-to-end test needs: real servers, the proxy itself, and a client with full control of its bytes.
//!
//! A test reads as a story: start, send, see.
//!
//! ```no_run
//! use sluice_tests::{RedisServer, Topology};
//!
//! let server = RedisServer::start();
//! let proxy = Topology::new().transform("KeyPrefix: { prefix: 'a:' }").sink(&server).start();
//! assert_eq!(proxy.client().ask("SET greeting hello"), "+OK\r\n");
//! assert_eq!(server.client().ask("GET a:greeting"), "$5\r\nhello\r\n");
//! ```
//!
//! Everything that is started ends with the value that stands for it, by its process ID. What goes wrong here is a test that
//! failed, so these modules panic, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

pub mod certificates;
pub mod client;
pub mod cluster;
pub mod descriptors;
pub mod examples;
pub mod http;
pub mod listing;
pub mod long;
pub mod metrics;
pub mod ports;
pub mod process;
pub mod programs;
pub mod redis_server;
pub mod scripted_server;
pub mod sluice;
pub mod topology;
pub mod wait;

pub use certificates::{Authority, Identity};
pub use client::{Client, Protocol, inline, request};
pub use cluster::{ClusterOptions, Member, Migration, RedisCluster};
pub use listing::Listed;
pub use long::cases;
pub use redis_server::RedisServer;
pub use scripted_server::{Answer, ScriptedServer};
pub use sluice::Sluice;
pub use topology::{Topology, UNHURRIED, Upstream};
pub use wait::wait_until;
