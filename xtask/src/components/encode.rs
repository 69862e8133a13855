//! From a core module with an embedded interface to a component.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// The component of the core module in this file, validated.
pub(super) fn component(module: &Path) -> Result<Vec<u8>> {
    let module = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}
