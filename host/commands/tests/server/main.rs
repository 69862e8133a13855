//! The table and the search for keys against the `redis-server` on `PATH`, which knows best.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, missing_docs)]

mod keys;
mod redis;
mod rows;
