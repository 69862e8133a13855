//! What is to be logged of a source, and where.

use std::fmt;
use std::path::PathBuf;

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

/// The most that may be asked for of an argument, in bytes. All that is written of a request's
/// arguments is not more either.
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

/// How much of the arguments is written down. The command's name and the size of each argument
/// always are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Values {
    /// Nothing more.
    Redacted,
    /// The keys.
    Keys,
    /// Every argument.
    Shown,
}
