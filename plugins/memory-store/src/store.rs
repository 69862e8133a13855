//! The map that all instances share, and how they change it without getting in each other's way.
//!
//! Nothing is locked: a value is read, changed, and swapped for what was read. Where another worker was faster, the change is made again,
//! from what is there then.

use std::time::Duration;

use sluice_plugin::state;

use crate::encoding::{Draft, Held, now};
use crate::failure::Failure;

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

/// A value that was read.
pub(crate) struct Copied(Vec<u8>);

impl Copied {
    /// What it says; `None` where its time has come.
    pub(crate) fn held(&self) -> Option<Held<'_>> {
        Held::read(&self.0)
    }

    /// The payload alone, without another copy.
    pub(crate) fn into_payload(mut self) -> Option<Vec<u8>> {
        let len = self.held()?.payload.len();
        self.0.truncate(len);
        Some(self.0)
    }
}

/// The value of a key.
pub(crate) fn get(key: &[u8]) -> Option<Copied> {
    state::get(key).map(Copied)
}

/// Look at the value of a key.
pub(crate) fn read<R>(key: &[u8], look: impl FnOnce(Option<Held<'_>>) -> R) -> R {
    let copied = get(key);
    look(copied.as_ref().and_then(Copied::held))
}

/// Whether there is such a key.
pub(crate) fn exists(key: &[u8]) -> bool {
    read(key, |held| held.is_some())
}

/// Change the value of a key. `change` is called again where another worker was faster; only what it says last is done.
pub(crate) fn update<R>(
    key: &[u8],
    mut change: impl FnMut(Option<Held<'_>>) -> Result<(Edit, R), Failure>,
) -> Result<R, Failure> {
    loop {
        let old = get(key);
        let (edit, result) = change(old.as_ref().and_then(Copied::held))?;
        let expected = old.as_ref().map(|old| old.0.as_slice());
        let done = match edit {
            Edit::Keep => true,
            Edit::Put(draft) if !draft.is_nothing() => match time_left(draft.deadline) {
                Some(ttl) => state::compare_and_swap(key, expected, Some(&draft.seal()), ttl)?,
                None => remove(key, expected)?,
            },
            Edit::Remove | Edit::Put(_) => remove(key, expected)?,
        };
        if done {
            return Ok(result);
        }
    }
}

/// Set a key, whatever it holds.
pub(crate) fn put(key: &[u8], draft: Draft) -> Result<(), Failure> {
    match time_left(draft.deadline) {
        Some(ttl) if !draft.is_nothing() => state::set(key, &draft.seal(), ttl)?,
        _ => {
            state::delete(key);
        }
    }
    Ok(())
}

/// Remove a key; says whether it was there.
pub(crate) fn delete(key: &[u8]) -> bool {
    exists(key) && state::delete(key)
}

fn remove(key: &[u8], expected: Option<&[u8]>) -> Result<bool, Failure> {
    match expected {
        Some(_) => Ok(state::compare_and_swap(key, expected, None, None)?),
        None => Ok(true),
    }
}

/// How long the map is to keep a value: for ever, or for a time. `None` where that time is over.
fn time_left(deadline: Option<u64>) -> Option<Option<Duration>> {
    match deadline {
        None => Some(None),
        Some(at) => at.checked_sub(now()).filter(|left| *left > 0).map(|left| Some(Duration::from_millis(left))),
    }
}

/// The keys that begin with `prefix` and sort after `after`, in byte order. Keys that come or go meanwhile may be among them.
pub(crate) fn keys(prefix: &[u8], after: Option<Vec<u8>>) -> impl Iterator<Item = Vec<u8>> + use<'_> {
    let mut last = after;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let page = state::keys(prefix, last.as_deref(), PAGE);
        ended = page.len() < PAGE as usize;
        last = page.last().cloned();
        Some(page)
    })
    .flatten()
}
