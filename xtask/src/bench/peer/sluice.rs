//! Sluice, with chains of different kinds and lengths.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Place;
use crate::bench::topology::{EMPTY, INSPECT, INSPECT_3, KEY_PREFIX, Topology, WORK_3};
use crate::process;
use crate::workspace::Workspace;

/// Sluice with an empty chain.
pub(in super::super) const NO_TRANSFORM: &str = "sluice, no transform";

type Row = (&'static str, &'static [&'static str]);

const NO_ROW: Row = (NO_TRANSFORM, EMPTY);
const INSPECT_ROW: Row = ("sluice, 3 inspect", INSPECT_3);
const WORK_ROW: Row = ("sluice, 3 work", WORK_3);

/// Names and chains in front of one server.
pub(super) const ALONE: [Row; 5] =
    [NO_ROW, ("sluice, 1 inspect", &[INSPECT]), INSPECT_ROW, ("sluice, 1 work", &[KEY_PREFIX]), WORK_ROW];
/// Those of them that are in front of the cluster too.
pub(super) const IN_A_CLUSTER: [Row; 3] = [NO_ROW, INSPECT_ROW, WORK_ROW];

/// How Sluice is started with this chain, on one worker.
pub(super) fn command(workspace: &Workspace, chain: &[&str], place: &Place<'_>) -> Result<Command> {
    let path = place.directory.join(format!("{}.yaml", place.slug));
    let (components, listen) = (workspace.components(), [place.listen]);
    let topology = Topology {
        components: &components,
        chain,
        behind: place.behind,
        servers: &place.servers,
        listen: &listen,
        idle: &[],
        timeless: false,
    };
    fs::write(&path, topology.text()?)?;
    let sluice = |subcommand| {
        let mut command = Command::new(workspace.sluice("release"));
        command.arg(subcommand).arg(&path).env_remove("RUST_LOG").env_remove("SLUICE_LOG");
        command
    };
    // Compiles what is not in the cache yet, which would count as memory of the process that does it.
    process::output(&mut sluice("check"))?;
    Ok(sluice("run"))
}
