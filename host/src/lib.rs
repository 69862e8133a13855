//! Sluice: a programmable proxy for Redis and Valkey.
//!
//! A worker thread reads every client that is ready, carries all their requests at once through a chain of sandboxed WebAssembly
//! transforms, and writes them to the upstreams; the replies come back the same way:
//!
//! ```text
//!  read every ready client ─► decode ─► one vector ─► transform 1 ─► transform 2 ─► route ─► one write per upstream
//!                                         (requests)   one crossing    one crossing
//!
//!  one write per client ◄─ release in order ◄─ transform 1 ◄─ transform 2 ◄─ pair with request ◄─ read every ready upstream
//!                                               (watched responses only)
//! ```
//!
//! The rooms, from the top layer to the bottom one; no room imports one that is above it:
//!
//! | room | what it does | uses |
//! | --- | --- | --- |
//! | `main`, `command` | the command line | everything |
//! | [`reload`] | components that change while they run | [`topology`], [`worker`] |
//! | [`cases`] | tests of a component by a case file, without any server | [`topology`]'s terms, [`chain`], `yaml` |
//! | [`topology`] | a YAML file becomes checked types, and those a plan for the workers | `yaml`, [`plugin`], the plans of [`worker`] and [`routing`] |
//! | [`admin`], [`logging`] | metrics, health, logs | |
//! | [`worker`] | sessions, the turn, accepting clients | [`routing`], [`chain`], [`upstream`], [`net`], [`traffic`] |
//! | [`routing`] | which connection a request takes, and when | [`chain`], [`upstream`], [`cluster`] |
//! | [`chain`] | a vector's way through the transforms and back | [`plugin`], [`traffic`] |
//! | [`traffic`] | the log of requests and their responses | [`plugin`]'s names of sessions and commands |
//! | [`plugin`] | wasmtime: loading, limits, crossings; nothing that a plugin returns is trusted beyond it | |
//! | [`upstream`] | connections to servers; which reply belongs to which request | [`cluster`], [`net`] |
//! | [`cluster`] | slots, targets, how replies merge, redirects: no socket | [`resp`], [`net`]'s addresses |
//! | [`net`] | listeners, addresses, TLS, the PROXY protocol, and the stream that a connection is | |
//! | [`resp`] | where frames begin and end | |
//! | `yaml` | YAML files, read strictly | [`net`]'s addresses |
//! | [`buffer`], [`ids`], [`turn_waker`] | bytes in and out, the numbers of things, what wakes the turn | |
//!
//! A request, step by step: [`worker`] reads it into the arena of a [`chain::Vector`] and gives it a [`ids::MessageId`]. The
//! [`chain::Chain`] lets each transform say what becomes of it; what its response must pass through on the way back is written down in
//! its trail ([`chain::trail`]). The worker queues it on an [`upstream::Connection`] with an [`upstream::Ticket`]; the reply that comes
//! back for that ticket is released when all earlier requests of its session are answered.

pub mod admin;

pub mod buffer;
pub mod cases;
pub mod chain;
pub mod cluster;
pub mod ids;
pub mod logging;
pub mod net;
pub mod plugin;
pub mod reload;
pub mod resp;
pub mod routing;
pub mod topology;
pub mod traffic;
pub mod turn_waker;
pub mod upstream;
pub mod worker;
mod yaml;
