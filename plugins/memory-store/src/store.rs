//! The map that all instances share, and how they change it without getting in each other's way.
//!
//! Nothing is locked: a value is read, changed, and swapped for what was read. Where another worker was faster, the change is made again,
//! from what is there then.

use std::time::Duration;

use sluice_plugin::state;

use crate::encoding::{Draft, Held, Kind, now};
use crate::failure::Failure;
use crate::segments::{self, Long, Segment, Written};

/// The most keys that the host lists at a time.
const PAGE: u32 = 1000;

/// What becomes of a value.
pub(crate) enum Edit {
    /// It stays as it is.
    Keep,
    /// It is removed.
    Remove,
    /// This takes its place.
    Put(Draft),
}

/// What the map's keys begin with: a key of a client, or the name of a segment of a long list.
const KEYS: u8 = b'k';
pub(crate) const SEGMENTS: u8 = b's';

/// The key that a client's key has in the map.
pub(crate) fn place(key: &[u8]) -> Vec<u8> {
    [&[KEYS], key].concat()
}

/// A value that was read.
pub(crate) struct Copied {
    stored: Vec<u8>,
    /// A long list, put together from its segments.
    whole: Option<Vec<u8>>,
    segments: Vec<Segment>,
}

impl Copied {
    /// What it says; `None` where its time has come.
    pub(crate) fn held(&self) -> Option<Held<'_>> {
        // One that should be put together and is not has lost a segment.
        Held::read(self.whole.as_ref().unwrap_or(&self.stored)).filter(|held| !held.segmented)
    }

    /// The payload alone, without another copy.
    pub(crate) fn into_payload(mut self) -> Option<Vec<u8>> {
        let len = self.held()?.payload.len();
        self.stored.truncate(len);
        Some(self.whole.unwrap_or(self.stored))
    }
}

/// The value of a key.
pub(crate) fn get(key: &[u8]) -> Option<Copied> {
    let place = place(key);
    let mut before = Vec::new();
    loop {
        let stored = state::get(&place)?;
        let Some(long) = Held::read(&stored).as_ref().and_then(Long::read) else {
            return Some(Copied { stored, whole: None, segments: Vec::new() });
        };
        let whole = long.whole().map(Draft::seal);
        // A value that misses a segment is an old one. One that is still there then is broken, which nothing that is done here brings about.
        if whole.is_some() || stored == before {
            return Some(Copied { stored, whole, segments: long.segments().to_vec() });
        }
        before = stored;
    }
}

/// Look at the value of a key.
pub(crate) fn read<R>(key: &[u8], look: impl FnOnce(Option<Held<'_>>) -> R) -> R {
    let copied = get(key);
    look(copied.as_ref().and_then(Copied::held))
}

/// Look at all but the payload: a long list is not put together.
pub(crate) fn peek<R>(key: &[u8], look: impl FnOnce(Option<Held<'_>>) -> R) -> R {
    let stored = state::get(&place(key));
    look(stored.as_deref().and_then(Held::read))
}

/// Whether there is such a key.
pub(crate) fn exists(key: &[u8]) -> bool {
    peek(key, |held| held.is_some())
}

/// Change the value of a key. `change` is called again where another worker was faster; only what it says last is done.
pub(crate) fn update<R>(
    key: &[u8],
    mut change: impl FnMut(Option<Held<'_>>) -> Result<(Edit, R), Failure>,
) -> Result<R, Failure> {
    let place = place(key);
    loop {
        let old = get(key);
        let (edit, result) = change(old.as_ref().and_then(Copied::held))?;
        let draft = match edit {
            Edit::Keep => return Ok(result),
            Edit::Remove => None,
            Edit::Put(draft) => Some(draft).filter(|draft| !draft.is_nothing()),
        };
        let mut written = Written::default();
        let (new, ttl) = match draft.map(|draft| (time_left(draft.deadline), draft)) {
            Some((Some(ttl), draft)) => (Some(segments::scatter(draft, &mut written)?.seal()), ttl),
            _ => (None, None),
        };
        let expected = old.as_ref().map(|old| old.stored.as_slice());
        let nothing_to_do = new.is_none() && expected.is_none();
        if nothing_to_do || state::compare_and_swap(&place, expected, new.as_deref(), ttl)? {
            written.keep();
            old.into_iter().flat_map(|old| old.segments).for_each(Segment::remove);
            return Ok(result);
        }
    }
}

/// Set a key, whatever it holds.
pub(crate) fn put(key: &[u8], draft: Draft) -> Result<(), Failure> {
    let plain = draft.kind() == Kind::String && !peek(key, |held| held.is_some_and(|held| held.segmented));
    match time_left(draft.deadline) {
        Some(ttl) if plain => Ok(state::set(&place(key), &draft.seal(), ttl)?),
        // Others have segments to be written, or to be removed.
        _ => update(key, |_| Ok((Edit::Put(draft.clone()), ()))),
    }
}

/// Remove a key; says whether it was there.
pub(crate) fn delete(key: &[u8]) -> bool {
    // Nothing is refused where nothing is added.
    update(key, |held| Ok((Edit::Remove, held.is_some()))).unwrap_or(false)
}

/// Remove everything, without a look at what it is.
///
/// The segments that there are at first are removed last: no value that names one of them is left by then. Those that are written meanwhile
/// belong to lists that come after this.
pub(crate) fn clear() {
    let segments: Vec<_> = places(&[SEGMENTS], None).collect();
    for place in places(&[KEYS], None).chain(segments) {
        state::delete(&place);
    }
}

/// How long the map is to keep a value: for ever, or for a time. `None` where that time is over.
pub(crate) fn time_left(deadline: Option<u64>) -> Option<Option<Duration>> {
    match deadline {
        None => Some(None),
        Some(at) => at.checked_sub(now()).filter(|left| *left > 0).map(|left| Some(Duration::from_millis(left))),
    }
}

/// The keys that begin with `prefix` and sort after `after`, in byte order. Keys that come or go meanwhile may be among them.
pub(crate) fn keys(prefix: &[u8], after: Option<Vec<u8>>) -> impl Iterator<Item = Vec<u8>> + use<> {
    places(&place(prefix), after.map(|after| place(&after))).map(|mut place| place.split_off(1))
}

/// The same, of the map's own keys.
fn places(prefix: &[u8], after: Option<Vec<u8>>) -> impl Iterator<Item = Vec<u8>> + use<> {
    let prefix = prefix.to_vec();
    let mut last = after;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let page = state::keys(&prefix, last.as_deref(), PAGE);
        ended = page.len() < PAGE as usize;
        last = page.last().cloned();
        Some(page)
    })
    .flatten()
}
