//! From a core module with an embedded interface to a component.

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// The component of a core module, validated.
///
/// # Errors
///
/// The module does not export what its interface says, imports what it does not say, or has none.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("the module cannot be made a component")
}
