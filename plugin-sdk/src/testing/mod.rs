//! Testing a transform natively: the columns are built and the answers checked as the host does it, in-process.
//!
//! ```
//! use sluice_plugin::testing::{Action, Harness};
//! use sluice_plugin::{NoConfig, Request, Transform, Verdict};
//!
//! struct Lowercase;
//!
//! impl Transform for Lowercase {
//!     type Config = NoConfig;
//!
//!     fn new(_: NoConfig) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
//!         let name = request.bytes(0).unwrap_or_default().to_ascii_lowercase();
//!         verdict.rewrite().push(name).keep_from(1);
//!     }
//! }
//!
//! let mut harness = Harness::<Lowercase>::new(serde_json::json!({}))?;
//! assert_eq!(harness.request("SET a b").action, Action::rewrite("set a b"));
//! # Ok::<(), String>(())
//! ```
//!
//! The capabilities work too: what a transform writes to its [`state`](crate::state) can be read there by the test, the clock stands still
//! until [`Harness::advance`], and random numbers are the same each time. Every test thread has a world of its own.
//!
//! What the host would refuse makes the harness panic: an invalid answer is a bug of the transform.
#![allow(clippy::panic)]

mod harness;
mod judge;

pub use harness::{Harness, IntoArgs};
pub use judge::{Action, Verdict};
