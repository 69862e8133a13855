//! What is compared: proxies, each a process in front of one server or of the cluster.

mod envoy;
mod nutcracker;
mod predixy;
mod sluice;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::servers::{Behind, Servers};
use crate::daemon::{self, Daemon};
use crate::process;
use crate::resp::{Connection, Reply};
use crate::workspace::Workspace;

/// The peer that everything is compared with.
pub(super) const NUTCRACKER: &str = "nutcracker";
pub(super) use sluice::NO_TRANSFORM;

/// What the name of a proxy in front of the cluster ends with.
const IN_A_CLUSTER: &str = ", cluster";
/// A proxy that listens may still have to find its servers.
const READY_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A proxy, running.
pub(super) struct Peer {
    /// What the table calls it.
    pub(super) name: String,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its process.
    pub(super) daemon: Daemon,
    /// What it is in front of.
    pub(super) behind: Behind,
    /// Whether it takes SIGTERM for a request to end, and does so with success.
    pub(super) ends_well: bool,
}

/// Where a proxy is to listen, and for whom.
struct Place<'a> {
    behind: Behind,
    servers: Vec<SocketAddr>,
    listen: SocketAddr,
    /// For configurations and logs.
    directory: &'a Path,
    /// The name of both, without an ending.
    slug: String,
}

/// A proxy of somebody else.
struct Foreign {
    name: &'static str,
    /// The name of its program.
    program: &'static str,
    /// Where that comes from.
    source: &'static str,
    behind: &'static [Behind],
    ends_well: bool,
    /// Writes its configuration, and says how it is started.
    command: fn(&Place<'_>) -> Result<Command>,
}

const FOREIGN: [Foreign; 3] = [nutcracker::NUTCRACKER, predixy::PREDIXY, envoy::ENVOY];

/// The name in the table of a proxy in front of these.
fn name_of(name: &str, behind: Behind) -> String {
    match behind {
        Behind::Server => name.to_owned(),
        Behind::Cluster => format!("{name}{IN_A_CLUSTER}"),
    }
}

/// The position of the same proxy in front of one server, if this one is in front of the cluster.
pub(super) fn alone(names: &[&str], peer: usize) -> Option<usize> {
    let alone = names[peer].strip_suffix(IN_A_CLUSTER)?;
    names.iter().position(|name| *name == alone)
}

/// Start all those whose name contains `only`; with `cluster`, those that can be put in front of one alone.
pub(super) fn start(
    workspace: &Workspace,
    servers: &Servers,
    directory: &Path,
    only: &str,
    cluster: bool,
) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    let mut add = |name: &str, behind, ends_well, command: &dyn Fn(&Place<'_>) -> Result<Command>| {
        let name = name_of(name, behind);
        if name.contains(only) {
            let slug = name.replace(", ", "-").replace(' ', "-");
            let [listen] = daemon::free_addresses()?;
            let place = Place { behind, servers: servers.addresses(behind), listen, directory, slug };
            let daemon = Daemon::start(&place.slug, &mut command(&place)?, directory, listen)?;
            wait_until_it_serves(&name, listen)?;
            peers.push(Peer { name, address: listen, daemon, behind, ends_well });
        }
        anyhow::Ok(())
    };
    for foreign in FOREIGN.iter().filter(|foreign| !cluster || foreign.behind.contains(&Behind::Cluster)) {
        if process::is_there(foreign.program) {
            for &behind in foreign.behind {
                add(foreign.name, behind, foreign.ends_well, &foreign.command)?;
            }
        } else {
            eprintln!("xtask: {} is not installed ({}); going on without it", foreign.program, foreign.source);
        }
    }
    for (name, chain) in sluice::ALONE.iter().filter(|row| !cluster || sluice::IN_A_CLUSTER.contains(row)) {
        add(name, Behind::Server, true, &|place| sluice::command(workspace, chain, place))?;
    }
    for (name, chain) in &sluice::IN_A_CLUSTER {
        add(name, Behind::Cluster, true, &|place| sluice::command(workspace, chain, place))?;
    }
    Ok(peers)
}

/// Asks for a key of each of many slots until none is refused.
fn wait_until_it_serves(name: &str, address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address)?;
    let deadline = Instant::now() + READY_LIMIT;
    for key in 0..100 {
        while let Reply::Error(error) = connection.ask(&["GET", &format!("ready:{key}")])? {
            ensure!(Instant::now() < deadline, "{name} does not serve: {error}");
            sleep(LOOK_EVERY);
        }
    }
    Ok(())
}
