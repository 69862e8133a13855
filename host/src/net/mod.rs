//! Connections as bytes: where clients connect, how servers are reached, and the stream in between.
//!
//! The worker knows a [`Stream`] and nothing of what it runs over. Its two halves are shared by the task that reads and the turn that
//! writes; neither ever waits in the middle of anything.

mod address;
mod listen;
mod remote;
mod stream;

pub use address::{Address, AddressError, Endpoint, Peer};
pub use listen::{Acceptor, Incoming, ListenPlan, Listener};
pub use remote::Remote;
pub use stream::{ReadHalf, Stream, WriteHalf};
