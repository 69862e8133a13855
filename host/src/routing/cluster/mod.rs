//! The way of a session's requests through a cluster that looks like one server.
//!
//! ```text
//!                      its keys lie in one slot
//!               ┌────────────────────────────────────► the connection to the slot's primary that sessions share ─┐
//!               │     in several, or it concerns all                                                            │
//!   request ────┼─────► `fan_out`: a part for each, each on its way; one reply of all ──────────────────────────┤
//!   `plan`      │     it needs a connection of its own                                                          │
//!     ▲         ├─────► exclusive: everything before it is answered, nothing follows until it is (`lease`) ─────┤
//!     │         │     on a connection of its own at each of several nodes (WAIT, SCRIPT KILL, …)                │
//!     │         ├─────► exclusive too, in parts (`fan_out`) ────────────────────────────────────────────────────┤
//!     │         │     MULTI                                                                                     │
//!     │         └─────► `transaction`: kept until EXEC is answered; sent where its first key lies ──────────────┤
//!     │                                                                                                         │
//!     └── `retry`: it was not executed: MOVED, ASK, not sent, … ◄───────────────────────────────────────────────┘
//! ```
//!
//! [`plan`] decides once what becomes of a request; [`dispatch`] does it. `subscriptions` makes the
//! subscriptions at several nodes one list, and makes them again where they are lost.
//!
//! Order: requests of a session for one node share a connection. A request waits whenever it could
//! otherwise overtake an earlier one at another node: during a retry, and after a map change until
//! all earlier replies are in. A request of several keys may be retried where one of a single key
//! need not, so requests for the same slot wait behind it.

mod come_back;
mod dispatch;
mod exclusive;
mod fan_out;
mod local_reply;
mod node_lease;
mod plan;
mod progress;
mod replay;
pub(super) mod retry;
pub(super) mod route;
mod sink;
mod subscribe;
mod subscriptions;
mod take_apart;
mod transact;
mod transaction;
