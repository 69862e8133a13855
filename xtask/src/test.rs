//! `cargo xtask test`: get what the tests need, and run them all.

use std::process::Command;

use anyhow::Result;

use crate::python::Python;
use crate::workspace::{OURSELVES, Workspace};
use crate::{components, languages, node, process, redis_server};

/// Run the tests of the whole workspace, against real servers and clients.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    redis_server::install_if_missing()?;
    let python = Python::prepare(workspace)?;
    let client_source = python.client_source(workspace)?;
    let valkey_server = python.valkey_server()?;
    let node_modules = node::prepare(workspace)?;
    components::build(workspace)?;
    let tools = languages::build(workspace)?;
    // The end-to-end tests start the binary, which a build of the tests alone would leave as it was.
    process::run(&mut workspace.build_host())?;
    let cargo = |arguments: &[&str]| -> Command {
        let mut cargo = workspace.cargo();
        cargo.args(arguments).env("SLUICE_BIN", workspace.sluice("debug")).env("SLUICE_PYTHON", &python.interpreter);
        cargo.env("SLUICE_TOOLS", tools.directory()).env("SLUICE_CARGO_TARGET", components::target(workspace));
        cargo.env("SLUICE_REDIS_PY", &client_source).env("SLUICE_NODE_MODULES", &node_modules);
        cargo.env("SLUICE_VALKEY_SERVER", &valkey_server);
        if let Some(path) = &python.path {
            cargo.env("PYTHONPATH", path);
        }
        cargo
    };
    process::run(&mut cargo(&["test", "--workspace", "--exclude", OURSELVES]))?;
    process::run(&mut cargo(&["test", "--profile", OURSELVES, "--package", OURSELVES]))
}
