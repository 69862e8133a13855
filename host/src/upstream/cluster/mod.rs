//! A cluster: which of its nodes a request belongs to.

mod map;
mod slot;

pub use map::{Map, MapError, Node, Shard};
pub use slot::{SLOTS, Slot};
