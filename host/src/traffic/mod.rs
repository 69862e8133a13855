//! The traffic log: what clients asked and what they were told, a line of JSON each.
//!
//! ```text
//!  worker                                                                            one thread for each file
//!  request ─► Tap: chosen? ─► Entry, in the request's trail ─► its response ─► Line ══► Writer ─► file or stdout
//!                  └ no: nothing more                                        bounded channel
//! ```
//!
//! The turn never waits for a log: when a writer is behind, lines are dropped and counted
//! (`sluice_traffic_log_dropped_total`). What is kept of a request is bounded, and made into JSON by the writer's thread. A request
//! that is not chosen costs the choice, and a source without a log a comparison.
//!
//! Nothing that a client sends is written down unless the operator asks for it ([`Values`]), and passwords never are (`secrets`).

mod line;
mod secrets;
mod tap;
mod time;
mod writer;

use std::fmt;
use std::path::PathBuf;

pub use line::By;
pub use tap::{Entry, Tap};
pub use writer::{Log, OpenError, Writers};

use crate::plugin::CommandSet;

/// What is to be logged of a source, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the lines go. Sources that name the same file share it.
    pub destination: Destination,
    /// The share of requests that are logged, from 0 to 1.
    pub sample: f64,
    /// The commands that are logged.
    pub commands: CommandSet,
    /// How much of the arguments is written down.
    pub values: Values,
    /// How many bytes are written down of each argument, at most [`MAX_ARGUMENT`].
    pub max_argument: usize,
}

/// The most that may be asked for of an argument, in bytes. All that is written of a request's arguments is not more either.
pub const MAX_ARGUMENT: usize = 4096;

/// Where lines go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// The process's standard output.
    Stdout,
    /// A file, which is appended to and which its owner alone may read.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How much of the arguments is written down. The command's name and the size of each argument always are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Values {
    /// Nothing more.
    Redacted,
    /// The keys.
    Keys,
    /// Every argument.
    Shown,
}
