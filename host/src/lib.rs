//! Sluice: a programmable proxy for Redis and Valkey.
//!
//! A worker thread reads every client that is ready, carries all their requests at once through a
//! chain of sandboxed WebAssembly transforms, and routes them to the upstreams; the replies come
//! back the same way:
//!
//! ```text
//!  clients ─► read ─► one vector ─► transform 1 ─► transform 2 ─► route ─► queue ─► one write
//!           `worker`   `chain`     one crossing   one crossing  `routing` `upstream` per upstream
//!
//!  one write ◄─ release in order ◄─ transform 1 ◄─ transform 2 ◄─ route ◄─ pair ◄─ read upstreams
//!  per client       `worker`         watched responses alone    `routing` with request: `upstream`
//! ```
//!
//! `docs/architecture.md` follows a request from function to function, and says what holds
//! everywhere and where to change what.
//!
//! The rooms, from the top layer to the bottom one; no room imports one that is above it:
//!
//! | room | what it does |
//! | --- | --- |
//! | `main`, `command` | the command line |
//! | [`reload`] | components that change while they run |
//! | [`cases`] | tests of a component by a case file, without any server |
//! | [`topology`] | a YAML file becomes checked types, and those a plan for the workers |
//! | `yaml` | YAML files, read strictly |
//! | [`worker`] | the event loop, clients' sockets, the turn, the order of replies |
//! | [`routing`] | which connection a request takes, and when: leases, transactions, retries |
//! | [`chain`] | a vector's way through the transforms and back |
//! | [`traffic`] | the log of requests and their responses |
//! | [`plugin`] | wasmtime: loading, limits, crossings; no answer is trusted beyond it |
//! | [`upstream`] | connections to servers; which reply belongs to which request |
//! | [`cluster`] | slots, targets, how replies merge, redirects: no socket, no session |
//! | [`admin`], [`logging`] | metrics, health, logs |
//! | [`net`] | listeners, addresses, TLS, the PROXY protocol, and streams |
//! | [`resp`] | where frames begin and end |
//! | [`buffer`], [`ids`], [`turn_waker`] | bytes in and out, the numbers of things, what wakes the turn |
//!
//! `host/tests/architecture` has the table of what each imports.
//!
//! A request, step by step:
//!
//! 1. [`worker`] reads it into the arena of a [`chain::Vector`], gives it an [`ids::MessageId`],
//!    and wakes the turn by the [`turn_waker`] when all sessions that were ready have read.
//! 2. The [`chain::Chain`] lets each transform say what becomes of it. What its response must pass
//!    through on the way back is its trail ([`chain::response_path`]), which is empty for most.
//! 3. [`routing`] gives it its place among the requests of its session, decides which
//!    [`upstream::Connection`] it takes and whether it waits, and queues it there with an
//!    [`upstream::Ticket`]. At the end of the turn each upstream is written to once.
//! 4. When the server has answered, the connection finds the ticket that the reply belongs to, and
//!    hands both to [`routing`], which looks whether the reply changes who the session is, or comes
//!    back to be retried.
//! 5. [`worker`] releases the reply when all earlier requests of its session are answered: through
//!    the transforms that its trail names, or straight to its client, which is written to once.

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
