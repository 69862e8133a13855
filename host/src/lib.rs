//! Sluice.

pub mod plugin;
pub mod resp;
