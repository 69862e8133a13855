//! A map as one worker uses it: with the connections to its nodes.

use std::rc::Rc;
use std::sync::Arc;

use super::map::Map;
use super::slot::{SLOTS, Slot};
use crate::upstream::Single;

/// A node, and the connections of one worker to it.
#[derive(Debug)]
pub struct ClusterNode {
    /// `host:port`.
    pub address: Arc<str>,
    /// The connections.
    pub connections: Single,
}

/// A map with the connections to its nodes. It never changes: a later map makes another view.
#[derive(Debug)]
pub struct View {
    map: Arc<Map>,
    nodes: Vec<Rc<ClusterNode>>,
    /// The positions of the primaries.
    primaries: Vec<u16>,
    /// The position of the primary of each slot, or [`NOBODY`].
    owners: Box<[u16]>,
}

/// The owner of a slot that nobody serves.
const NOBODY: u16 = u16::MAX;

impl View {
    /// `nodes`: those of the map, in its order.
    pub(super) fn new(map: Arc<Map>, nodes: Vec<Rc<ClusterNode>>) -> Self {
        let primary =
            |slot| Slot::new(slot).and_then(|slot| map.owner(slot)).map_or(NOBODY, |owner| owner.primary as u16);
        let owners = (0..SLOTS).map(primary).collect();
        let primaries = map.shards().iter().map(|shard| shard.primary as u16).collect();
        Self { map, nodes, primaries, owners }
    }

    /// Who serves which slot.
    pub fn map(&self) -> &Map {
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

    /// The position of the node with this address.
    pub fn at(&self, address: &str) -> Option<u16> {
        self.nodes.iter().position(|node| *node.address == *address).map(|at| at as u16)
    }

    /// A slot that a primary serves: it stands for the shard, whoever is its primary later.
    pub fn slot_of(&self, primary: u16) -> Option<Slot> {
        self.owners.iter().position(|&owner| owner == primary).and_then(Slot::new)
    }
}
