//! `cargo xtask test`: get what the tests need, and run them all.

use anyhow::Result;

use crate::python::Python;
use crate::workspace::Workspace;
use crate::{apt, components, process};

/// Run the tests of the whole workspace, against real servers and clients.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    if !apt::find_program("redis-server") || !apt::find_program("redis-benchmark") {
        apt::install_without_starting(&["redis-server", "redis-tools"])?;
    }
    let python = Python::prepare(workspace)?;
    let components = components::build(workspace)?;

    // The end-to-end tests start the binary, which a test build of the libraries alone would leave as it was.
    process::run(workspace.cargo().args(["build", "--workspace", "--bins"]).env("SLUICE_COMPONENTS", &components))?;
    let mut tests = workspace.cargo();
    tests
        .args(["test", "--workspace"])
        .env("SLUICE_BIN", workspace.sluice("debug"))
        .env("SLUICE_COMPONENTS", components)
        .env("SLUICE_PYTHON", &python.interpreter);
    if let Some(path) = &python.path {
        tests.env("PYTHONPATH", path);
    }
    process::run(&mut tests)
}
