//! YAML files that people write, read strictly: every key is known, and what is wrong is said with
//! its file, line and path.
//!
//! A file is read as a [`Document`]. Walking its [`node::Node`]s collects [`problem::Problems`],
//! all of which are reported at once.
//!
//! | file | idea |
//! | --- | --- |
//! | `node` | a value that knows its path, and reads itself or says what was expected |
//! | `path` | where in the file something stands |
//! | `locate` | from a path to a line and a column |
//! | `problem` | what is wrong with a file |
//! | `suggest` | "did you mean" |
//! | `units` | sizes and times |

pub(crate) mod locate;
pub(crate) mod node;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod suggest;
mod units;

use std::path::Path as FilePath;

use serde_yaml::Value;

use node::Node;
use problem::Origin;

pub use problem::DocumentError;

/// The text of a file that is to be a `what`, such as a topology.
pub(crate) fn read(file: &FilePath, what: &'static str) -> Result<String, DocumentError> {
    std::fs::read_to_string(file).map_err(|source| DocumentError::Unreadable { what, file: file.to_owned(), source })
}

/// A text as YAML, merge keys (`<<`) applied.
#[derive(Debug)]
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn parse(origin: Origin<'_>) -> Result<Self, DocumentError> {
        let parse = || -> Result<Value, serde_yaml::Error> {
            let mut value: Value = serde_yaml::from_str(origin.text)?;
            value.apply_merge()?;
            Ok(value)
        };
        parse().map(Self).map_err(|source| DocumentError::Syntax { file: origin.file.to_owned(), source })
    }

    /// The whole of it.
    pub(crate) fn top(&self) -> Node<'_> {
        Node { value: &self.0, path: path::Path::default() }
    }
}
