//! Sluice.

pub mod admin;
pub mod logging;
pub mod resp;
pub mod topology;
