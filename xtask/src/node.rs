//! A Node with the `redis` and `ioredis` clients, for the tests that speak as Node programs do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{apt, process};

/// The files that say which clients, pinned with all that they depend on.
const PINS: [&str; 2] = ["package.json", "package-lock.json"];

/// Where they are in the repository, beside the scripts that use them.
const SCRIPTS: &str = "tests/tests/e2e/node";

/// See that the clients are there, and give the directory that `NODE_PATH` must name.
pub(crate) fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.target.join("node");
    let modules = directory.join("node_modules");
    let pins = workspace.root.join(SCRIPTS);
    if modules.is_dir() && PINS.iter().all(|file| same(&pins.join(file), &directory.join(file))) {
        return Ok(modules);
    }
    if !process::is_there("node") || !process::is_there("npm") {
        apt::install(&["nodejs", "npm"])?;
    }
    eprintln!("xtask: installing the clients for Node");
    fs::create_dir_all(&directory)?;
    let [manifest, lock] = PINS;
    fs::copy(pins.join(manifest), directory.join(manifest))?;
    fs::copy(pins.join(lock), directory.join(lock))?;
    // Nothing of a package runs at its installation.
    process::output(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&directory),
    )
    .inspect_err(|_| {
        // What is half there must not pass for installed the next time; an error of this is not worth more than the first one.
        let _ = fs::remove_dir_all(&modules);
    })
    .context("the tests need the Node clients that tests/tests/e2e/node/package.json names")?;
    Ok(modules)
}

fn same(ours: &Path, installed: &Path) -> bool {
    matches!((fs::read(ours), fs::read(installed)), (Ok(ours), Ok(installed)) if ours == installed)
}
