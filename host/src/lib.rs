//! Sluice.

pub mod resp;
pub mod topology;
