//! Log lines. Always granted; lines beyond the plugin's rate are dropped and counted by the host.
//!
//! ```
//! use sluice_plugin::log;
//!
//! log::warn!("{} keys in one request", 100_000);
//! ```
//!
//! The arguments of a line are only formatted where lines of its level are kept at the moment.

use std::fmt;

use crate::host;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is about to fail, or is not as it should be.
    Warn,
    /// What an operator wants to know in normal running.
    Info,
    /// What helps to find an error.
    Debug,
    /// Everything.
    Trace,
}

/// Whether lines of this level are kept at the moment.
#[must_use]
pub fn enabled(level: Level) -> bool {
    host::log::enabled(level)
}

/// Write a line. The host adds the time, the plugin and its place in the chain, and cuts the line at 4 KiB.
pub fn write(level: Level, message: &str) {
    host::log::write(level, message);
}

/// Format a line and write it, if its level is kept.
pub fn write_args(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        match message.as_str() {
            Some(message) => write(level, message),
            None => write(level, &message.to_string()),
        }
    }
}

macro_rules! level_macro {
    ($d:tt $(#[$doc:meta])* $name:ident $exported:ident $level:ident) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $exported {
            ($d($d arg:tt)*) => { $crate::log::write_args($crate::log::Level::$level, ::core::format_args!($d($d arg)*)) };
        }
        pub use $exported as $name;
    };
}

level_macro!($ /** Write a line at level error. */ error __log_error Error);
level_macro!($ /** Write a line at level warn. */ warn __log_warn Warn);
level_macro!($ /** Write a line at level info. */ info __log_info Info);
level_macro!($ /** Write a line at level debug. */ debug __log_debug Debug);
level_macro!($ /** Write a line at level trace. */ trace __log_trace Trace);
