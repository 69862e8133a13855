//! A cluster: which of its nodes a request belongs to, and what their replies become.

mod cursor;
mod discovery;
mod gather;
mod keyless;
mod learned;
mod map;
mod redirect;
mod rewrite;
mod sink;
mod slot;
mod special;
mod view;
mod virtual_node;
mod way;

pub use cursor::{Cursor, Leg};
pub use discovery::Discovery;
pub use gather::Gather;
pub use keyless::{gather, refusal};
pub use learned::{Learned, LearnedCommand};
pub use map::{Map, MapError, Node, Shard};
pub use redirect::{MOST, Obstacle, Redirect, Target};
pub use rewrite::{Form, Rewrite};
pub use sink::{Cluster, ClusterPlan};
pub use slot::{SLOTS, Slot};
pub use special::random_key;
pub use view::{ClusterNode, ReadFrom, View};
pub use virtual_node::{Answer as VirtualAnswer, VirtualNode};
pub use way::{Part, Way};
