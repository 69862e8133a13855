//! Case files: what a component does with requests and responses, without any server.
//!
//! A file goes through two stages: YAML (the room `yaml`) → [`Cases`], in which everything that can
//! be checked without the component has been. [`Case::run`] then has a new instance of the
//! component do what the case says, by the very [`Chain`](crate::chain::Chain) that carries
//! requests in production, and gives an [`Outcome`]. What a case file may hold is in
//! `docs/cases.md`.
//!
//! | file | idea |
//! | --- | --- |
//! | `file` | the file |
//! | `defaults` | what cases have that say nothing of it |
//! | `case` | a case |
//! | `exchange` | a request and what is to become of it |
//! | `verdict`, `fault`, `reply`, `words`, `lines`, `series` | the things that are expected, in the notation of the file: read and shown |
//! | `notation` | replies in the notation of the file |
//! | `scalar` | text in that notation |
//! | `run` | a case from its configuration to its metrics |
//! | `stage` | what a component is made to believe in: a chain and a server |
//! | `sessions` | the sessions that it is made to believe in |
//! | `notes` | what crosses meanwhile |
//! | `judge` | what was expected, held against what has come |
//! | `outcome` | what was not as expected |

mod case;
mod defaults;
mod exchange;
mod fault;
mod file;
mod judge;
mod lines;
mod notation;
mod notes;
mod outcome;
mod reply;
mod run;
mod scalar;
mod series;
mod sessions;
mod stage;
mod verdict;
mod words;

#[cfg(test)]
mod tests;

pub use case::Case;
pub use file::Cases;
pub use outcome::{Difference, Outcome};
