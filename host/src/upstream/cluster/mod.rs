//! A cluster: which of its nodes a request belongs to, and what their replies become.

mod cursor;
mod gather;
mod keyless;
mod map;
mod redirect;
mod slot;
mod special;
mod virtual_node;
mod way;

pub use cursor::{Cursor, Leg};
pub use gather::Gather;
pub use keyless::refusal;
pub use map::{Map, MapError, Node, Shard};
pub use redirect::{MOST, Redirect, Target};
pub use slot::{SLOTS, Slot};
pub use special::random_key;
pub use virtual_node::{Answer, VirtualNode};
pub use way::{Part, Way};
