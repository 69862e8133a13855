//! Exclusive connections to the nodes of a cluster.

use std::rc::Rc;

use super::super::lease::Lease;
use crate::upstream::ClusterNode;

/// An exclusive connection to one of the nodes.
#[derive(Debug)]
pub(crate) struct NodeLease {
    pub(super) node: Rc<ClusterNode>,
    pub(super) lease: Box<Lease>,
}

/// Which exclusive connection a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LeaseFor {
    /// One to the node of its keys.
    Any,
    /// The one on which keys are watched.
    Watching,
    /// The one that is subscribed.
    Listening,
}
