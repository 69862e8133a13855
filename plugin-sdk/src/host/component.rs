//! The imports of a component. What a transform does not call is not linked, so its component does not import it.

use crate::__glue::bindings::sluice::transform as wit;

pub(crate) mod log {
    use super::wit::log;
    use crate::log::Level;

    fn level(level: Level) -> log::Level {
        match level {
            Level::Error => log::Level::Error,
            Level::Warn => log::Level::Warn,
            Level::Info => log::Level::Info,
            Level::Debug => log::Level::Debug,
            Level::Trace => log::Level::Trace,
        }
    }

    pub(crate) fn enabled(of: Level) -> bool {
        log::enabled(level(of))
    }

    pub(crate) fn write(of: Level, message: &str) {
        log::write(level(of), message);
    }
}

pub(crate) mod metrics {
    use super::wit::metrics;
    use crate::metrics::{Kind, Refusal};

    pub(crate) fn register(kind: Kind, name: &str, labels: &[(&str, &str)]) -> Result<u32, Refusal> {
        let labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let series = match kind {
            Kind::Counter => metrics::counter(name, &labels),
            Kind::Gauge => metrics::gauge(name, &labels),
            Kind::Histogram => metrics::histogram(name, &labels),
        };
        series.map_err(|refusal| match refusal {
            metrics::Refusal::Invalid(name) => Refusal::Invalid(name),
            metrics::Refusal::Full => Refusal::Full,
        })
    }

    pub(crate) use metrics::{add, explain, observe, set};
}

pub(crate) mod commands {
    use crate::command::Entry;

    pub(crate) fn table() -> Vec<Entry> {
        let entry = |command: super::wit::commands::Command| Entry {
            name: command.name,
            categories: command.categories,
            keyed: command.keyed,
        };
        super::wit::commands::table().into_iter().map(entry).collect()
    }
}

pub(crate) use wit::{clock, random};

pub(crate) mod sessions {
    use crate::sessions::Session;

    pub(crate) fn get(id: u64) -> Option<Session> {
        super::wit::sessions::get(id).map(|session| Session {
            peer: session.peer,
            source: session.source,
            user: session.user,
            tls_subject: session.tls_subject,
            database: session.database,
            protocol: session.protocol,
        })
    }
}

pub(crate) mod state {
    use super::wit::state;
    use crate::state::{Refusal, Result};

    fn refusal(refusal: state::Refusal) -> Refusal {
        match refusal {
            state::Refusal::Full => Refusal::Full,
            state::Refusal::NotANumber => Refusal::NotANumber,
        }
    }

    pub(crate) use state::{delete, expires_in, get, keys};

    pub(crate) fn set(key: &[u8], value: &[u8], ttl_ms: Option<u64>) -> Result<()> {
        state::set(key, value, ttl_ms).map_err(refusal)
    }

    pub(crate) fn compare_and_swap(
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        ttl_ms: Option<u64>,
    ) -> Result<bool> {
        state::compare_and_swap(key, expected, value, ttl_ms).map_err(refusal)
    }

    pub(crate) fn increment(key: &[u8], by: i64, ttl_ms: Option<u64>) -> Result<i64> {
        state::increment(key, by, ttl_ms).map_err(refusal)
    }
}
