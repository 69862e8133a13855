//! The traffic log: what clients asked and what they were told, a line of JSON each.
//!
//! ```text
//!  worker                                                                            one thread for each file
//!  request ─► Tap: chosen? ─► Entry, in the request's trail ─► its response ─► Line ══► Writer ─► file or stdout
//!                  └ no: nothing more                                        bounded channel
//! ```
//!
//! The turn never waits for a log: when a writer is behind, lines are dropped and counted
//! (`sluice_traffic_log_dropped_total`). What is kept of a request is bounded, and made into JSON
//! by the writer's thread. A request that is not chosen costs the choice, and a source without a
//! log a comparison.
//!
//! Nothing that a client sends is written down unless the operator asks for it ([`Values`]), and
//! passwords never are (`secrets`).

mod line;
mod plan;
mod secrets;
mod tap;
mod time;
mod writer;

pub use line::By;
pub use plan::{Destination, MAX_ARGUMENT, Plan, Values};
pub use tap::{Entry, Tap};
pub use writer::{Log, OpenError, Writers};
