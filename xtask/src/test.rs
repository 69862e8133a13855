//! `cargo xtask test`: get what the tests need, and run them all.

use std::process::Command;

use anyhow::Result;

use crate::python::Python;
use crate::workspace::Workspace;
use crate::{components, process, redis_server};

/// These commands themselves: compiled with a profile of their own, they would be compiled again with the others.
const OURSELVES: &str = "xtask";

/// Run the tests of the whole workspace, against real servers and clients.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    redis_server::install_if_missing()?;
    let python = Python::prepare(workspace)?;
    let components = components::build(workspace)?;
    let cargo = |arguments: &[&str]| -> Command {
        let mut cargo = workspace.cargo();
        cargo
            .args(arguments)
            .env("SLUICE_BIN", workspace.sluice("debug"))
            .env("SLUICE_COMPONENTS", &components)
            .env("SLUICE_PYTHON", &python.interpreter);
        if let Some(path) = &python.path {
            cargo.env("PYTHONPATH", path);
        }
        cargo
    };
    // The end-to-end tests start the binary, which a build of the tests alone would leave as it was.
    process::run(&mut cargo(&["build", "--workspace", "--exclude", OURSELVES, "--bins"]))?;
    process::run(&mut cargo(&["test", "--workspace", "--exclude", OURSELVES]))?;
    process::run(&mut cargo(&["test", "--profile", OURSELVES, "--package", OURSELVES]))
}
