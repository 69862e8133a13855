//! A map as one worker uses it: with the connections to its nodes.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use metrics::Counter;

use super::single::Single;
use crate::cluster::{SLOTS, Slot};
use crate::cluster::{Shard, SlotMap};

/// A node, and the connections of one worker to it.
pub struct ClusterNode {
    /// `host:port`.
    pub address: Arc<str>,
    /// The connections.
    pub connections: Single,
    /// Counts what it is sent.
    pub(super) requests: Counter,
    /// Since when it is in the map no more.
    pub(super) gone: Cell<Option<Instant>>,
}

impl fmt::Debug for ClusterNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterNode({})", self.address)
    }
}

/// A map with the connections to its nodes. It never changes: a later map makes another view.
#[derive(Debug)]
pub struct NodeView {
    map: Arc<SlotMap>,
    nodes: Vec<Rc<ClusterNode>>,
    /// The positions of the primaries.
    primaries: Vec<u16>,
    /// A slot that each of them serves.
    shards: Vec<Slot>,
    /// The position of the primary of each slot, or [`NOBODY`].
    owners: Box<[u16]>,
    /// The nodes that may be read from, by their shard's primary.
    readers: HashMap<u16, Vec<u16>>,
    read_from: ReadFrom,
}

/// Which nodes of a shard requests that only read go to. Each session keeps to one node of a shard for as long as that works and the map
/// stays, so that it never reads what is older than what it has read before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReadFrom {
    /// To the primary: what a session has written, it reads.
    #[default]
    Primary,
    /// To the replicas, shared out among the sessions; to the primary where none is there.
    PreferReplica,
    /// To all nodes of the shard, shared out among the sessions.
    RoundRobin,
    /// To the node that takes the least time to connect to.
    Nearest,
}

/// The owner of a slot that nobody serves.
const NOBODY: u16 = u16::MAX;

impl NodeView {
    /// `nodes`: those of the map, in its order.
    pub(super) fn new(map: Arc<SlotMap>, nodes: Vec<Rc<ClusterNode>>, read_from: ReadFrom) -> Self {
        let primary =
            |slot| Slot::new(slot).and_then(|slot| map.owner(slot)).map_or(NOBODY, |owner| owner.primary as u16);
        let owners: Box<[u16]> = (0..SLOTS).map(primary).collect();
        let primaries: Vec<u16> = map.shards().iter().map(|shard| shard.primary as u16).collect();
        let first = |primary: &u16| owners.iter().position(|owner| owner == primary).and_then(Slot::new);
        let shards = primaries.iter().filter_map(first).collect();
        let readers = |shard: &Shard| {
            let replicas = shard.replicas.iter().copied();
            let nodes: Vec<usize> = match read_from {
                ReadFrom::Primary => vec![shard.primary],
                ReadFrom::PreferReplica => replicas.collect(),
                ReadFrom::RoundRobin | ReadFrom::Nearest => [shard.primary].into_iter().chain(replicas).collect(),
            };
            (shard.primary as u16, nodes.into_iter().map(|node| node as u16).collect())
        };
        let readers = map.shards().iter().map(readers).collect();
        Self { map, nodes, primaries, shards, owners, readers, read_from }
    }

    /// Who serves which slot.
    pub fn map(&self) -> &SlotMap {
        &self.map
    }

    /// The nodes, replicas too. Their positions are what other methods speak of.
    pub fn nodes(&self) -> &[Rc<ClusterNode>] {
        &self.nodes
    }

    /// The positions of those that serve slots and may be written to.
    pub fn primaries(&self) -> &[u16] {
        &self.primaries
    }

    /// The position of the node that serves a slot; `None`: nobody does.
    #[inline]
    pub fn owner(&self, slot: Slot) -> Option<u16> {
        Some(self.owners[slot.number()]).filter(|&owner| owner != NOBODY)
    }

    /// Whether requests that only read may go to other nodes than the primaries.
    #[inline]
    pub fn reads_elsewhere(&self) -> bool {
        self.read_from != ReadFrom::Primary
    }

    /// The nodes that the shard of this primary may be read from, the best first. `session`: any number that stays the same for a session.
    pub fn readers(&self, primary: u16, session: usize) -> Vec<u16> {
        let mut readers = self.readers.get(&primary).cloned().unwrap_or_default();
        if self.read_from == ReadFrom::Nearest {
            // What has not been measured yet is as near as can be.
            let distance = |node: &u16| self.nodes.get(usize::from(*node)).and_then(|node| node.connections.distance());
            readers.sort_by_key(|node| distance(node).unwrap_or_default());
        } else if !readers.is_empty() {
            let first = session % readers.len();
            readers.rotate_left(first);
        }
        readers
    }

    /// Whether a node may not be written to.
    pub fn is_replica(&self, node: u16) -> bool {
        !self.primaries.contains(&node)
    }

    /// The position of the node with this address.
    pub fn at(&self, address: &str) -> Option<u16> {
        self.nodes.iter().position(|node| *node.address == *address).map(|at| at as u16)
    }

    /// A slot of each shard: it stands for the shard, whoever is its primary later.
    pub fn shards(&self) -> &[Slot] {
        &self.shards
    }
}
