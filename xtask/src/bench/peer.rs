//! What is compared: proxies, each a process in front of the same server.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::daemon::{self, Daemon};
use crate::workspace::Workspace;
use crate::{apt, process};

/// The peer that everything is compared with.
pub(super) const NUTCRACKER: &str = "nutcracker";
/// Sluice with an empty chain.
pub(super) const NO_TRANSFORM: &str = "sluice, no transform";

/// Looks at every command and forwards it.
const INSPECT: &str = "Inspect: {}";
/// Rewrites every key.
const KEY_PREFIX: &str = "KeyPrefix: { prefix: \"tenant-a:\" }";
/// Judges every command.
const COMMAND_FILTER: &str = "CommandFilter: { deny: [shutdown] }";
/// Watches every response and passes it.
const WATCH_ALL: &str = "WatchAll: {}";

/// The peers' names, and their chains.
pub(super) const SLUICES: [(&str, &[&str]); 5] = [
    (NO_TRANSFORM, &[]),
    ("sluice, 1 inspect", &[INSPECT]),
    ("sluice, 3 inspect", &[INSPECT; 3]),
    ("sluice, 1 work", &[KEY_PREFIX]),
    ("sluice, 3 work", &[COMMAND_FILTER, KEY_PREFIX, WATCH_ALL]),
];

/// The transforms of the chains above that do not come with the binary, and their components.
const DECLARED: [(&str, &str); 2] = [("Inspect", "inspect.wasm"), ("WatchAll", "watch_all.wasm")];

/// A proxy, running.
pub(super) struct Peer {
    /// What the table calls it.
    pub(super) name: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its process.
    pub(super) daemon: Daemon,
}

impl Peer {
    /// Start nutcracker; nothing where it is not installed.
    pub(super) fn nutcracker(server: SocketAddr, directory: &Path) -> Result<Option<Self>> {
        if !apt::find_program("nutcracker") {
            eprintln!("xtask: nutcracker is not installed (Debian package `nutcracker`); going on without it");
            return Ok(None);
        }
        let [address, statistics] = daemon::free_addresses()?;
        let configuration = directory.join("nutcracker.yaml");
        let pool = format!(
            "pool:\n  listen: {address}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  \
             preconnect: true\n  auto_eject_hosts: false\n  servers:\n    - {server}:1\n"
        );
        fs::write(&configuration, pool)?;
        let mut command = Command::new("nutcracker");
        command.arg("--conf-file").arg(&configuration).args(["--stats-port", &statistics.port().to_string()]);
        let daemon = Daemon::start(NUTCRACKER, &mut command, directory, address)?;
        Ok(Some(Self { name: NUTCRACKER, address, daemon }))
    }

    /// Start Sluice with this chain, on one worker.
    pub(super) fn sluice(
        workspace: &Workspace,
        (name, chain): (&'static str, &[&str]),
        server: SocketAddr,
        directory: &Path,
    ) -> Result<Self> {
        let [address] = daemon::free_addresses()?;
        let slug = name.replace(", ", "-").replace(' ', "-");
        let topology = directory.join(format!("{slug}.yaml"));
        fs::write(&topology, topology_text(&workspace.components(), chain, address, server)?)?;
        let sluice = |subcommand| {
            let mut command = Command::new(workspace.sluice("release"));
            command.arg(subcommand).arg(&topology).env_remove("RUST_LOG").env_remove("SLUICE_LOG");
            command
        };
        // Compiles what is not in the cache yet, which would count as memory of the process that does it.
        process::output(&mut sluice("check"))?;
        let mut command = sluice("run");
        let daemon = Daemon::start(&slug, &mut command, directory, address)?;
        Ok(Self { name, address, daemon })
    }
}

fn topology_text(components: &Path, chain: &[&str], listen: SocketAddr, server: SocketAddr) -> Result<String> {
    let mut text = String::from("workers: 1\n");
    let used = |name: &str| chain.iter().any(|link| link.starts_with(name));
    let declared: Vec<_> = DECLARED.iter().filter(|(name, _)| used(name)).collect();
    if !declared.is_empty() {
        text.push_str("plugins:\n");
    }
    for (name, file) in declared {
        writeln!(text, "  {name}: {{ component: {:?} }}", components.join(file))?;
    }
    write!(text, "sources:\n  - Valkey:\n      name: bench\n      listen_addr: \"{listen}\"\n      chain:\n")?;
    for link in chain {
        writeln!(text, "        - {link}")?;
    }
    writeln!(text, "        - ValkeySinkSingle: {{ remote_address: \"{server}\" }}")?;
    Ok(text)
}
