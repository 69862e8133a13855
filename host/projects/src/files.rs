//! The files that a project is made of, embedded, and how they are written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::output::write_if_changed;

/// A file that goes into a project.
pub(crate) struct File {
    /// Where, relative to the directory that it is written to.
    pub(crate) path: &'static str,
    /// What it holds.
    pub(crate) text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What keeps a template from being taken for what it will be, such as a manifest by cargo.
const SUFFIX: &str = ".in";

/// Writes files below a directory, each with its text changed by `fill`.
pub(crate) fn write(directory: &Path, files: &[File], fill: impl Fn(&str) -> String) -> Result<()> {
    for File { path, text } in files {
        let path = directory.join(path.strip_suffix(SUFFIX).unwrap_or(path));
        let failed = || format!("cannot write {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(directory)).with_context(failed)?;
        write_if_changed(&path, fill(text).as_bytes())?;
    }
    Ok(())
}
