//! What the SDK promises to the author of a transform.
#![allow(clippy::unwrap_used, clippy::panic)]

mod capabilities;
mod configuration;
mod replies;
mod responses;
mod verdicts;
