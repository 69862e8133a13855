//! What a cluster is, without its connections: who serves which slot, where a request goes, and
//! what the replies of several nodes become. Nothing here has a socket or a session.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `slot`, `slot_map` | the slot of a key; which node serves which slot |
//! | `target` | the slot or nodes that a request goes to |
//! | `policies` | where commands without keys go, and how their replies merge: a row each |
//! | `merge`, `special_merges` | how the replies of several nodes become one |
//! | `scan_cursor` | SCAN's cursor over all nodes |
//! | `redirect` | MOVED, ASK and the errors after which a request is retried |
//! | `module_commands` | what the server says of commands that the table lacks |
//! | `rewrite`, `virtual_node` | what clients are told of the nodes |

mod merge;
mod module_commands;
mod policies;
mod redirect;
mod rewrite;
mod scan_cursor;
mod slot;
mod slot_map;
mod special_merges;
mod target;
mod virtual_node;

pub use merge::Merge;
pub use module_commands::{ModuleCommand, ModuleCommands};
pub use policies::{merge_rule, refusal};
pub use redirect::{Address, MOST, Obstacle, Redirect};
pub use rewrite::Rewrite;
pub use scan_cursor::{Cursor, Leg};
pub use slot::{SLOTS, Slot};
pub use slot_map::{MapError, Node, Shard, SlotMap};
pub use special_merges::random_key;
pub use target::{Part, Target};
pub use virtual_node::{Answer as VirtualAnswer, VirtualNode};
