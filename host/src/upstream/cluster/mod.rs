//! A cluster: which of its nodes a request belongs to, and what their replies become.

mod discovery;
mod gather;
mod map;
mod redirect;
mod rewrite;
mod sink;
mod slot;
mod view;
mod way;

pub use discovery::Discovery;
pub use gather::Gather;
pub use map::{Map, MapError, Node, Shard};
pub use redirect::{MOST, Obstacle, Redirect, Target};
pub use rewrite::{Form, Rewrite};
pub use sink::{Cluster, ClusterPlan};
pub use slot::{SLOTS, Slot};
pub use view::{ClusterNode, View};
pub use way::{Part, Way};
