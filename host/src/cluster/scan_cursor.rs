//! The cursor of SCAN over a whole cluster: one shard is visited after the other, and all that is known of it is in the number.
//!
//! ```text
//!   63                                20 19      14 13            0
//!  ┌────────────────────────────────────┬──────────┬───────────────┐
//!  │ the cursor of the node, 44 bits    │ server   │ slot          │
//!  └────────────────────────────────────┴──────────┴───────────────┘
//! ```
//!
//! Shards are visited in the order of their highest slots. *Slot* is the highest one of the shard that is being visited, and *server* 6
//! bits of a hash of what the cluster calls its primary: a node's cursor means nothing to another node. Between two shards the node's
//! cursor is 0, the slot that of the shard that has been visited, and the server 1, so that the number is not 0: that is the beginning
//! and the end.
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
//! one that has no slots above: from the shard that is being visited, or from a later one whose slots are not in one piece. (And if the
//! shard that is being visited fails over and loses its highest slot between two replies.)
//!
//! A scan ends if the cluster is left in peace: with each reply the node's cursor goes on, or the slot rises, or it is the map that has
//! changed.

use sluice_commands::Args;

use super::slot::{SLOTS, Slot};
use super::slot_map::{Node, Shard, SlotMap};
use crate::resp::{encode, reply};

const SLOT_BITS: u32 = 14;
const SERVER_BITS: u32 = 6;
const AT_BITS: u32 = u64::BITS - SLOT_BITS - SERVER_BITS;

/// The server of a cursor between two shards.
const BETWEEN: u8 = 1;

/// How far a scan has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    slot: Slot,
    server: u8,
    at: u64,
}

/// A step of a scan: a request to one node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leg {
    /// The position of the node to ask, among those of the map.
    pub node: usize,
    /// Which one it is.
    server: u8,
    /// The highest slot of its shard, when the visit began.
    slot: Slot,
    /// The node's cursor.
    at: u64,
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

    /// The number that the client gets, 0 at the beginning. `None`: the node's cursor is 2^44 or more.
    pub fn encode(self) -> Option<u64> {
        let low = u64::from(self.server) << SLOT_BITS | self.slot.number() as u64;
        (self.at < 1 << AT_BITS).then_some(self.at << (SLOT_BITS + SERVER_BITS) | low)
    }

    /// Where the scan goes on. `None`: nowhere, it has come to its [`Self::END`].
    pub fn leg(self, map: &SlotMap) -> Option<Leg> {
        let Self { slot, at, .. } = self;
        let visited = if at > 0 {
            let same = |shard: &&Shard| server(map, shard) == Some(self.server);
            // It goes on where it stopped, if that server is still there, even where its highest slot has moved.
            if let Some(shard) = map.owner(slot).filter(same).or_else(|| map.shards().iter().find(same)) {
                return Some(Leg { node: shard.primary, server: self.server, slot, at });
            }
            // Otherwise from the beginning of whoever serves its shard now.
            before(slot)
        } else {
            Some(slot).filter(|_| self.encode() != Some(0))
        };
        let slot = next(map, visited)?;
        let owner = map.owner(slot)?;
        Some(Leg { node: owner.primary, server: server(map, owner)?, slot, at: 0 })
    }
}

impl Leg {
    /// Append the request to the node: the client's, with the node's cursor.
    pub fn encode<A: Args + ?Sized>(&self, arguments: &A, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        let at = number.format(self.at).as_bytes();
        let argument = |place| if place == 1 { at } else { arguments.arg(place) };
        encode::request(out, (0..arguments.count()).map(argument));
    }

    /// The reply to the client, one whole frame, from the node's reply, one too. `map` may be a newer one than that by which the
    /// request was sent.
    pub fn reply(self, reply: &[u8], map: &SlotMap) -> Vec<u8> {
        if reply::is_error(reply) {
            return reply.to_vec();
        }
        let Some((at, keys)) = cursor_and_keys(reply) else {
            return encode::error("ERR the node's reply to SCAN cannot be understood");
        };
        let Some(number) = self.onward(at, map).map_or(Some(0), Cursor::encode) else {
            return encode::error("ERR the cursor of a node is too large for one of the whole cluster");
        };
        let mut out = Vec::with_capacity(keys.len() + 32);
        encode::header(&mut out, b'*', 2);
        encode::bulk(&mut out, itoa::Buffer::new().format(number).as_bytes());
        out.extend_from_slice(keys);
        out
    }

    /// Whether a node's reply says that all of it has been scanned.
    pub fn is_last(reply: &[u8]) -> bool {
        cursor_and_keys(reply).is_some_and(|(at, _)| at == 0)
    }

    /// Where the client goes on, now that the node is at this cursor of its own. `None`: all is done.
    fn onward(self, at: u64, map: &SlotMap) -> Option<Cursor> {
        let Self { server, slot, .. } = self;
        if at > 0 {
            return Some(Cursor { slot, server, at });
        }
        let owner = map.owner(slot).and_then(|owner| self::server(map, owner));
        // Whoever has got the slot while this shard was being visited comes next. (Before the first slot there is no other, so he does
        // not come for that one slot.)
        let moved = owner.is_some_and(|owner| owner != server);
        let visited = if moved { before(slot).unwrap_or(slot) } else { slot };
        next(map, Some(visited)).map(|_| Cursor { slot: visited, server: BETWEEN, at: 0 })
    }
}

fn before(slot: Slot) -> Option<Slot> {
    slot.number().checked_sub(1).and_then(Slot::new)
}

/// The smallest slot that is the highest one of a shard, and higher than this one.
fn next(map: &SlotMap, visited: Option<Slot>) -> Option<Slot> {
    let mut seen = vec![false; map.nodes().len()];
    let above = visited.map_or(0, |slot| slot.number() + 1)..SLOTS;
    let highest = above.rev().filter_map(Slot::new).filter(|&slot| {
        let shard = map.owner(slot).and_then(|shard| seen.get_mut(shard.primary));
        shard.is_some_and(|seen| !std::mem::replace(seen, true))
    });
    highest.last()
}

/// `[cursor, [key…]]`
fn cursor_and_keys(reply: &[u8]) -> Option<(u64, &[u8])> {
    let mut elements = reply.starts_with(b"*2\r\n").then(|| reply::elements(reply))?;
    let (cursor, keys) = (elements.next()?, elements.next()?);
    let (length, digits) = std::str::from_utf8(cursor.strip_prefix(b"$")?).ok()?.split_once("\r\n")?;
    let digits = digits.strip_suffix("\r\n").filter(|digits| length.parse() == Ok(digits.len()))?;
    Some((digits.parse().ok()?, keys))
}

fn server(map: &SlotMap, shard: &Shard) -> Option<u8> {
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
#[path = "scan_cursor_test.rs"]
mod test;
