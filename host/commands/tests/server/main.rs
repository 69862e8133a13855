//! The table and the search for keys against real servers, which know best.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, missing_docs)]

mod keys;
mod names;
mod redis;
mod rows;
