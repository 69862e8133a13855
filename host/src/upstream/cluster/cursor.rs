//! The cursor of SCAN over a whole cluster: one shard is visited after the other, and all that is known of it is in the number.
//!
//! ```text
//!   63                                20 19      14 13            0
//!  ┌────────────────────────────────────┬──────────┬───────────────┐
//!  │ the cursor of the node, 44 bits    │ server   │ slot          │
//!  └────────────────────────────────────┴──────────┴───────────────┘
//! ```
//!
//! *Slot* says which shard: shards are visited in the order of their highest slots, and this is the highest one of the shard that is
//! being visited. *Server* is 6 bits of a hash of what the cluster calls its primary: a node's cursor means nothing to another node.
//! 0 is the beginning and the end, and nothing in between: behind the first shard the slot is not 0, and in it the node's cursor is not.
//!
//! The cursor of a node is as long as the size of its hash table, in bits; servers that keep a table for each slot (Valkey 8, Redis
//! 7.4) put the slot into 14 more. So 44 bits are enough for 2^44 buckets in a node, or 2^30 in a slot. They stand at the top because
//! they are small numbers: up to 2^33 buckets (or 2^19 in each slot) the whole is less than 2^53, and exact even in clients that keep
//! it in a floating-point number.
//!
//! # What is promised
//!
//! While no slot moves, what SCAN promises for one server: an element that is there from the beginning to the end is returned at
//! least once. A failover does not break it: the new primary is visited from its beginning, and elements may be returned again.
//!
//! Slots that move while a scan is under way: every shard that has slots above that of the cursor is visited, even if it was visited
//! before it got them. So an element is missed only where its slot is below and goes from a shard that has not been visited wholly to
//! one that has no slots above: from the shard whose turn it is, or from a later one whose slots are not in one piece.
//!
//! A scan ends if the cluster is left in peace: with each reply the node's cursor goes on, or the slot rises, or it is the map that has
//! changed.

use sluice_commands::Args;

use super::map::{Map, Node, Shard};
use super::slot::{SLOTS, Slot};
use crate::resp::{encode, reply};

const SLOT_BITS: u32 = 14;
const SERVER_BITS: u32 = 6;
const AT_BITS: u32 = u64::BITS - SLOT_BITS - SERVER_BITS;

/// How far a scan has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    slot: Slot,
    server: u8,
    at: u64,
}

/// A visit of one node, one of several that a scan consists of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leg {
    /// The position of the node to ask, among those of the map.
    pub node: usize,
    /// Which one it is; its cursor's is another if the visit has yet to begin.
    server: u8,
    cursor: Cursor,
}

impl Cursor {
    /// The reply to a cursor that is none, in the server's words.
    pub const INVALID: &[u8] = b"-ERR invalid cursor\r\n";

    /// The reply when nothing is left to visit.
    pub const END: &[u8] = b"*2\r\n$1\r\n0\r\n*0\r\n";

    /// Read a client's cursor: what the server would take for a number that is not negative. `None`: see [`Self::INVALID`].
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        // The server takes nothing for 0.
        let number: u64 = if text.is_empty() { 0 } else { text.parse().ok()? };
        Some(Self {
            slot: Slot::new((number % SLOTS as u64) as usize)?,
            server: (number >> SLOT_BITS) as u8 % (1 << SERVER_BITS),
            at: number >> (SLOT_BITS + SERVER_BITS),
        })
    }

    /// The number that the client gets. `None`: the node's cursor is 2^44 or more.
    pub fn encode(self) -> Option<u64> {
        let low = u64::from(self.server) << SLOT_BITS | self.slot.number() as u64;
        (self.at < 1 << AT_BITS).then_some(self.at << (SLOT_BITS + SERVER_BITS) | low)
    }

    /// Where the scan goes on. `None`: nowhere, it has come to its [`Self::END`].
    pub fn leg(self, map: &Map) -> Option<Leg> {
        let begun = self.at > 0;
        let same = |shard: &&Shard| begun && server(map, shard) == Some(self.server);
        let owner = map.owner(self.slot).filter(|_| self != Self::beginning_at(Slot::FIRST));
        // It goes on where it stopped, if that server is still there, even where the slot that stands for it has moved.
        if let Some(shard) = owner.filter(same).or_else(|| map.shards().iter().find(same)) {
            return Some(Leg { node: shard.primary, server: self.server, cursor: self });
        }
        // Otherwise from the beginning of the shard that has the slot now.
        let cursor = match owner {
            Some(_) => Self::beginning_at(self.slot),
            None => Self::behind(map, self.slot.number().checked_sub(1).and_then(Slot::new))?,
        };
        let owner = map.owner(cursor.slot)?;
        Some(Leg { node: owner.primary, server: server(map, owner)?, cursor })
    }

    /// The beginning of the shard that a slot stands for.
    fn beginning_at(slot: Slot) -> Self {
        Self { slot, server: 0, at: 0 }
    }

    /// The next shard: the one with the smallest highest slot that is higher than this one, or the first.
    fn behind(map: &Map, slot: Option<Slot>) -> Option<Self> {
        let mut seen = vec![false; map.nodes().len()];
        let mut next = None;
        let above = slot.map_or(0, |slot| slot.number() + 1)..SLOTS;
        for slot in above.rev().filter_map(Slot::new) {
            if let Some(seen) = map.owner(slot).and_then(|shard| seen.get_mut(shard.primary))
                && !std::mem::replace(seen, true)
            {
                next = Some(Self::beginning_at(slot));
            }
        }
        next
    }
}

impl Leg {
    /// Append the request to the node: the client's, with the node's cursor.
    pub fn encode<A: Args + ?Sized>(&self, arguments: &A, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        let at = number.format(self.cursor.at).as_bytes();
        let argument = |place| if place == 1 { at } else { arguments.arg(place) };
        encode::request(out, (0..arguments.count()).map(argument));
    }

    /// The reply to the client, one whole frame, from the node's reply, one too. `map` may be a newer one than that by which the
    /// request was sent.
    pub fn reply(self, reply: &[u8], map: &Map) -> Vec<u8> {
        if reply::is_error(reply) {
            return reply.to_vec();
        }
        let Some((at, keys)) = cursor_and_keys(reply) else {
            return encode::error("ERR the node's reply to SCAN cannot be understood");
        };
        let next =
            if at > 0 { Some(Cursor { slot: self.cursor.slot, server: self.server, at }) } else { self.next(map) };
        let Some(number) = next.map_or(Some(0), Cursor::encode) else {
            return encode::error("ERR the cursor of a node is too large for one of the whole cluster");
        };
        let mut out = Vec::with_capacity(keys.len() + 32);
        encode::header(&mut out, b'*', 2);
        encode::bulk(&mut out, itoa::Buffer::new().format(number).as_bytes());
        out.extend_from_slice(keys);
        out
    }

    /// Behind a node that has been visited wholly.
    fn next(self, map: &Map) -> Option<Cursor> {
        let slot = self.cursor.slot;
        match map.owner(slot).and_then(|owner| server(map, owner)) {
            // The slot went to another while the node was being visited. (No other shard stands before the first slot.)
            Some(owner) if owner != self.server && slot != Slot::FIRST => Some(Cursor::beginning_at(slot)),
            _ => Cursor::behind(map, Some(slot)),
        }
    }
}

/// `[cursor, [key…]]`
fn cursor_and_keys(reply: &[u8]) -> Option<(u64, &[u8])> {
    let mut elements = reply.starts_with(b"*2\r\n").then(|| reply::elements(reply))?;
    let (cursor, keys) = (elements.next()?, elements.next()?);
    let (length, digits) = std::str::from_utf8(cursor.strip_prefix(b"$")?).ok()?.split_once("\r\n")?;
    let digits = digits.strip_suffix("\r\n").filter(|digits| length.parse() == Ok(digits.len()))?;
    Some((digits.parse().ok()?, keys))
}

fn server(map: &Map, shard: &Shard) -> Option<u8> {
    map.nodes().get(shard.primary).map(fingerprint)
}

/// The same in every process, since a client may go on at another proxy: FNV-1a, and a last multiplication, because that of a name's
/// last byte does not reach the topmost bits.
fn fingerprint(node: &Node) -> u8 {
    let name = node.id.as_deref().unwrap_or(&node.address);
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    ((hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - SERVER_BITS)) as u8
}

#[cfg(test)]
#[path = "cursor_test.rs"]
mod test;
