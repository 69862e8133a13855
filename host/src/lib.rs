//! Sluice.

pub mod resp;
