//! A cluster: which of its nodes a request belongs to, and what their replies become.

mod cursor;
mod gather;
mod map;
mod redirect;
mod slot;
mod way;

pub use cursor::{Cursor, Leg};
pub use gather::Gather;
pub use map::{Map, MapError, Node, Shard};
pub use redirect::{MOST, Redirect, Target};
pub use slot::{SLOTS, Slot};
pub use way::{Part, Way};
