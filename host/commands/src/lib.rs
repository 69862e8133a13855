//! The command table of Redis and Valkey: names, flags, categories, key positions and what they do
//! to their connection, as data.
//!
//! A proxy asks of every request which command it is ([`lookup`]), what that does to the connection
//! that it runs on ([`Effect`]), and of some which arguments are keys ([`key_positions`]):
//!
//! ```
//! let request: Vec<&[u8]> = vec![b"BLPOP", b"queue:1", b"queue:2", b"0"];
//! let id = sluice_commands::lookup(request[0], || request.get(1).copied());
//! let command = id.get().ok_or("not in the table")?;
//! assert_eq!(command.name(), "blpop");
//! assert!(command.flags().contains(sluice_commands::Flags::BLOCKING));
//! assert_eq!(id.need_with(&request), sluice_commands::ConnectionNeed::Blocking);
//!
//! let mut keys = Vec::new();
//! sluice_commands::key_positions(id, &request, &mut keys);
//! assert_eq!(keys, [1, 2]);
//! # Ok::<(), &str>(())
//! ```
//!
//! `rows` is the data, `command` what a row says, `effect` what it says that no server tells,
//! `bits` the sets of flags, `name` and `table` the index from names, `keys` the search for keys.
//! Everything is built when the crate is compiled; nothing allocates but the caller's list of
//! positions.

#![forbid(unsafe_code)]

mod bits;
mod command;
mod effect;
mod keys;
mod name;
mod rows;
mod table;

pub use bits::{Categories, Flags, KeyFlags};
pub use command::{Begin, Command, Find, KeyRange, KeySpec, RequestPolicy, ResponsePolicy};
pub use effect::{
    Aims, Blocks, ClientIdForm, ConnectionNeed, Effect, Grammar, NodesForm, Replies, Secrets, Sets, Subscription, Tells,
};
pub use keys::{Args, key_positions};
pub use table::{CommandId, Table, lookup, table};
