//! The servers behind a sink, and the connections to them.
//!
//! A [`Connection`] is a queue of requests that were written and not answered yet, over one socket: replies belong to requests by
//! their order. Sessions of a worker share connections; one whose commands would disturb the others has a connection of its own
//! (`exchange` knows how replies belong to requests there).
//!
//! ```text
//!            connect            established              lost
//!   (new) ───────────► CONNECTING ─────────► READY ─────────────┐
//!                        ▲  │ refused                           │ in flight: answered with an error
//!                        │  ▼                                   │
//!                        │ DOWN: requests fail at once ◄─ ─ ─ ─ ┤ (if it is refused again)
//!                        └──┴── after a back-off ◄──────────────┘ a private one ends here instead
//! ```

mod back_off;
mod connection;
mod dial;
mod exchange;
mod single;
mod ticket;

pub use connection::{Connection, ConnectionRef, Payload, Receiver};
pub use dial::{Lifetime, Ready, Target, open};
pub use exchange::Expect;
pub use single::Single;
pub use ticket::{Failure, Ticket};
