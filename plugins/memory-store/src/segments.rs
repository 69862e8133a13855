//! Long lists: a value for the ends and segments for what lies between, so that a push or a pop touches a few KiB however long the list is.
//!
//! ```text
//!   the key's value            front items  back items  table: (name, count) of each segment, in order  lengths
//!   a segment, under its name  items, never changed
//! ```
//!
//! Only the key's value is ever swapped; a segment is written before a value names it and removed after the last value that names it is
//! gone. So whoever misses a segment holds an old value, and reads again. An instance that is stopped in between leaves a segment behind, which
//! `FLUSHALL` removes.

use std::ops::Range;
use std::time::Duration;

use sluice_plugin::{random, state};

use crate::encoding::{Draft, Held, Items, Kind, of};
use crate::failure::Failure;
use crate::store;

/// A list whose items take more bytes than this is kept in segments.
const SPLIT: usize = 4 << 10;

/// An end of a list, or a segment, that takes more bytes than this is closed.
const PART: usize = 2 << 10;

/// How much longer than its list a segment is kept.
const SLACK: Duration = Duration::from_secs(1);

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Left,
    Right,
}

/// A segment, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    name: u64,
    count: u32,
}

/// In bytes, in the table.
const SEGMENT: usize = 12;
/// Behind the table: how long the front is, how many items front and back have, and how many segments there are.
const LENGTHS: usize = 16;

/// The key that a segment has in the map.
fn place(name: u64) -> [u8; 9] {
    let mut place = [store::SEGMENTS; 9];
    if let Some(rest) = place.last_chunk_mut::<8>() {
        *rest = name.to_be_bytes();
    }
    place
}

impl Segment {
    fn read(self) -> Option<Vec<u8>> {
        state::get(&place(self.name))
    }

    pub(crate) fn remove(self) {
        state::delete(&place(self.name));
    }
}

/// Segments that were written for a value: removed again unless there comes to be one that names them.
#[derive(Debug, Default)]
pub(crate) struct Written(Vec<Segment>);

impl Written {
    fn write(&mut self, items: &[u8], count: usize, deadline: Option<u64>) -> Result<Segment, Failure> {
        let segment = Segment { name: random::bits(), count: u32::try_from(count).unwrap_or(u32::MAX) };
        let ttl = store::time_left(deadline).flatten().map(|left| left + SLACK);
        state::set(&place(segment.name), items, ttl)?;
        self.0.push(segment);
        Ok(segment)
    }

    /// A value names them now.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Segment::remove);
    }
}

/// The value of a long list.
#[derive(Debug, Default)]
pub(crate) struct Long {
    deadline: Option<u64>,
    front: Draft,
    back: Draft,
    segments: Vec<Segment>,
}

impl Long {
    /// Read the value of a list that is kept in segments.
    pub(crate) fn read(held: &Held<'_>) -> Option<Self> {
        if !held.segmented {
            return None;
        }
        let (rest, lengths) = held.payload.split_last_chunk::<LENGTHS>()?;
        let (lengths, _) = lengths.as_chunks::<4>();
        let [front_len, front_count, back_count, segments] = lengths else { return None };
        let number = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes) as usize;
        let table = rest.len().checked_sub(number(segments).checked_mul(SEGMENT)?)?;
        let (items, table) = rest.split_at_checked(table)?;
        let (front, back) = items.split_at_checked(number(front_len))?;
        let segments = table.as_chunks::<SEGMENT>().0.iter().filter_map(|entry| {
            let (name, count) = entry.split_first_chunk::<8>()?;
            Some(Segment { name: u64::from_le_bytes(*name), count: u32::from_le_bytes(*count.first_chunk()?) })
        });
        let part = |bytes: &[u8], count| {
            let mut part = Draft::default();
            part.append(bytes, count);
            part
        };
        Some(Self {
            deadline: held.deadline,
            front: part(front, number(front_count)),
            back: part(back, number(back_count)),
            segments: segments.collect(),
        })
    }

    fn draft(&self) -> Draft {
        let mut payload = [self.front.payload(), self.back.payload()].concat();
        for segment in &self.segments {
            payload.extend_from_slice(&segment.name.to_le_bytes());
            payload.extend_from_slice(&segment.count.to_le_bytes());
        }
        let lengths = [self.front.payload().len(), self.front.count(), self.back.count(), self.segments.len()];
        for length in lengths {
            payload.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
        Draft::segmented(payload, self.count(), self.deadline)
    }

    fn count(&self) -> usize {
        let between: usize = self.segments.iter().map(|segment| segment.count as usize).sum();
        self.front.count() + between + self.back.count()
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Some of its items, by their positions; `None` where a segment has gone.
    fn range(&self, range: Range<usize>) -> Option<Draft> {
        let mut found = Draft::empty(Kind::List);
        found.deadline = self.deadline;
        let mut first = 0;
        let mut take = |items: &[u8], count: usize, first: usize| {
            let skipped = range.start.saturating_sub(first).min(count);
            let kept = range.end.saturating_sub(first).min(count).saturating_sub(skipped);
            if kept == count {
                return found.append(items, count);
            }
            Items::of(items).skip(skipped).take(kept).for_each(|item| found.push(item));
        };
        take(self.front.payload(), self.front.count(), first);
        first += self.front.count();
        for segment in &self.segments {
            let count = segment.count as usize;
            if range.start < first + count && first < range.end {
                take(&segment.read()?, count, first);
            }
            first += count;
        }
        take(self.back.payload(), self.back.count(), first);
        Some(found)
    }

    /// All of its items; `None` where a segment has gone.
    pub(crate) fn whole(&self) -> Option<Draft> {
        self.range(0..usize::MAX)
    }

    /// Push items to an end. An end that has grown is closed: it becomes a segment.
    fn push(&mut self, items: &[&[u8]], end: End, written: &mut Written) -> Result<(), Failure> {
        let part = match end {
            End::Left => &mut self.front,
            End::Right => &mut self.back,
        };
        part.extend(items, end);
        if part.payload().len() <= PART {
            return Ok(());
        }
        let segment = written.write(part.payload(), part.count(), self.deadline)?;
        *part = Draft::default();
        match end {
            End::Left => self.segments.insert(0, segment),
            End::Right => self.segments.push(segment),
        }
        Ok(())
    }

    /// Pop items from an end, into `popped`; those segments that were opened for it go to `opened`. `None` where one has gone.
    fn pop(&mut self, count: usize, end: End, opened: &mut Vec<Segment>) -> Option<Vec<Vec<u8>>> {
        let mut popped = Vec::new();
        while popped.len() < count {
            let (near, far) = match end {
                End::Left => (&mut self.front, &mut self.back),
                End::Right => (&mut self.back, &mut self.front),
            };
            if near.count() == 0 {
                let segment = match end {
                    End::Left if !self.segments.is_empty() => Some(self.segments.remove(0)),
                    End::Left => None,
                    End::Right => self.segments.pop(),
                };
                match segment {
                    Some(segment) => {
                        near.append(&segment.read()?, segment.count as usize);
                        opened.push(segment);
                    }
                    None if far.count() == 0 => break,
                    None => std::mem::swap(near, far),
                }
            }
            popped.extend(near.take(count - popped.len(), end));
        }
        Some(popped)
    }

    /// The value as it is to lie in the map: a plain one where there are no segments left.
    fn store(mut self, written: &mut Written) -> Result<Draft, Failure> {
        if !self.segments.is_empty() {
            return Ok(self.draft());
        }
        self.front.append(self.back.payload(), self.back.count());
        self.front.deadline = self.deadline;
        scatter(self.front, written)
    }
}

/// Split a list that is long into segments; anything else stays as it is.
pub(crate) fn scatter(draft: Draft, written: &mut Written) -> Result<Draft, Failure> {
    if draft.kind() != Kind::List || draft.is_segmented() || draft.payload().len() <= SPLIT {
        return Ok(draft);
    }
    let mut long = Long { deadline: draft.deadline, ..Long::default() };
    for item in Items::of(draft.payload()) {
        long.push(&[item], End::Right, written)?;
    }
    Ok(long.draft())
}

/// Push to a list that is long already; says how long it is then. `None`: it is not.
pub(crate) fn push(key: &[u8], items: &[&[u8]], end: End) -> Result<Option<usize>, Failure> {
    change(key, |long, written, _| {
        long.push(items, end, written)?;
        Ok(Some(long.count()))
    })
}

/// Pop from a list that is long. `None`: it is not.
pub(crate) fn pop(key: &[u8], count: usize, end: End) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    change(key, |long, _, opened| Ok(long.pop(count, end, opened)))
}

/// Move an item of a list that is long from one of its ends to one of its ends. `None`: it is not.
pub(crate) fn rotate(key: &[u8], out: End, into: End) -> Result<Option<Vec<u8>>, Failure> {
    change(key, |long, written, opened| {
        let Some(item) = long.pop(1, out, opened).and_then(|popped| popped.into_iter().next()) else { return Ok(None) };
        long.push(&[&item], into, written)?;
        Ok(Some(item))
    })
}

/// Change a long list at its ends. `None` where it is not long, or a segment has gone: then it is to be changed as a whole.
fn change<R>(
    key: &[u8],
    mut change: impl FnMut(&mut Long, &mut Written, &mut Vec<Segment>) -> Result<Option<R>, Failure>,
) -> Result<Option<R>, Failure> {
    let place = store::place(key);
    loop {
        let Some(stored) = state::get(&place) else { return Ok(None) };
        let Some(mut long) = Held::read(&stored).as_ref().and_then(Long::read) else { return Ok(None) };
        let (mut written, mut opened) = (Written::default(), Vec::new());
        let Some(result) = change(&mut long, &mut written, &mut opened)? else { return Ok(None) };
        let draft = long.store(&mut written)?;
        let Some(ttl) = store::time_left(draft.deadline) else { return Ok(None) };
        let new = (!draft.is_nothing()).then(|| draft.seal());
        if state::compare_and_swap(&place, Some(&stored), new.as_deref(), ttl)? {
            written.keep();
            opened.into_iter().for_each(Segment::remove);
            return Ok(Some(result));
        }
    }
}

/// Some of the items of a list: those that are chosen when it is known how many there are. `None`: there is no such key.
pub(crate) fn range(
    key: &[u8],
    choose: impl Fn(usize) -> Result<Range<usize>, Failure>,
) -> Result<Option<Draft>, Failure> {
    if let Some(stored) = state::get(&store::place(key))
        && let Some(long) = Held::read(&stored).as_ref().and_then(Long::read)
        && let Some(found) = long.range(choose(long.count())?)
    {
        return Ok(Some(found));
    }
    store::read(key, |held| {
        let Some(held) = of(held, Kind::List)? else { return Ok(None) };
        let range = choose(held.count)?;
        Ok(Some(Draft::of(Kind::List, held.items().skip(range.start).take(range.len()))))
    })
}
