//! Files that others watch, or build from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file, whole or not at all; one that holds the same already is left alone, so that
/// nothing that watches it wakes up. Says whether it was written.
///
/// # Errors
///
/// It cannot be written.
pub fn write_if_changed(path: &Path, contents: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|existing| existing == contents) {
        return Ok(false);
    }
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&draft, contents).with_context(|| format!("cannot write {}", draft.display()))?;
    fs::rename(&draft, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}
