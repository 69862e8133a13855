//! What an operator declares of a plugin: where it is, what it may use, and how much of it.

use std::path::PathBuf;
use std::time::Duration;

use super::grants::Grants;

/// A plugin as it is declared: everything that is decided before its component is read.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The name by which chains, logs and metrics call it.
    pub name: String,
    /// Where its component is.
    pub component: Component,
    /// The SHA-256 that the component must have; `None` accepts any.
    pub sha256: Option<[u8; 32]>,
    /// The host capabilities that it may import, beyond those that everyone may.
    pub grants: Grants,
    /// How much it may use.
    pub limits: Limits,
    /// What becomes of the requests of a crossing that failed. The chain applies it; the sandbox
    /// only carries it.
    pub on_fault: OnFault,
    /// Whether it may import WASI.
    pub wasi: Wasi,
}

impl Spec {
    /// A plugin from a file with no grants and the default limits.
    pub fn from_path(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            component: Component::Path(path.into()),
            sha256: None,
            grants: Grants::NONE,
            limits: Limits::default(),
            on_fault: OnFault::default(),
            wasi: Wasi::default(),
        }
    }
}

/// Where a component is found.
#[derive(Clone, Debug)]
pub enum Component {
    /// In a file.
    Path(PathBuf),
    /// In this binary: that of a standard plugin.
    Standard {
        /// The standard plugin's name.
        name: &'static str,
        /// The component; empty in a binary that was built before its plugins were.
        bytes: &'static [u8],
    },
}

/// The bounds of one instance, except where an item says that something is shared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes, summed over all linear memories and tables. Default 16 MiB.
    pub memory: usize,
    /// The time that one crossing may compute. Counted as processor time of the worker's thread, in
    /// ticks of a millisecond: a crossing is ended between `crossing` and `crossing` plus two
    /// ticks. Default 5 ms.
    pub crossing: Duration,
    /// The time that setting up an instance (instantiate and configure together) may compute.
    /// Default 1 s.
    pub setup: Duration,
    /// Bytes of the stack that wasm code may use: 64 KiB to 1 MiB. Default 512 KiB.
    pub stack: usize,
    /// Bytes that one crossing may return: what is copied out of the sandbox, and also by how much
    /// the requests that it asks for may exceed those that it was given. Default 64 MiB.
    pub output: usize,
    /// Bytes of the `state` map that all instances of a transform share. Default 1 MiB.
    pub state: usize,
    /// Log lines per second, shared by all instances of the plugin. Default 100.
    pub log_lines: u32,
    /// Metrics series, shared by all instances of the plugin. Default 100.
    pub series: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            crossing: Duration::from_millis(5),
            setup: Duration::from_secs(1),
            stack: 512 << 10,
            output: 64 << 20,
            state: 1 << 20,
            log_lines: 100,
            series: 100,
        }
    }
}

/// What becomes of the requests (or responses) of a crossing that failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnFault {
    /// They are answered with an error.
    #[default]
    Reject,
    /// They go on as if the transform were not there.
    Bypass,
    /// Their sessions are closed.
    Close,
}

/// What a component that imports `wasi:…` gets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wasi {
    /// It is refused.
    #[default]
    None,
    /// One that gives nothing away: an empty environment, and a trap for nearly everything else.
    /// Clocks and randomness are real under the grants `clock` and `random`, and give zero
    /// otherwise.
    Stub,
}
