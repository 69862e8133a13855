//! Sluice, with chains of different kinds and lengths.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Behind, Place};
use crate::process;
use crate::workspace::Workspace;

/// Sluice with an empty chain.
pub(in super::super) const NO_TRANSFORM: &str = "sluice, no transform";

/// Looks at every command and forwards it.
const INSPECT: &str = "Inspect: {}";
/// Rewrites every key.
const KEY_PREFIX: &str = "KeyPrefix: { prefix: \"tenant-a:\" }";
/// Judges every command.
const COMMAND_FILTER: &str = "CommandFilter: { deny: [shutdown] }";
/// Watches every response and passes it.
const WATCH_ALL: &str = "WatchAll: {}";

type Row = (&'static str, &'static [&'static str]);

const EMPTY: Row = (NO_TRANSFORM, &[]);
const INSPECT_3: Row = ("sluice, 3 inspect", &[INSPECT; 3]);
const WORK_3: Row = ("sluice, 3 work", &[COMMAND_FILTER, KEY_PREFIX, WATCH_ALL]);

/// Names and chains in front of one server.
pub(super) const ALONE: [Row; 5] =
    [EMPTY, ("sluice, 1 inspect", &[INSPECT]), INSPECT_3, ("sluice, 1 work", &[KEY_PREFIX]), WORK_3];
/// Those of them that are in front of the cluster too.
pub(super) const IN_A_CLUSTER: [Row; 3] = [EMPTY, INSPECT_3, WORK_3];

/// The transforms of the chains above that do not come with the binary, and their components.
const DECLARED: [(&str, &str); 2] = [("Inspect", "inspect.wasm"), ("WatchAll", "watch_all.wasm")];

/// How Sluice is started with this chain, on one worker.
pub(super) fn command(workspace: &Workspace, chain: &[&str], place: &Place<'_>) -> Result<Command> {
    let topology = place.directory.join(format!("{}.yaml", place.slug));
    fs::write(&topology, topology_text(&workspace.components(), chain, place)?)?;
    let sluice = |subcommand| {
        let mut command = Command::new(workspace.sluice("release"));
        command.arg(subcommand).arg(&topology).env_remove("RUST_LOG").env_remove("SLUICE_LOG");
        command
    };
    // Compiles what is not in the cache yet, which would count as memory of the process that does it.
    process::output(&mut sluice("check"))?;
    Ok(sluice("run"))
}

fn topology_text(components: &Path, chain: &[&str], place: &Place<'_>) -> Result<String> {
    let mut text = String::from("workers: 1\n");
    let used = |name: &str| chain.iter().any(|link| link.starts_with(name));
    let declared: Vec<_> = DECLARED.iter().filter(|(name, _)| used(name)).collect();
    if !declared.is_empty() {
        text.push_str("plugins:\n");
    }
    for (name, file) in declared {
        writeln!(text, "  {name}: {{ component: {:?} }}", components.join(file))?;
    }
    let listen = place.listen;
    write!(text, "sources:\n  - Valkey:\n      name: bench\n      listen_addr: \"{listen}\"\n      chain:\n")?;
    for link in chain {
        writeln!(text, "        - {link}")?;
    }
    writeln!(text, "        - {}", sink(place.behind, &place.servers))?;
    Ok(text)
}

fn sink(behind: Behind, servers: &[SocketAddr]) -> String {
    let servers: Vec<_> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let servers = servers.join(", ");
    match behind {
        Behind::Server => format!("ValkeySinkSingle: {{ remote_address: {servers} }}"),
        Behind::Cluster => {
            format!("ValkeySinkCluster: {{ first_contact_points: [{servers}], connect_timeout_ms: 3000 }}")
        }
    }
}
