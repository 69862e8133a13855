//! A map from bytes to bytes that all instances of a transform at one place in a chain share, on
//! every worker.
//!
//! It is ordered, so that keys can be listed by prefix and in pages, and bounded in bytes: an entry
//! is charged its key, its value and [`OVERHEAD`]. A write that would exceed the bound is refused
//! and changes nothing. Expired entries are invisible at once; a write clears some away, and all of
//! them before it would be refused.
//!
//! When a transform is replaced while it runs, the new one has the same entries
//! ([`StateMap::heir`]), under a bound of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What an entry costs beyond its key and value, in bytes: its share of the map's nodes and of the
/// allocator.
pub(super) const OVERHEAD: usize = 128;

/// The most keys that one listing gives.
const LISTED: usize = 1000;

/// Expired entries that a write clears away.
const SWEPT: usize = 4;

/// Why a write was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it would exceed the limit `state`")]
    Full,
    #[error("the value is not a decimal 64-bit integer, or would leave its range")]
    NotANumber,
}

/// The map.
#[derive(Debug)]
pub(super) struct StateMap {
    limit: usize,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<Arc<[u8]>, Entry>,
    expiries: BTreeSet<(Instant, Arc<[u8]>)>,
    used: usize,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    expires: Option<Instant>,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl StateMap {
    /// An empty map of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inner: Arc::default() }
    }

    /// The same entries under another bound: what either writes the other reads. Where there is
    /// more than `limit` bytes already, nothing goes, and nothing that would add to it is taken
    /// until there is less.
    pub(super) fn heir(&self, limit: usize) -> Self {
        Self { limit, inner: Arc::clone(&self.inner) }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let inner = self.lock();
        inner.live(key, Instant::now()).map(|entry| entry.value.clone())
    }

    /// Milliseconds until a key expires, rounded up.
    pub(super) fn expires_in(&self, key: &[u8]) -> Option<u64> {
        let now = Instant::now();
        let inner = self.lock();
        let left = inner.live(key, now)?.expires?.saturating_duration_since(now);
        u64::try_from(left.as_nanos().div_ceil(1_000_000)).ok()
    }

    pub(super) fn set(&self, key: &[u8], value: Vec<u8>, ttl_ms: Option<u64>) -> Result<(), Refusal> {
        let now = Instant::now();
        self.lock().put(key, value, expiry(now, ttl_ms), now, self.limit)
    }

    pub(super) fn delete(&self, key: &[u8]) -> bool {
        let now = Instant::now();
        self.lock().remove(key).is_some_and(|entry| entry.is_live(now))
    }

    pub(super) fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<Vec<u8>>,
        ttl_ms: Option<u64>,
    ) -> Result<bool, Refusal> {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.live(key, now).map(|entry| entry.value.as_slice()) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => inner.put(key, value, expiry(now, ttl_ms), now, self.limit)?,
            None => drop(inner.remove(key)),
        }
        Ok(true)
    }

    pub(super) fn increment(&self, key: &[u8], by: i64, ttl_ms: Option<u64>) -> Result<i64, Refusal> {
        let now = Instant::now();
        let mut inner = self.lock();
        let (held, expires) = match inner.live(key, now) {
            Some(entry) => (number(&entry.value).ok_or(Refusal::NotANumber)?, entry.expires),
            None => (0, expiry(now, ttl_ms)),
        };
        let sum = held.checked_add(by).ok_or(Refusal::NotANumber)?;
        inner.put(key, sum.to_string().into_bytes(), expires, now, self.limit)?;
        Ok(sum)
    }

    pub(super) fn keys(&self, prefix: &[u8], after: Option<&[u8]>, limit: u32) -> Vec<Vec<u8>> {
        let now = Instant::now();
        let inner = self.lock();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        inner
            .entries
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| entry.is_live(now))
            .take((limit as usize).min(LISTED))
            .map(|(key, _)| key.to_vec())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave the map half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn live(&self, key: &[u8], now: Instant) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    fn put(
        &mut self,
        key: &[u8],
        value: Vec<u8>,
        expires: Option<Instant>,
        now: Instant,
        limit: usize,
    ) -> Result<(), Refusal> {
        self.sweep(now, SWEPT);
        if !self.fits(key, &value, limit) {
            self.sweep(now, usize::MAX);
            if !self.fits(key, &value, limit) {
                return Err(Refusal::Full);
            }
        }
        self.remove(key);
        let key: Arc<[u8]> = key.into();
        self.used += cost(&key, &value);
        if let Some(expires) = expires {
            self.expiries.insert((expires, Arc::clone(&key)));
        }
        self.entries.insert(key, Entry { value, expires });
        Ok(())
    }

    fn fits(&self, key: &[u8], value: &[u8], limit: usize) -> bool {
        let replaced = self.entries.get(key).map_or(0, |entry| cost(key, &entry.value));
        let cost = cost(key, value);
        // What does not add to it is taken even where there is more than the limit already.
        cost <= replaced || self.used - replaced + cost <= limit
    }

    fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.used -= cost(&key, &entry.value);
        if let Some(expires) = entry.expires {
            self.expiries.remove(&(expires, key));
        }
        Some(entry)
    }

    /// Clears away up to `most` expired entries.
    fn sweep(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            match self.expiries.first() {
                Some((expires, key)) if *expires <= now => {
                    let key = Arc::clone(key);
                    self.remove(&key);
                }
                _ => break,
            }
        }
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}

/// A time to live beyond what the clock can count is for ever.
fn expiry(now: Instant, ttl_ms: Option<u64>) -> Option<Instant> {
    now.checked_add(Duration::from_millis(ttl_ms?))
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "state_test.rs"]
mod tests;
