//! Projects of transforms, as their authors have them: made outside of this repository, built with the tools of their language, tested, run.
//!
//! Apart from the other end-to-end tests, for the tools of some languages need the whole machine for some seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

mod desk;
mod examples;
mod guide;
mod helpers;
mod starters;
