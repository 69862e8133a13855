//! `cargo xtask test`: get what the tests need, and run them.

mod chosen;

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::languages::Which;
use crate::python::Python;
use crate::workspace::{OURSELVES, Workspace};
use crate::{components, languages, node, process, redis_server};

/// Cases of each property test (proptest) in a long run, unless it says otherwise itself; 256 is usual.
const LONG_CASES: &str = "4096";

/// Which tests, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the tests whose name contains this, whichever package they are in; examples in the documentation are not among them
    name: Option<String>,
    /// Give random tests many times as many cases (`SLUICE_LONG`, which tests read through `sluice_tests::cases`)
    #[arg(long)]
    long: bool,
}

/// Run the tests of the whole workspace, or those that are chosen, against real servers and clients.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    redis_server::install_if_missing()?;
    let python = Python::prepare(workspace)?;
    let client_source = python.client_source(workspace)?;
    let valkey_server = python.valkey_server()?;
    let node_modules = node::prepare(workspace)?;
    components::build(workspace)?;
    // Those of other languages take a while each time.
    let tools = languages::build(workspace, if options.name.is_some() { Which::Stale } else { Which::All })?;
    // The end-to-end tests start the binary, which a build of the tests alone would leave as it was.
    process::run(&mut workspace.build_host())?;
    let prepare = |command: &mut Command| {
        command.env("SLUICE_BIN", workspace.sluice("debug")).env("SLUICE_PYTHON", &python.interpreter);
        command.env("SLUICE_TOOLS", tools.directory()).env("SLUICE_CARGO_TARGET", components::target(workspace));
        command.env("SLUICE_REDIS_PY", &client_source).env("SLUICE_NODE_MODULES", &node_modules);
        command.env("SLUICE_VALKEY_SERVER", &valkey_server);
        if let Some(path) = &python.path {
            command.env("PYTHONPATH", path);
        }
        if options.long {
            command.env("SLUICE_LONG", "1").env("PROPTEST_CASES", LONG_CASES);
        }
    };
    let host: &[&str] = &["test", "--workspace", "--exclude", OURSELVES];
    let ourselves: &[&str] = &["test", "--profile", OURSELVES, "--package", OURSELVES];
    if let Some(name) = &options.name {
        return chosen::run(workspace, &[host, ourselves], name, &prepare);
    }
    for arguments in [host, ourselves] {
        let mut cargo = workspace.cargo();
        prepare(cargo.args(arguments));
        process::run(&mut cargo)?;
    }
    Ok(())
}
