//! `cargo xtask check`: what can be known of a change in a minute, without servers: format, lints, and the tests of the parts.

use anyhow::Result;
use sluice_projects::process;

use crate::workspace::{OURSELVES, Workspace};

/// The packages whose tests need servers, clients of other languages, and minutes.
const END_TO_END: &str = "sluice-tests";

/// Check the format, the lints and the unit tests of the whole workspace.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let commands: [&[&str]; 4] = [
        &["fmt", "--all", "--check"],
        &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        &["test", "--workspace", "--exclude", OURSELVES, "--exclude", END_TO_END, "--lib", "--bins"],
        &["test", "--profile", OURSELVES, "--package", OURSELVES],
    ];
    commands.iter().try_for_each(|arguments| process::show_and_run(workspace.cargo().args(*arguments)))
}
