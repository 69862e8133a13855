//! Metrics: exported as `sluice_plugin_<name>`, with a label `plugin`. Always granted; the number of series is bounded by the host.
//!
//! Register a series once, in `new`, and keep its handle; a call costs some 40 ns, so count in a field and report once a batch where that
//! matters.
//!
//! ```
//! use sluice_plugin::metrics::Counter;
//!
//! let denied = Counter::new("denied", &[("command", "flushall")])?;
//! sluice_plugin::metrics::explain("denied", "Requests that were denied, by command.");
//! denied.add(1);
//! # Ok::<(), sluice_plugin::metrics::Refusal>(())
//! ```

use std::fmt;

use crate::host;

/// Why a series was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A name or a label that is not `[a-zA-Z_][a-zA-Z0-9_]*`, a label called `plugin`, or a name registered as another kind.
    Invalid(String),
    /// The plugin has as many series as it may have.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Invalid(name) => write!(f, "`{name}` is not a valid name here"),
            Refusal::Full => f.write_str("the plugin has as many series as it may have"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        format!("a metric was refused: {refusal}")
    }
}

/// What a series measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Say what the series of a name measure, in one sentence: `/metrics` shows it. Before or after they are registered, and as often as one
/// likes: the last one counts.
///
/// The host cuts it at 512 bytes, and ignores it for a name that is not a valid one.
pub fn explain(name: &str, help: &str) {
    host::metrics::explain(name, help);
}

macro_rules! series {
    ($(#[$doc:meta])* $name:ident, $(#[$method_doc:meta])* $method:ident($amount:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(u32);

        impl $name {
            /// Register it. The same name and labels give the same series again.
            ///
            /// # Errors
            ///
            /// See [`Refusal`].
            pub fn new(name: &str, labels: &[(&str, &str)]) -> Result<Self, Refusal> {
                host::metrics::register(Kind::$name, name, labels).map(Self)
            }

            $(#[$method_doc])*
            pub fn $method(self, amount: $amount) {
                host::metrics::$method(self.0, amount);
            }
        }
    };
}

series! {
    /// It only rises.
    Counter,
    /// Add to it.
    add(u64)
}
series! {
    /// It holds the last value.
    Gauge,
    /// Give it another value.
    set(f64)
}
series! {
    /// It counts values by their size.
    Histogram,
    /// Record a value.
    observe(f64)
}
