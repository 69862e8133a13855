//! Going through keys, fields and members a part at a time.
//!
//! Keys come in byte order. A cursor is a hash of the last key that was given: the instance that gave it remembers the key, any other looks
//! for it. Where it has gone, the scan begins anew, so that nothing is left out; keys may then come twice, as with the server.

use std::collections::VecDeque;

use sluice_plugin::Reply;

use crate::args::{integer, is};
use crate::encoding::{Held, Kind, of};
use crate::failure::Failure;
use crate::table::{Row, keyed, row};
use crate::{Call, Outcome, glob, store};

pub(crate) const ROWS: &[Row] = &[
    row("scan", -2, scan),
    keyed("hscan", -3, |call| part(call, Kind::Hash)),
    keyed("sscan", -3, |call| part(call, Kind::Set)),
];

/// How many cursors an instance remembers.
const REMEMBERED: usize = 1024;

/// How many keys are looked at where the client does not say.
const USUAL_COUNT: usize = 10;

/// The cursors that were given last, with the key that each stands for.
#[derive(Debug, Default)]
pub(crate) struct Cursors(VecDeque<(u64, Vec<u8>)>);

impl Cursors {
    /// A cursor that stands for a key.
    fn give(&mut self, key: Vec<u8>) -> u64 {
        let cursor = hash(&key);
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front((cursor, key));
        cursor
    }

    /// The key that a cursor stands for, if there still is a way to tell.
    fn key(&self, cursor: u64) -> Option<Vec<u8>> {
        let remembered = self.0.iter().find(|(known, _)| *known == cursor).map(|(_, key)| key.clone());
        remembered.or_else(|| store::keys(b"", None).find(|key| hash(key) == cursor))
    }
}

/// FNV-1a in 63 bits, which every client can hold; never 0, which means the beginning and the end.
fn hash(key: &[u8]) -> u64 {
    let hash = key
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 1).max(1)
}

/// The options of a scan.
struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    kind: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(words: &'a [&'a [u8]], of_keys: bool) -> Result<Self, Failure> {
        let mut options = Options { pattern: None, count: USUAL_COUNT, kind: None };
        let (pairs, odd) = words.as_chunks::<2>();
        for [name, value] in pairs {
            if is(name, "COUNT") {
                let count = integer(value).ok_or(Failure::NOT_AN_INTEGER)?;
                options.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Failure::SYNTAX)?;
            } else if is(name, "MATCH") {
                options.pattern = Some(value);
            } else if of_keys && is(name, "TYPE") {
                options.kind = Some(value);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        if odd.is_empty() { Ok(options) } else { Err(Failure::SYNTAX) }
    }

    fn matches(&self, text: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, text))
    }
}

/// A cursor: an unsigned number, with as little care for its spelling as the server takes.
fn cursor(text: &[u8]) -> Result<u64, Failure> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Failure::BAD_CURSOR)
}

fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = cursor(call.arg(1))?;
    let options = Options::parse(call.rest(2), true)?;
    let after = if cursor == 0 { None } else { call.memory.cursors.key(cursor) };
    // One more than wanted tells whether there is more.
    let mut keys: Vec<Vec<u8>> = store::keys(b"", after).take(options.count.saturating_add(1)).collect();
    let more = keys.len() > options.count;
    keys.truncate(options.count);
    let next = match keys.last() {
        Some(last) if more => call.memory.cursors.give(last.clone()),
        _ => 0,
    };
    keys.retain(|key| {
        options.matches(key)
            && options
                .kind
                .is_none_or(|kind| store::peek(key, |held| held.is_some_and(|held| is(kind, held.kind.name()))))
    });
    Ok(answer(next, keys.into_iter().map(Reply::bulk).collect()))
}

/// A hash or a set: all of it at once, as the server gives small ones.
fn part(call: &mut Call<'_>, kind: Kind) -> Outcome {
    cursor(call.arg(2))?;
    store::read(call.arg(1), |held| {
        let Some(held) = of(held, kind)? else { return Ok(answer(0, Vec::new())) };
        let options = Options::parse(call.rest(3), false)?;
        let matching = |text: &&[u8]| options.matches(text);
        let copied = |text: &[u8]| Reply::bulk(text.to_vec());
        let found = match kind {
            Kind::Hash => fields(&held, matching).map(copied).collect(),
            _ => held.items().filter(matching).map(copied).collect(),
        };
        Ok(answer(0, found))
    })
}

/// Those fields that match, with their values.
fn fields<'a>(held: &Held<'a>, matching: impl Fn(&&[u8]) -> bool) -> impl Iterator<Item = &'a [u8]> {
    held.pairs().filter(move |(field, _)| matching(field)).flat_map(|(field, value)| [field, value])
}

fn answer(cursor: u64, found: Vec<Reply<'static>>) -> Reply<'static> {
    Reply::array([Reply::bulk(cursor.to_string()), Reply::Array(found)])
}
