//! The promises of the sandbox, kept by real components.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capabilities;
mod columns;
mod exports;
mod faults;
pub(crate) mod guest;
mod harness;
mod imports;
mod load;
mod rows;
mod versions;
