//! `log`: lines of a plugin in the host's log, at a bounded rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use ::metrics::Counter;
use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::log;
use super::interface::Interface;
use crate::plugin::site::Site;
use crate::plugin::versions::V0_1;

pub(super) const INTERFACE: Interface =
    Interface { name: "log", grant: None, functions: &[("enabled", V0_1), ("write", V0_1)] };

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(to: &mut LinkerInstance<'_, T>, of: fn(&mut T) -> &mut Log) -> wasmtime::Result<()> {
    log::add_to_linker_instance::<_, HasSelf<Log>>(to, of)
}

/// The target of a plugin's lines, for filters such as `sluice::plugin::log=debug`.
pub const TARGET: &str = "sluice::plugin::log";

/// The most bytes of a line that are kept.
const LINE: usize = 4 << 10;

/// How many lines the instances of a plugin may still write in this second.
pub(super) struct Budget {
    plugin: String,
    per_second: u32,
    start: Instant,
    second: AtomicU64,
    used: AtomicU32,
    dropped: AtomicU64,
    dropped_total: Counter,
}

impl Budget {
    pub(super) fn new(plugin: &str, per_second: u32) -> Self {
        Self {
            plugin: plugin.to_owned(),
            per_second,
            start: Instant::now(),
            second: AtomicU64::new(0),
            used: AtomicU32::new(0),
            dropped: AtomicU64::new(0),
            dropped_total: ::metrics::counter!(
                "sluice_transform_log_dropped_total",
                "plugin" => plugin.to_owned()
            ),
        }
    }

    /// Takes a line; gives how many were dropped since the last one, or `None` if this one is to be
    /// dropped too.
    ///
    /// Instances on several workers may race around the turn of a second, which costs or gains a
    /// line or two.
    fn take(&self, now: Instant) -> Option<u64> {
        let second = now.saturating_duration_since(self.start).as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.used.store(0, Ordering::Relaxed);
        }
        if self.used.fetch_add(1, Ordering::Relaxed) < self.per_second {
            return Some(self.dropped.swap(0, Ordering::Relaxed));
        }
        // Kept from ever wrapping around within a second.
        self.used.store(self.per_second, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.dropped_total.increment(1);
        None
    }
}

pub(super) struct Log {
    budget: Arc<Budget>,
    site: Arc<Site>,
}

impl Log {
    pub(super) fn new(budget: Arc<Budget>, site: Arc<Site>) -> Self {
        Self { budget, site }
    }
}

/// tracing wants its levels as constants, so the choice is made by a macro.
macro_rules! at {
    ($level:expr, $macro:ident!($($argument:tt)*)) => {
        match $level {
            log::Level::Error => tracing::$macro!(target: TARGET, tracing::Level::ERROR, $($argument)*),
            log::Level::Warn => tracing::$macro!(target: TARGET, tracing::Level::WARN, $($argument)*),
            log::Level::Info => tracing::$macro!(target: TARGET, tracing::Level::INFO, $($argument)*),
            log::Level::Debug => tracing::$macro!(target: TARGET, tracing::Level::DEBUG, $($argument)*),
            log::Level::Trace => tracing::$macro!(target: TARGET, tracing::Level::TRACE, $($argument)*),
        }
    };
}

impl log::Host for Log {
    fn enabled(&mut self, level: log::Level) -> bool {
        at!(level, enabled!())
    }

    fn write(&mut self, level: log::Level, message: String) {
        if !self.enabled(level) {
            return;
        }
        let budget = &*self.budget;
        let Some(dropped) = budget.take(Instant::now()) else {
            return;
        };
        let plugin = budget.plugin.as_str();
        let Site { source, position } = &*self.site;
        if dropped > 0 {
            tracing::warn!(target: TARGET, plugin, source, position, dropped, "lines of the plugin beyond its rate were dropped");
        }
        let message = one_line(&message);
        at!(level, event!(plugin, source, position, "{message}"));
    }
}

/// At most [`LINE`] bytes, and no control characters: a plugin cannot write what looks like a line
/// of the host.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len().min(LINE));
    for character in message.chars() {
        if line.len() + character.len_utf8() > LINE {
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_counted() {
        let budget = Budget::new("p", 3);
        let now = budget.start;
        let taken: Vec<_> = (0..5).map(|_| budget.take(now)).collect();
        assert_eq!(taken, [Some(0), Some(0), Some(0), None, None]);
        let next = now + Duration::from_secs(1);
        assert_eq!(budget.take(next), Some(2));
        assert_eq!(budget.take(next), Some(0));
    }

    #[test]
    fn a_line_is_cut_and_cannot_break_out() {
        assert_eq!(one_line("a\nb\x1b[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(one_line(&"x".repeat(10_000)).len(), LINE);
        assert!(one_line(&"é".repeat(10_000)).len() <= LINE);
    }
}
