//! Where in a cluster a request goes: to the shard of its keys, in parts to several, to all, or to whichever.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use sluice_commands::{Args, Begin, CommandId, Find, KeyFlags, KeyRange, RequestPolicy, key_positions};

use super::policies;
use super::slot::Slot;
use crate::resp::encode;

/// Where a request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// To the shard that serves this slot: all of its keys lie there.
    To(Slot),
    /// Nowhere as one: its keys lie in several slots, and it is one that must not be taken apart.
    Apart,
    /// Nowhere: a key has no value. No part of it may be executed, and a server would see no more than a part.
    Incomplete,
    /// In parts, at least two, each to its shard.
    Parts(Vec<Part>),
    /// To every primary.
    Primaries,
    /// To every node.
    Nodes,
    /// To these nodes, each with a request of its own.
    Named(Vec<(Arc<str>, Bytes)>),
    /// It has no keys, and any primary can answer.
    Anywhere,
    /// To one shard after the other, a request each: see [`Cursor`](super::Cursor).
    Scan,
    /// To every primary, and a DBSIZE with it: see [`random_key`](super::random_key).
    RandomKey,
    /// Nowhere: it is not for a cluster. [`refusal`](super::refusal) is the reply.
    Refused,
}

/// A part of a request: those of its keys that lie in one slot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// The slot.
    pub slot: Slot,
    /// The keys, by their places among all keys of the request, rising.
    pub keys: Vec<u32>,
    /// How many arguments belong to each key, the key included.
    step: u32,
}

impl Target {
    /// The target of a request with these arguments, its name included. `keys` is used to look for them.
    pub fn of<A: Args + ?Sized>(command: CommandId, arguments: &A, keys: &mut Vec<u32>) -> Self {
        key_positions(command, arguments, keys);
        if keys.is_empty() {
            shard_channels(command, arguments, keys);
        }
        let slot = |position: u32| Slot::of(arguments.arg(position as usize));
        let Some((first, others)) = keys.split_first() else { return policies::target(command, arguments) };
        let first = slot(*first);
        if others.iter().all(|&other| slot(other) == first) {
            return Self::To(first);
        }
        match command.get().map(|command| (command.request_policy(), command.key_range())) {
            Some((RequestPolicy::MultiShard, Some(range)))
                if !(arguments.count() - 1).is_multiple_of(usize::from(range.step.unsigned_abs())) =>
            {
                Self::Incomplete
            }
            Some((RequestPolicy::MultiShard, Some(range))) => {
                Self::Parts(parts(keys.iter().map(|&key| slot(key)), range.step.unsigned_abs().into()))
            }
            _ => Self::Apart,
        }
    }

    /// The slot of a request with one key, where that is its second argument: hardly any request is another one.
    #[inline]
    pub fn straight<A: Args + ?Sized>(command: CommandId, arguments: &A) -> Option<Slot> {
        let range = command.get()?.key_range()?;
        (range.first == 1 && range.last == 1 && arguments.count() > 1).then(|| Slot::of(arguments.arg(1)))
    }
}

/// Channels of a shard lie in slots as keys do.
fn shard_channels<A: Args + ?Sized>(command: CommandId, arguments: &A, out: &mut Vec<u32>) {
    let specs = command.get().map_or(&[][..], |command| command.key_specs());
    for spec in specs.iter().filter(|spec| spec.flags.contains(KeyFlags::NOT_KEY)) {
        if let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) {
            let last = if last < 0 { last } else { first + last };
            KeyRange { first, last, step }.each(arguments.count(), |position| out.push(position as u32));
        }
    }
}

/// One part for each slot, in the order of their first keys.
fn parts(slots: impl Iterator<Item = Slot>, step: u32) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut places = HashMap::new();
    for (key, slot) in slots.enumerate() {
        let place = *places.entry(slot).or_insert_with(|| {
            parts.push(Part { slot, keys: Vec::new(), step });
            parts.len() - 1
        });
        parts[place].keys.push(key as u32);
    }
    parts
}

impl Part {
    /// Append the request that this part is. `arguments` are those of the whole; the keys begin at the second one.
    pub fn encode<A: Args + ?Sized>(&self, arguments: &A, out: &mut Vec<u8>) {
        let rows = self.keys.iter().flat_map(|key| {
            let from = 1 + key * self.step;
            from..from + self.step
        });
        let places = [0].into_iter().chain(rows.map(|place| place as usize));
        encode::request(out, places.map(|place| arguments.arg(place)));
    }
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn target(line: &str) -> Target {
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let command = sluice_commands::lookup(arguments[0], || arguments.get(1).copied());
        Target::of(command, &arguments, &mut Vec::new())
    }

    fn encoded(line: &str) -> Vec<String> {
        let Target::Parts(parts) = target(line) else { panic!("{line} is not taken apart") };
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let encode = |part: &Part| {
            let mut out = Vec::new();
            part.encode(&arguments, &mut out);
            let text = String::from_utf8(out).unwrap();
            text.split("\r\n")
                .filter(|word| !word.starts_with(['*', '$']))
                .collect::<Vec<_>>()
                .join(" ")
                .trim()
                .to_owned()
        };
        parts.iter().map(encode).collect()
    }

    #[test]
    fn every_request_has_its_way() {
        let to = |key: &str| Target::To(Slot::of(key.as_bytes()));
        for (line, expected) in [
            ("GET a", to("a")),
            ("MGET {a}1 {a}2", to("a")),
            ("EVAL script 2 {a}1 {a}2 b", to("a")),
            ("XREAD COUNT 1 STREAMS {a}1 {a}2 0 0", to("a")),
            ("OBJECT ENCODING a", to("a")),
            ("RENAME a b", Target::Apart),
            ("MSETNX a 1 b 2", Target::Apart),
            ("EVAL script 2 a b", Target::Apart),
            ("EVAL script 0", Target::Anywhere),
            ("DBSIZE", Target::Primaries),
            ("SCRIPT LOAD x", Target::Nodes),
            ("TIME", Target::Anywhere),
            ("SCAN 0", Target::Scan),
            ("RANDOMKEY", Target::RandomKey),
            ("SHUTDOWN NOSAVE", Target::Refused),
            ("ACL SETUSER a", Target::Nodes),
            ("ACL LOAD", Target::Nodes),
            ("PUBSUB CHANNELS", Target::Nodes),
            ("SPUBLISH a message", to("a")),
            ("SSUBSCRIBE {a}1 {a}2", to("a")),
            ("SSUBSCRIBE a b", Target::Apart),
            ("SUNSUBSCRIBE", Target::Anywhere),
            ("SUBSCRIBE a b", Target::Anywhere),
            ("PUBLISH a message", Target::Anywhere),
            ("NO.SUCH a", Target::Anywhere),
        ] {
            assert_eq!(target(line), expected, "{line}");
        }
    }

    #[test]
    fn a_request_is_taken_apart_by_slot_and_not_by_key() {
        assert_eq!(encoded("DEL a {b}1 c {b}2 a"), ["DEL a a", "DEL {b}1 {b}2", "DEL c"]);
        assert_eq!(encoded("mset a 1 b 2 {a}x 3"), ["mset a 1 {a}x 3", "mset b 2"]);
        assert_eq!(target("MSET a 1 b"), Target::Incomplete);
        let Target::Parts(parts) = target("MGET a b {a}c") else { panic!("MGET is not taken apart") };
        assert_eq!(parts.iter().map(|part| &part.keys[..]).collect::<Vec<_>>(), [&[0, 2][..], &[1]]);
    }
}
