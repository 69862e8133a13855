//! The servers behind a sink, and the connections to them.
//!
//! A [`Connection`] is a queue of requests that were written and not answered yet, over one socket: replies belong to requests by
//! their order. Sessions of a worker that are the same to the server share connections ([`Identity`], `shared_pool`); one whose commands
//! would disturb the others is lent a connection of its own from a bounded pool (`exclusive_pool`), where `reply_matching` knows how replies belong
//! to requests. What becomes of requests when a connection is lost is written in [`Failure`]. The nodes of a cluster (`nodes`) may
//! send requests elsewhere: on connections to them, requests are kept until they are answered (`replay_buffer`).
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
mod disconnect;
mod discovery;
mod exclusive_pool;
mod failure;
mod handshake;
mod health;
mod identity;
mod listening;
mod node_view;
mod nodes;
mod pending;
mod pipeline_limit;
mod receiver;
mod replay_buffer;
mod replies;
mod reply_matching;
#[cfg(test)]
mod scripted;
mod server_commands;
mod server_ids;
mod shared_pool;
mod single;
mod ticket;

pub use connection::{Connection, ConnectionRef, Phase};
pub use dial::Ready;
pub use disconnect::Lost;
pub use discovery::Discovery;
pub use exclusive_pool::{Introduction, PrivateLimits};
pub use failure::Failure;
pub use identity::{Credentials, Identity, Opening, Profile};
pub use node_view::{ClusterNode, NodeView, ReadFrom};
pub use nodes::{Cluster, ClusterPlan};
pub use pipeline_limit::{InFlight, Pipelining};
pub use receiver::{Cause, Payload, Receiver};
pub use replay_buffer::requests;
pub use reply_matching::{Expect, Subscription, Subscriptions, recounted, withdrawn};
#[cfg(test)]
pub(crate) use scripted::SERVER_ID;
pub use server_commands::ServerCommands;
pub use server_ids::ServerIds;
pub use single::{Single, SinglePlan};
pub use ticket::Ticket;
