//! Routing: which connection a request takes, and when.
//!
//! ```text
//!  chain ─► `run`: every request of a session ─► a sink ─► a connection (`upstream`)
//!                                                 │
//!                   `single`: one server          │  shared with other sessions, or leased by one (`lease`)
//!                   `cluster`: many nodes         │
//!                   `NullSink`: none              ▼
//!  worker ◄─ `Replies`: answer, wake, end ◄─ `receive`: what connections bring
//! ```
//!
//! A `Route` belongs to one session: who the session is to the server (`session_state`), the
//! requests that wait, and the connections that it uses. Routing knows no sockets of clients; it
//! speaks to the worker through one trait, `Replies`, so a test can stand in for the worker.
//!
//! The rules of order:
//!
//! - Requests of a session for one server share a connection, which keeps them in order.
//! - Nothing is sent past a request that changes who the session is, until the server has agreed.
//! - A request that needs a connection of its own waits until everything before it is answered.
//! - In a cluster, a request that is retried holds back what came after it (`cluster`).

mod aims;
mod answers;
mod clients;
mod cluster;
mod flow;
mod lease;
mod need;
mod receive;
mod replies;
mod request;
mod retell;
mod routes;
mod run;
mod session_state;
mod single;
mod sink;
#[cfg(test)]
mod test;

pub(crate) use clients::Clients;
pub(crate) use flow::Route;
pub(crate) use replies::{Progress, Pushes, Replies};
pub(crate) use routes::{Router, Routes};
pub(crate) use run::Run;
pub(crate) use session_state::{SessionState, SharedState};
pub use sink::SinkPlan;
pub(crate) use sink::sink;
