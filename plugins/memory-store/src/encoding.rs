//! How a value lies in the map: its payload, then what kind it is and when it expires.
//!
//! ```text
//!   string       bytes                                       ┐
//!   list, set    items: length (LEB128), bytes               ├  [deadline: u64]  tag: u8
//!   hash         items: field, value, field, value, …  count: u32 ┘
//! ```
//!
//! A long list has another payload: see `segments`.
//!
//! The tag is last, so that a payload is taken out, or added to, where it lies. Its low bits are the kind, its highest bit says that
//! there is a deadline, the next one that the list is a long one. Numbers are little-endian. The deadline is part of the value, so that a compare-and-swap guards it too.

use sluice_plugin::clock;

use crate::failure::Failure;
use crate::segments::End;

/// Set in the tag: the eight bytes before it are the deadline.
const HAS_DEADLINE: u8 = 0x80;

/// Set in the tag: the payload is not items, but says where they are.
const SEGMENTED: u8 = 0x40;

/// What kind a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    Hash = 3,
}

const KINDS: [Kind; 4] = [Kind::String, Kind::List, Kind::Set, Kind::Hash];

impl Kind {
    /// Its name, as `TYPE` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Hash => "hash",
        }
    }
}

/// A time in milliseconds since 1970-01-01 UTC.
pub(crate) fn now() -> u64 {
    u64::try_from(clock::unix().as_millis()).unwrap_or(u64::MAX)
}

/// A value as it lies in the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    pub(crate) kind: Kind,
    /// When it expires, in milliseconds since 1970-01-01 UTC.
    pub(crate) deadline: Option<u64>,
    /// How many items the payload has; of a string, its bytes.
    pub(crate) count: usize,
    /// Whether the items are not in the payload: a long list as it lies in the map.
    pub(crate) segmented: bool,
    pub(crate) payload: &'a [u8],
}

impl<'a> Held<'a> {
    /// Read a value; `None` where its time has come.
    pub(crate) fn read(raw: &'a [u8]) -> Option<Self> {
        let (&tag, mut rest) = raw.split_last()?;
        let kind = KINDS.get(usize::from(tag & !(HAS_DEADLINE | SEGMENTED))).copied()?;
        let mut deadline = None;
        if tag & HAS_DEADLINE != 0 {
            let (before, number) = rest.split_last_chunk()?;
            let at = u64::from_le_bytes(*number);
            if at <= now() {
                return None;
            }
            (rest, deadline) = (before, Some(at));
        }
        let mut count = rest.len();
        if kind != Kind::String {
            let (before, number) = rest.split_last_chunk()?;
            (rest, count) = (before, u32::from_le_bytes(*number) as usize);
        }
        Some(Held { kind, deadline, count, segmented: tag & SEGMENTED != 0, payload: rest })
    }

    /// The value, if it is of this kind.
    pub(crate) fn of(self, kind: Kind) -> Result<Self, Failure> {
        if self.kind == kind { Ok(self) } else { Err(Failure::WRONG_TYPE) }
    }

    /// The items of a list or set; of a hash, fields and values in turn.
    pub(crate) fn items(&self) -> Items<'a> {
        Items { rest: self.payload }
    }

    /// The fields of a hash with their values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut items = self.items();
        std::iter::from_fn(move || Some((items.next()?, items.next()?)))
    }

    /// The same value, to be changed.
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            kind: self.kind,
            deadline: self.deadline,
            count: self.count,
            segmented: self.segmented,
            payload: self.payload.to_vec(),
        }
    }
}

/// The same value if it is there, of this kind. What is not there is no error.
pub(crate) fn of(held: Option<Held<'_>>, kind: Kind) -> Result<Option<Held<'_>>, Failure> {
    held.map(|held| held.of(kind)).transpose()
}

/// The items of a payload.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// Of bytes as they lie in a payload.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read, as it lies.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Skip so many items.
    pub(crate) fn skip_over(&mut self, count: usize) {
        for _ in 0..count {
            if self.next().is_none() {
                break;
            }
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let mut len = 0usize;
        let mut shift = 0;
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            len |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
        let (item, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(item)
    }
}

/// A value in the making; by default, an empty list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    kind: Kind,
    pub(crate) deadline: Option<u64>,
    count: usize,
    segmented: bool,
    payload: Vec<u8>,
}

impl Default for Draft {
    fn default() -> Self {
        Self::empty(Kind::List)
    }
}

impl Draft {
    /// A collection without items.
    pub(crate) fn empty(kind: Kind) -> Self {
        Self { kind, deadline: None, count: 0, segmented: false, payload: Vec::new() }
    }

    /// A collection without items that expires when another one does.
    pub(crate) fn like(held: Option<Held<'_>>, kind: Kind) -> Self {
        Self { deadline: held.and_then(|held| held.deadline), ..Self::empty(kind) }
    }

    /// A string.
    pub(crate) fn string(bytes: impl Into<Vec<u8>>, deadline: Option<u64>) -> Self {
        Self { deadline, payload: bytes.into(), ..Self::empty(Kind::String) }
    }

    /// A list of so many items whose payload says where they are.
    pub(crate) fn segmented(payload: Vec<u8>, count: usize, deadline: Option<u64>) -> Self {
        Self { kind: Kind::List, deadline, count, segmented: true, payload }
    }

    /// A collection of these items; of a hash, fields and values in turn.
    pub(crate) fn of<T: AsRef<[u8]>>(kind: Kind, items: impl IntoIterator<Item = T>) -> Self {
        let mut draft = Self::empty(kind);
        items.into_iter().for_each(|item| draft.push(item.as_ref()));
        draft
    }

    /// Add an item at the end.
    pub(crate) fn push(&mut self, item: &[u8]) {
        let mut len = item.len();
        while len >= 0x80 {
            self.payload.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.payload.push(len as u8);
        self.payload.extend_from_slice(item);
        self.count += 1;
    }

    /// Add items at the beginning, one after the other, so that the last one is the first.
    fn push_front(&mut self, items: &[&[u8]]) {
        let behind =
            Self { payload: std::mem::take(&mut self.payload), count: std::mem::take(&mut self.count), ..*self };
        items.iter().rev().for_each(|item| self.push(item));
        self.append(&behind.payload, behind.count);
    }

    /// Add items at the end as they lie in another value.
    pub(crate) fn append(&mut self, items: &[u8], count: usize) {
        self.payload.extend_from_slice(items);
        self.count += count;
    }

    /// Add items at an end, one after the other.
    pub(crate) fn extend(&mut self, items: &[&[u8]], end: End) {
        match end {
            End::Left => self.push_front(items),
            End::Right => items.iter().for_each(|item| self.push(item)),
        }
    }

    /// Take up to so many items from an end, the outermost first.
    pub(crate) fn take(&mut self, count: usize, end: End) -> Vec<Vec<u8>> {
        let count = count.min(self.count);
        let mut items = Items::of(&self.payload);
        let left = self.count - count;
        let taken: Vec<Vec<u8>>;
        match end {
            End::Left => {
                taken = items.by_ref().take(count).map(<[u8]>::to_vec).collect();
                self.payload = items.rest().to_vec();
            }
            End::Right => {
                items.skip_over(left);
                let kept = self.payload.len() - items.rest().len();
                let mut last: Vec<_> = items.map(<[u8]>::to_vec).collect();
                last.reverse();
                taken = last;
                self.payload.truncate(kept);
            }
        }
        self.count = left;
        taken
    }

    /// What kind it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether its payload says where its items are.
    pub(crate) fn is_segmented(&self) -> bool {
        self.segmented
    }

    /// Its items as they are so far.
    pub(crate) fn items(&self) -> Items<'_> {
        Items::of(&self.payload)
    }

    /// Its payload as it is so far.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// How many items it has.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether it is a collection without items, which is no value.
    pub(crate) fn is_nothing(&self) -> bool {
        self.kind != Kind::String && self.count == 0
    }

    /// The value as it lies in the map.
    pub(crate) fn seal(self) -> Vec<u8> {
        let Draft { kind, deadline, count, segmented, payload: mut raw } = self;
        if kind != Kind::String {
            raw.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        if let Some(at) = deadline {
            raw.extend_from_slice(&at.to_le_bytes());
        }
        let deadline = if deadline.is_some() { HAS_DEADLINE } else { 0 };
        raw.push(kind as u8 | deadline | if segmented { SEGMENTED } else { 0 });
        raw
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sealed_reads_back_the_same() {
        for deadline in [None, Some(u64::MAX)] {
            let string = Draft::string(b"a\0b".as_slice(), deadline).seal();
            let held = Held::read(&string).unwrap();
            assert_eq!((held.kind, held.deadline, held.payload), (Kind::String, deadline, &b"a\0b"[..]));

            let long = vec![b'x'; 70_000];
            let items = [&b""[..], b"one", &long, &long[..127], &long[..128]];
            for kind in [Kind::List, Kind::Set, Kind::Hash] {
                let mut draft = Draft::of(kind, items);
                draft.deadline = deadline;
                let sealed = draft.seal();
                let held = Held::read(&sealed).unwrap();
                assert_eq!((held.kind, held.deadline, held.count), (kind, deadline, 5));
                assert_eq!(held.items().collect::<Vec<_>>(), items);
                assert_eq!(held.draft().seal(), sealed);
            }
        }
    }

    #[test]
    fn a_value_whose_time_has_come_is_none() {
        assert!(Held::read(&Draft::string(b"a".as_slice(), Some(now())).seal()).is_none());
        assert!(Held::read(&Draft::string(b"a".as_slice(), Some(now() + 1)).seal()).is_some());
    }

    #[test]
    fn bytes_that_are_no_value_are_none() {
        for raw in [&b""[..], b"abc\x04", b"\x80", b"12\x01"] {
            assert!(Held::read(raw).is_none(), "{raw:?}");
        }
        assert_eq!(Items { rest: b"\x05ab" }.next(), None);
        assert_eq!(Items { rest: &[0xff; 30] }.next(), None);
    }
}
