//! Sluice: a programmable proxy for Redis and Valkey.

pub mod admin;
pub mod bell;
pub mod buffer;
pub mod chain;
pub mod ids;
pub mod logging;
pub mod plugin;
pub mod resp;
pub mod topology;
pub mod upstream;
pub mod worker;
