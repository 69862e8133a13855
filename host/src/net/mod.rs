//! Connections as bytes: where clients connect, how servers are reached, and the stream in between.
//!
//! The worker knows a [`Stream`] and nothing of what it runs over. Its two halves are shared by the
//! task that reads and the turn that writes; neither ever waits in the middle of anything.

mod address;
mod admit;
mod listen;
mod proxy_protocol;
mod remote;
mod socket;
mod stream;
pub mod tls;

pub use address::{Address, AddressError, Endpoint, Peer};
pub(crate) use address::{host_and_port, with_port};
pub use admit::{Client, Refusal};
pub use listen::{Acceptor, Incoming, ListenPlan, Listener};
pub use proxy_protocol::HeaderError;
pub use remote::{Remote, RemoteTls};
pub use stream::{ReadHalf, Stream, WriteHalf};
