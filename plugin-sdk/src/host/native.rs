//! The host of a native test: one world a thread, that [`testing`](crate::testing) resets, sets up and looks into.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::log::Level;
use crate::metrics::Kind;
use crate::sessions::Session;

/// What the host holds.
pub(crate) struct World {
    pub(crate) log: Vec<(Level, String)>,
    pub(crate) log_level: Level,
    pub(crate) series: Vec<Series>,
    /// What was said of names of series.
    pub(crate) help: HashMap<String, String>,
    pub(crate) sessions: HashMap<u64, Session>,
    pub(crate) state: BTreeMap<Vec<u8>, Entry>,
    /// In bytes of keys and values.
    pub(crate) state_limit: usize,
    /// Since 1970-01-01 UTC. It stands still unless it is moved.
    pub(crate) now: Duration,
    pub(crate) random: u64,
}

/// A series of metrics: its labels are sorted, so that the same ones are equal.
pub(crate) struct Series {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) values: Vec<f64>,
}

/// A value of the state, and when it expires.
pub(crate) struct Entry {
    value: Vec<u8>,
    expires: Option<Duration>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            log: Vec::new(),
            log_level: Level::Trace,
            series: Vec::new(),
            help: HashMap::new(),
            sessions: HashMap::new(),
            state: BTreeMap::new(),
            state_limit: 1 << 20,
            now: Duration::from_secs(1_700_000_000),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// Do something with the world of this thread. Not to be nested.
pub(crate) fn world<R>(of: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(of)
}

pub(crate) mod log {
    use super::{Level, world};

    pub(crate) fn enabled(level: Level) -> bool {
        world(|world| level <= world.log_level)
    }

    pub(crate) fn write(level: Level, message: &str) {
        world(|world| {
            if level <= world.log_level {
                world.log.push((level, message.to_owned()));
            }
        });
    }
}

pub(crate) mod metrics {
    use super::{Kind, Series, world};
    use crate::metrics::Refusal;

    fn valid(name: &str) -> bool {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    pub(crate) fn register(kind: Kind, name: &str, labels: &[(&str, &str)]) -> Result<u32, Refusal> {
        let names = [name].into_iter().chain(labels.iter().map(|(name, _)| *name));
        if let Some(bad) = names
            .into_iter()
            .find(|name| !valid(name))
            .or_else(|| labels.iter().map(|(name, _)| *name).find(|name| *name == "plugin"))
        {
            return Err(Refusal::Invalid(bad.to_owned()));
        }
        let mut labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        world(|world| {
            if world.series.iter().any(|series| series.name == name && series.kind != kind) {
                return Err(Refusal::Invalid(name.to_owned()));
            }
            let known = world.series.iter().position(|series| series.name == name && series.labels == labels);
            Ok(known.unwrap_or_else(|| {
                world.series.push(Series { kind, name: name.to_owned(), labels, values: Vec::new() });
                world.series.len() - 1
            }) as u32)
        })
    }

    fn change(kind: Kind, series: u32, change: impl FnOnce(&mut Vec<f64>)) {
        world(|world| {
            if let Some(series) = world.series.get_mut(series as usize).filter(|series| series.kind == kind) {
                change(&mut series.values);
            }
        });
    }

    pub(crate) fn add(series: u32, amount: u64) {
        change(Kind::Counter, series, |values| *values = vec![values.first().unwrap_or(&0.0) + amount as f64]);
    }

    pub(crate) fn set(series: u32, value: f64) {
        change(Kind::Gauge, series, |values| *values = vec![value]);
    }

    pub(crate) fn explain(name: &str, help: &str) {
        if valid(name) {
            world(|world| world.help.insert(name.to_owned(), help.to_owned()));
        }
    }

    pub(crate) fn observe(series: u32, value: f64) {
        change(Kind::Histogram, series, |values| values.push(value));
    }
}

pub(crate) mod commands {
    use crate::command::Entry;

    pub(crate) fn table() -> Vec<Entry> {
        let entry = |command: &sluice_commands::Command| Entry {
            name: command.name().to_owned(),
            categories: command.categories().map(str::to_owned).collect(),
            keyed: command.is_keyed(),
        };
        sluice_commands::table().commands().iter().map(entry).collect()
    }
}

pub(crate) mod clock {
    use super::world;

    pub(crate) fn unix_ms() -> u64 {
        world(|world| world.now.as_millis() as u64)
    }

    pub(crate) fn monotonic_ns() -> u64 {
        world(|world| world.now.as_nanos() as u64)
    }
}

pub(crate) mod random {
    use super::world;

    /// Splitmix64, from a fixed seed: a test sees the same numbers each time.
    pub(crate) fn bits() -> u64 {
        world(|world| {
            world.random = world.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = world.random;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ (bits >> 31)
        })
    }

    pub(crate) fn bytes(count: u32) -> Vec<u8> {
        (0..count.min(65_536)).map(|_| bits() as u8).collect()
    }
}

pub(crate) mod sessions {
    use super::{Session, world};

    pub(crate) fn get(id: u64) -> Option<Session> {
        world(|world| world.sessions.get(&id).cloned())
    }
}

pub(crate) mod state {
    use std::time::Duration;

    use super::{Entry, World, world};
    use crate::state::{Refusal, Result};

    impl World {
        fn live(&mut self) -> &mut std::collections::BTreeMap<Vec<u8>, Entry> {
            let now = self.now;
            self.state.retain(|_, entry| entry.expires.is_none_or(|expires| expires > now));
            &mut self.state
        }

        fn put(&mut self, key: &[u8], value: &[u8], expires: Option<Duration>) -> Result<()> {
            let others = self.live().iter().filter(|(other, _)| *other != key);
            let size: usize = others.map(|(key, entry)| key.len() + entry.value.len()).sum();
            if size + key.len() + value.len() > self.state_limit {
                return Err(Refusal::Full);
            }
            self.state.insert(key.to_vec(), Entry { value: value.to_vec(), expires });
            Ok(())
        }

        fn expiry(&self, ttl_ms: Option<u64>) -> Option<Duration> {
            ttl_ms.map(|ttl| self.now + Duration::from_millis(ttl))
        }
    }

    pub(crate) fn get(key: &[u8]) -> Option<Vec<u8>> {
        world(|world| world.live().get(key).map(|entry| entry.value.clone()))
    }

    pub(crate) fn expires_in(key: &[u8]) -> Option<u64> {
        world(|world| {
            let expires = world.live().get(key)?.expires?;
            Some((expires - world.now).as_millis() as u64)
        })
    }

    pub(crate) fn set(key: &[u8], value: &[u8], ttl_ms: Option<u64>) -> Result<()> {
        world(|world| world.put(key, value, world.expiry(ttl_ms)))
    }

    pub(crate) fn delete(key: &[u8]) -> bool {
        world(|world| world.live().remove(key).is_some())
    }

    pub(crate) fn compare_and_swap(
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        ttl_ms: Option<u64>,
    ) -> Result<bool> {
        world(|world| {
            if world.live().get(key).map(|entry| entry.value.as_slice()) != expected {
                return Ok(false);
            }
            match value {
                Some(value) => world.put(key, value, world.expiry(ttl_ms))?,
                None => drop(world.state.remove(key)),
            }
            Ok(true)
        })
    }

    pub(crate) fn increment(key: &[u8], by: i64, ttl_ms: Option<u64>) -> Result<i64> {
        world(|world| {
            let (old, expires) = match world.live().get(key) {
                Some(entry) => {
                    (std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok()), entry.expires)
                }
                None => (Some(0i64), world.expiry(ttl_ms)),
            };
            let sum = old.and_then(|old| old.checked_add(by)).ok_or(Refusal::NotANumber)?;
            world.put(key, sum.to_string().as_bytes(), expires)?;
            Ok(sum)
        })
    }

    pub(crate) fn keys(prefix: &[u8], after: Option<&[u8]>, limit: u32) -> Vec<Vec<u8>> {
        world(|world| {
            let keys = world
                .live()
                .keys()
                .filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after));
            keys.take(limit.min(1000) as usize).cloned().collect()
        })
    }
}
