//! The servers behind a sink, and the connections to them.
//!
//! A [`Connection`] is a queue of requests that were written and not answered yet, over one socket: replies belong to requests by
//! their order. Sessions of a worker that are the same to the server share connections ([`Identity`], `shared`); one whose commands
//! would disturb the others is lent a connection of its own from a bounded pool (`private`), where `exchange` knows how replies belong
//! to requests. What becomes of requests when a connection is lost is written in [`Failure`]. The nodes of a cluster (`nodes`) may
//! send requests elsewhere: on connections to them, requests are kept until they are answered (`kept`).
//!
//! ```text
//!                                                      CLOSED ◄── not needed any more, or private and lost
//!
//!                connect                    told: user,
//!   (new) ─► CONNECTING ─► DEPENDENCIES ── database, … ──► READY ── shared and lost ──► CONNECTING: what was not written is kept
//!                ▲  │ refused    ▲                           │
//!                │  ▼            │                           │ private and given back
//!     back-off ─ DOWN            │                           ▼
//!   requests fail at once        └── lent again ── IDLE ◄── RESET
//! ```

mod back_off;
mod connection;
mod dial;
mod discovery;
mod exchange;
mod failure;
mod gate;
mod greet;
mod identity;
mod kept;
mod listening;
mod loss;
mod node_view;
mod nodes;
mod pending;
mod private;
mod pulse;
mod replies;
#[cfg(test)]
mod scripted;
mod server_commands;
mod server_ids;
mod shared;
mod single;
mod ticket;

pub use connection::{Cause, Connection, ConnectionRef, Payload, Phase, Receiver};
pub use dial::Ready;
pub use discovery::Discovery;
pub use exchange::{Expect, Subscription, Subscriptions, recounted, withdrawn};
pub use failure::Failure;
pub use gate::{InFlight, Pipelining};
pub use identity::{Credentials, Identity, Opening, Profile};
pub use kept::requests;
pub use loss::Lost;
pub use node_view::{ClusterNode, NodeView, ReadFrom};
pub use nodes::{Cluster, ClusterPlan};
pub use private::{Introduction, PrivateLimits};
#[cfg(test)]
pub(crate) use scripted::SERVER_ID;
pub use server_commands::ServerCommands;
pub use server_ids::ServerIds;
pub use single::{Single, SinglePlan};
pub use ticket::Ticket;
