//! What a cluster looks like, as one of its nodes sees it: who serves which slot.
//!
//! The answer to `CLUSTER SLOTS`, which all versions know, is read into a [`SlotMap`] that never changes; a later answer becomes another map.

use std::collections::HashMap;
use std::sync::Arc;

use super::slot::{SLOTS, Slot};
use crate::net::{host_and_port, with_port};
use crate::resp::reply;

/// Who serves which slot.
#[derive(Debug, Eq, PartialEq)]
pub struct SlotMap {
    nodes: Vec<Node>,
    shards: Vec<Shard>,
    /// The position of each slot's shard, or [`NOBODY`].
    owners: Box<[u16]>,
}

/// A server of the cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// `host:port`; an IPv6 address is in brackets.
    pub address: Arc<str>,
    /// What the cluster calls it; servers before 4.0 do not tell.
    pub id: Option<Arc<str>>,
}

/// Servers that hold the same slots.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shard {
    /// The position of the node that may be written to.
    pub primary: usize,
    /// Those of the nodes that follow it.
    pub replicas: Vec<usize>,
}

/// The most nodes that a cluster may have: it can have no more primaries than slots, and nobody has as many replicas.
const MOST_NODES: usize = 2 * SLOTS;

/// The owner of a slot that nobody serves.
const NOBODY: u16 = u16::MAX;

/// Why an answer to `CLUSTER SLOTS` is no map.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MapError {
    /// The server said so.
    #[error("the server answered CLUSTER SLOTS with: {0}")]
    Refused(String),
    /// It is not what the answer looks like.
    #[error("the answer to CLUSTER SLOTS cannot be understood: found {found}, expected {expected}")]
    Unexpected {
        /// In short.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A slot is in two ranges.
    #[error("the answer to CLUSTER SLOTS contradicts itself: slot {slot} belongs to {first}, and again to {second}")]
    Twice {
        /// The first such slot.
        slot: Slot,
        /// The address of one primary.
        first: Arc<str>,
        /// That of the other.
        second: Arc<str>,
    },
    /// No slots at all.
    #[error("the cluster serves no slots: it has not been set up yet, or the server has not joined it")]
    Empty,
}

impl SlotMap {
    /// Read the answer to `CLUSTER SLOTS` (RESP2), one whole frame. `asked`: the host that was asked, without brackets; it stands for
    /// itself where a node does not know its own.
    ///
    /// # Errors
    ///
    /// See [`MapError`].
    pub fn read(answer: &[u8], asked: &str) -> Result<Self, MapError> {
        match reply::frame_length(answer) {
            Ok(Some(len)) if len == answer.len() => {}
            Ok(_) => return Err(unexpected(format_args!("{} bytes", answer.len()), "one frame")),
            Err(error) => return Err(unexpected(error, "a frame")),
        }
        if reply::is_error(answer) {
            return Err(MapError::Refused(String::from_utf8_lossy(&answer[1..]).trim_end().to_owned()));
        }
        let ranges = elements(answer).ok_or_else(|| unexpected(kind(answer), "an array"))?;
        let mut reader = Reader { asked, places: HashMap::new(), nodes: Vec::new() };
        let mut shards: Vec<Shard> = Vec::new();
        let mut owners = vec![NOBODY; SLOTS].into_boxed_slice();
        for range in ranges {
            let (slots, shard) = reader.range(range)?;
            let at = shards.iter().position(|known| known.primary == shard.primary).unwrap_or_else(|| {
                shards.push(shard);
                shards.len() - 1
            });
            for slot in slots {
                let owner = &mut owners[slot.number()];
                if *owner != NOBODY {
                    let address = |shard: usize| reader.nodes[shards[shard].primary].address.clone();
                    let (first, second) = (address(usize::from(*owner)), address(at));
                    return Err(MapError::Twice { slot, first, second });
                }
                *owner = at as u16;
            }
        }
        if shards.is_empty() {
            return Err(MapError::Empty);
        }
        let mut map = Self { nodes: reader.nodes, shards, owners };
        map.sort();
        Ok(map)
    }

    /// Put the nodes in the order of their addresses, and the shards in that of their primaries: what nodes list in different orders
    /// is the same map.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by(|&one, &other| self.nodes[one].address.cmp(&self.nodes[other].address));
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| places[old] = new);
        self.nodes = order.into_iter().map(|old| self.nodes[old].clone()).collect();
        for shard in &mut self.shards {
            shard.primary = places[shard.primary];
            shard.replicas.iter_mut().for_each(|replica| *replica = places[*replica]);
            shard.replicas.sort_unstable();
        }
        let mut order: Vec<usize> = (0..self.shards.len()).collect();
        order.sort_by_key(|&shard| self.shards[shard].primary);
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| places[old] = new as u16);
        self.shards = order.into_iter().map(|old| self.shards[old].clone()).collect();
        for owner in self.owners.iter_mut().filter(|owner| **owner != NOBODY) {
            *owner = places[usize::from(*owner)];
        }
    }

    /// Add the nodes that have no slots, or none yet. `answer`: that to `CLUSTER NODES` (RESP2). What cannot be understood is left out:
    /// without them, a slot that is on its way to one of them is served by the other alone.
    pub fn add_nodes(&mut self, answer: &[u8], asked: &str) {
        let text = reply::text(answer).map(String::from_utf8_lossy).unwrap_or_default();
        for line in text.lines() {
            let mut fields = line.split(' ');
            let (Some(id), Some(place), Some(flags)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let lost = flags.split(',').any(|flag| matches!(flag, "noaddr" | "handshake" | "fail"));
            if lost || self.nodes.iter().any(|node| node.id.as_deref() == Some(id)) {
                continue;
            }
            // `ip:port@bus port,name`
            let (address, rest) = place.split_once('@').unwrap_or((place, ""));
            let Some((ip, port)) = host_and_port(address) else { continue };
            let name = rest.split(',').nth(1).filter(|name| !name.is_empty());
            for host in [Some(if ip.is_empty() { asked } else { ip }), name].into_iter().flatten() {
                let address = with_port(host, port);
                if port.parse().is_ok_and(|port: u16| port > 0) && self.nodes.iter().all(|node| node.address != address)
                {
                    self.nodes.push(Node { address, id: Some(id.into()) });
                    break;
                }
            }
        }
    }

    /// Every node: those that are found by their positions.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every shard that serves slots.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard that serves a slot; `None`: nobody does at the moment.
    #[inline]
    pub fn owner(&self, slot: Slot) -> Option<&Shard> {
        self.shards.get(usize::from(self.owners[slot.number()]))
    }

    /// How many slots nobody serves.
    pub fn unserved(&self) -> usize {
        self.owners.iter().filter(|&&owner| owner == NOBODY).count()
    }
}

/// What has been read of an answer so far.
struct Reader<'a> {
    asked: &'a str,
    /// Where in `nodes` the one with this ID (or this address, where it has none) is.
    places: HashMap<Arc<str>, usize>,
    nodes: Vec<Node>,
}

impl Reader<'_> {
    /// `[first slot, last slot, primary, replica…]`
    fn range(&mut self, range: &[u8]) -> Result<(impl Iterator<Item = Slot> + use<>, Shard), MapError> {
        let fields = elements(range).ok_or_else(|| unexpected(kind(range), "an array for each range of slots"))?;
        let fields: Vec<&[u8]> = fields.collect();
        let [first, last, primary, replicas @ ..] = &fields[..] else {
            let found = format_args!("{} elements", fields.len()).to_string();
            return Err(unexpected(found, "the first slot, the last one, and nodes"));
        };
        let (first, last) = (slot(first)?, slot(last)?);
        if first > last {
            return Err(unexpected(format_args!("slots {first} to {last}"), "the lower one first"));
        }
        let primary = self.node(primary)?;
        let replicas = replicas.iter().map(|node| self.node(node)).collect::<Result<_, _>>()?;
        Ok(((first.number()..=last.number()).filter_map(Slot::new), Shard { primary, replicas }))
    }

    /// `[host, port, ID, [metadata…]]`. Returns its position.
    fn node(&mut self, node: &[u8]) -> Result<usize, MapError> {
        let fields = elements(node).ok_or_else(|| unexpected(kind(node), "an array for each node"))?;
        let fields: Vec<&[u8]> = fields.collect();
        let [host, port, more @ ..] = &fields[..] else {
            return Err(unexpected(format_args!("{} elements", fields.len()), "a host and a port"));
        };
        let number = integer(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let Some(port) = number else { return Err(unexpected(kind(port), "the number of a port")) };
        let host = match text(host) {
            // It does not know how it is called; whoever answered does for itself.
            None | Some("") => self.asked,
            // It is to be called by a name, and has none.
            Some("?") => more.get(1).and_then(|metadata| address_of(metadata)).unwrap_or(self.asked),
            Some(host) => host,
        };
        let address = with_port(host, port);
        let id: Option<Arc<str>> = more.first().and_then(|id| text(id)).filter(|id| !id.is_empty()).map(Arc::from);
        let known = self.places.entry(id.clone().unwrap_or_else(|| address.clone()));
        if self.nodes.len() >= MOST_NODES {
            return Err(unexpected(format_args!("more than {MOST_NODES} nodes"), "no more of them than slots"));
        }
        Ok(*known.or_insert_with(|| {
            self.nodes.push(Node { address, id });
            self.nodes.len() - 1
        }))
    }
}

/// `[name, value, …]`
fn address_of(metadata: &[u8]) -> Option<&str> {
    let metadata: Vec<&[u8]> = elements(metadata)?.collect();
    metadata.chunks_exact(2).find(|pair| text(pair[0]) == Some("ip")).and_then(|pair| text(pair[1]))
}

fn slot(frame: &[u8]) -> Result<Slot, MapError> {
    let number = integer(frame).and_then(|number| usize::try_from(number).ok()).and_then(Slot::new);
    number.ok_or_else(|| unexpected(kind(frame), "the number of a slot, 0 to 16383"))
}

/// The elements of an array.
fn elements(frame: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    frame.starts_with(b"*").then(|| reply::elements(frame))
}

fn integer(frame: &[u8]) -> Option<i64> {
    std::str::from_utf8(frame.strip_prefix(b":")?).ok()?.trim_end().parse().ok()
}

/// A bulk string.
fn text(frame: &[u8]) -> Option<&str> {
    let (length, text) = std::str::from_utf8(frame.strip_prefix(b"$")?).ok()?.split_once("\r\n")?;
    (length != "-1").then(|| text.strip_suffix("\r\n")).flatten()
}

fn unexpected(found: impl ToString, expected: &'static str) -> MapError {
    MapError::Unexpected { found: found.to_string(), expected }
}

/// What a frame is, in short.
fn kind(frame: &[u8]) -> String {
    let line = String::from_utf8_lossy(frame.get(1..).unwrap_or_default()).trim_end().to_owned();
    match frame.first() {
        Some(b'*') => format!("an array of {}", reply::elements(frame).count()),
        Some(b'$') => {
            text(frame).map_or_else(|| "nothing, or bytes that are no text".to_owned(), |text| format!("{text:?}"))
        }
        Some(b'_') => "nothing".to_owned(),
        _ => line,
    }
}

#[cfg(test)]
#[path = "slot_map_test.rs"]
mod test;
