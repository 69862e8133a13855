//! Replies of several nodes that the servers' policies have no word for.
//!
//! Each function takes whole frames, none of them an error, and gives one; `None`: they are not what was expected.

use std::collections::{BTreeMap, HashSet};

use crate::resp::{encode, reply};

/// The elements of all, each once, in the order in which they appear.
pub(super) fn union(replies: &[&[u8]]) -> Option<Vec<u8>> {
    let kind = same_kind(replies, b"*~")?;
    let mut known = HashSet::new();
    let all = replies.iter().flat_map(|reply| reply::elements(reply));
    Some(encode::aggregate(kind, &all.filter(|element| known.insert(*element)).collect::<Vec<_>>()))
}

/// `[name, number, …]`, the same names in each: the sums.
pub(super) fn pairs(replies: &[&[u8]]) -> Option<Vec<u8>> {
    let kind = same_kind(replies, b"*%")?;
    let mut sums: Vec<(&[u8], i64)> = Vec::new();
    for (at, reply) in replies.iter().enumerate() {
        let elements: Vec<&[u8]> = reply::elements(reply).collect();
        if !elements.len().is_multiple_of(2) || at > 0 && elements.len() != 2 * sums.len() {
            return None;
        }
        for (place, pair) in elements.chunks_exact(2).enumerate() {
            let number = reply::integer(pair[1])?;
            match sums.get_mut(place).filter(|_| at > 0) {
                None => sums.push((pair[0], number)),
                Some((name, sum)) => *sum = (*name == pair[0]).then(|| sum.saturating_add(number))?,
            }
        }
    }
    let mut out = Vec::new();
    encode::header(&mut out, kind, if kind == b'%' { sums.len() } else { 2 * sums.len() });
    for (name, sum) in sums {
        out.extend_from_slice(name);
        encode::integer(&mut out, sum);
    }
    Some(out)
}

/// Texts, one behind the other: bulk strings, or verbatim ones of one format.
pub(super) fn text(replies: &[&[u8]]) -> Option<Vec<u8>> {
    let kind = same_kind(replies, b"$=")?;
    let texts: Vec<&[u8]> = replies.iter().map(|reply| reply::text(reply)).collect::<Option<_>>()?;
    let format = if kind == b'=' { texts.first()?.get(..4)? } else { b"" };
    let mut all = format.to_vec();
    for text in texts {
        all.extend_from_slice(text.strip_prefix(format)?);
    }
    let mut out = Vec::with_capacity(all.len() + 16);
    encode::header(&mut out, kind, all.len());
    out.extend_from_slice(&all);
    out.extend_from_slice(b"\r\n");
    Some(out)
}

/// FUNCTION STATS, `[running_script, …]`: that of a node where something runs, if there is one.
pub(super) fn running(replies: &[&[u8]]) -> Option<Vec<u8>> {
    let runs =
        |reply: &&&[u8]| !matches!(reply::elements(reply).nth(1), None | Some(b"$-1\r\n" | b"*-1\r\n" | b"_\r\n"));
    same_kind(replies, b"*%")?;
    replies.iter().find(runs).or(replies.first()).map(|reply| reply.to_vec())
}

/// LATENCY LATEST, `[event, time, latest, maximum, (sum, count)]…`: each event once, as of when it happened last anywhere.
pub(super) fn latest(replies: &[&[u8]]) -> Option<Vec<u8>> {
    same_kind(replies, b"*")?;
    let mut events: Vec<(&[u8], Vec<i64>)> = Vec::new();
    for event in replies.iter().flat_map(|reply| reply::elements(reply)) {
        let mut fields = reply::elements(event);
        let name = fields.next()?;
        let new = fields.map(reply::integer).collect::<Option<Vec<i64>>>().filter(|numbers| numbers.len() >= 3)?;
        match events.iter_mut().find(|(known, _)| *known == name) {
            None => events.push((name, new)),
            Some((_, known)) if known.len() != new.len() => return None,
            Some((_, known)) => {
                if new[0] > known[0] {
                    known[..2].copy_from_slice(&new[..2]);
                }
                known[2] = known[2].max(new[2]);
                known.iter_mut().zip(new).skip(3).for_each(|(sum, more)| *sum = sum.saturating_add(more));
            }
        }
    }
    let events: Vec<Vec<u8>> = events.iter().map(|(name, numbers)| with_numbers(b'*', name, numbers)).collect();
    Some(encode::aggregate(b'*', &events.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// LATENCY HISTOGRAM, `{command: {calls: n, histogram_usec: {limit: calls up to it, …}}}`: as if one server had executed all.
pub(super) fn histograms(replies: &[&[u8]]) -> Option<Vec<u8>> {
    let kind = same_kind(replies, b"*%")?;
    let mut commands: Vec<(&[u8], Histogram<'_>)> = Vec::new();
    for reply in replies {
        let elements: Vec<&[u8]> = reply::elements(reply).collect();
        for pair in elements.chunks(2) {
            let &[name, histogram] = pair else { return None };
            let histogram = Histogram::read(histogram)?;
            match commands.iter_mut().find(|(known, _)| *known == name) {
                None => commands.push((name, histogram)),
                Some((_, known)) => known.add(histogram),
            }
        }
    }
    let parts: Vec<Vec<u8>> = commands.iter().map(|(name, histogram)| histogram.write(kind, name)).collect();
    let mut out = Vec::new();
    encode::header(&mut out, kind, if kind == b'%' { commands.len() } else { 2 * commands.len() });
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Some(out)
}

/// How long a command took.
struct Histogram<'a> {
    /// The names of its two fields, as frames.
    names: [&'a [u8]; 2],
    calls: i64,
    /// How many calls took at most so long and longer than the limit before, by limits in µs.
    buckets: BTreeMap<i64, i64>,
}

impl<'a> Histogram<'a> {
    fn read(frame: &'a [u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = reply::elements(frame).collect();
        let &[calls_name, calls, buckets_name, limits] = &fields[..] else { return None };
        let limits: Vec<i64> = reply::elements(limits).map(reply::integer).collect::<Option<_>>()?;
        let mut before = 0;
        let each = |pair: &[i64]| (pair[0], pair[1].saturating_sub(std::mem::replace(&mut before, pair[1])));
        let buckets = limits.chunks_exact(2).map(each).collect();
        Some(Self { names: [calls_name, buckets_name], calls: reply::integer(calls)?, buckets })
    }

    fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        for (limit, calls) in other.buckets {
            let sum = self.buckets.entry(limit).or_default();
            *sum = sum.saturating_add(calls);
        }
    }

    /// Its name and itself.
    fn write(&self, kind: u8, name: &[u8]) -> Vec<u8> {
        let length = |pairs: usize| if kind == b'%' { pairs } else { 2 * pairs };
        let mut out = name.to_vec();
        encode::header(&mut out, kind, length(2));
        out.extend_from_slice(self.names[0]);
        encode::integer(&mut out, self.calls);
        out.extend_from_slice(self.names[1]);
        encode::header(&mut out, kind, length(self.buckets.len()));
        let mut sum: i64 = 0;
        for (limit, calls) in &self.buckets {
            sum = sum.saturating_add(*calls);
            encode::integer(&mut out, *limit);
            encode::integer(&mut out, sum);
        }
        out
    }
}

/// The reply to RANDOMKEY: each key of the cluster is as likely as any other. `replies`, at least one: what every primary has answered to
/// RANDOMKEY and to DBSIZE. `random`: any number.
pub fn random_key(replies: &[(&[u8], &[u8])], random: u64) -> Vec<u8> {
    if let Some(error) = replies.iter().flat_map(|(key, size)| [key, size]).find(|reply| reply::is_error(reply)) {
        return error.to_vec();
    }
    let weight = |(key, size): &(&[u8], &[u8])| match reply::text(key) {
        // A node that gave a key has one, whatever has become of it since.
        Some(_) => reply::integer(size).and_then(|size| u64::try_from(size).ok()).unwrap_or(0).max(1),
        None => 0,
    };
    let all: u64 = replies.iter().map(weight).fold(0, u64::saturating_add);
    let mut rest = random.checked_rem(all).unwrap_or(0);
    let hit = replies.iter().find(|reply| {
        let weight = weight(reply);
        let hit = rest < weight;
        rest = rest.saturating_sub(weight);
        hit
    });
    hit.or(replies.first()).map_or_else(super::merge::nothing, |(key, _)| key.to_vec())
}

/// The kind of all replies, if it is one of these.
fn same_kind(replies: &[&[u8]], allowed: &[u8]) -> Option<u8> {
    let kind = *replies.first()?.first().filter(|kind| allowed.contains(kind))?;
    replies.iter().all(|reply| reply.first() == Some(&kind)).then_some(kind)
}

/// A frame and numbers behind it, as one array.
fn with_numbers(kind: u8, first: &[u8], numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::header(&mut out, kind, 1 + numbers.len());
    out.extend_from_slice(first);
    numbers.iter().for_each(|number| encode::integer(&mut out, *number));
    out
}

#[cfg(test)]
#[path = "special_merges_test.rs"]
mod test;
