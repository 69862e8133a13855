//! What stands behind the proxies: one server, and a cluster of three.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::daemon;
use crate::redis_server::RedisServer;
use crate::resp::{Connection, Reply};

/// Nodes of the cluster, all of them primaries.
pub(super) const NODES: usize = 3;
/// Slots of every cluster.
pub(super) const SLOTS: usize = 16_384;
/// Nodes that have just been started do not serve for two seconds.
const AGREEMENT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a proxy is put in front of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The server that stands alone.
    Server,
    /// The cluster.
    Cluster,
}

/// All of them, running.
pub(super) struct Servers {
    alone: Vec<RedisServer>,
    cluster: Vec<RedisServer>,
}

impl Servers {
    /// Start them.
    pub(super) fn start(directory: &Path) -> Result<Self> {
        let [alone] = daemon::free_addresses()?;
        let alone = vec![RedisServer::start(alone, directory, &[])?];
        Ok(Self { alone, cluster: start_cluster(directory)? })
    }

    /// Where they listen.
    pub(super) fn addresses(&self, behind: Behind) -> Vec<SocketAddr> {
        match behind {
            Behind::Server => &self.alone,
            Behind::Cluster => &self.cluster,
        }
        .iter()
        .map(|server| server.address)
        .collect()
    }

    /// How many commands of this name (in lower case) each of them has executed.
    pub(super) fn calls(&mut self, behind: Behind, command: &str) -> Result<Vec<u64>> {
        match behind {
            Behind::Server => &mut self.alone,
            Behind::Cluster => &mut self.cluster,
        }
        .iter_mut()
        .map(|server| server.calls(command))
        .collect()
    }
}

fn start_cluster(directory: &Path) -> Result<Vec<RedisServer>> {
    let (addresses, buses) = (daemon::free_addresses::<NODES>()?, daemon::free_addresses::<NODES>()?);
    let nodes: Vec<_> = addresses
        .into_iter()
        .zip(buses)
        .enumerate()
        .map(|(at, (address, bus))| {
            let directory = directory.join(format!("node-{at}"));
            fs::create_dir_all(&directory)?;
            // What a node of an earlier run knew of its cluster.
            if let Err(error) = fs::remove_file(directory.join("nodes.conf")) {
                ensure!(error.kind() == std::io::ErrorKind::NotFound, "{}: {error}", directory.display());
            }
            RedisServer::start(
                address,
                &directory,
                &[("--cluster-enabled", "yes"), ("--cluster-port", &bus.port().to_string())],
            )
        })
        .collect::<Result<_>>()?;
    let mut connections =
        nodes.iter().map(|node| Connection::open(node.address)).collect::<Result<Vec<Connection>>>()?;
    for (at, connection) in connections.iter_mut().enumerate() {
        let (first, last) = (at * SLOTS / NODES, (at + 1) * SLOTS / NODES - 1);
        must(connection, &["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()])?;
        must(connection, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
        for (address, bus) in addresses.iter().zip(buses) {
            let (ip, port) = (address.ip().to_string(), address.port().to_string());
            must(connection, &["CLUSTER", "MEET", &ip, &port, &bus.port().to_string()])?;
        }
    }
    let deadline = Instant::now() + AGREEMENT;
    for connection in &mut connections {
        while !is_whole(connection)? {
            ensure!(Instant::now() < deadline, "the nodes of a cluster did not come together within {AGREEMENT:?}");
            sleep(LOOK_EVERY);
        }
    }
    Ok(nodes)
}

fn must(connection: &mut Connection, command: &[&str]) -> Result<()> {
    match connection.ask(command)? {
        Reply::Simple(_) => Ok(()),
        reply => bail!("{}: {reply}", command.join(" ")),
    }
}

/// Whether this node serves and knows of all slots and all nodes.
fn is_whole(connection: &mut Connection) -> Result<bool> {
    let Reply::Bulk(Some(info)) = connection.ask(&["CLUSTER", "INFO"])? else {
        bail!("CLUSTER INFO was not answered with a text");
    };
    let info = String::from_utf8(info).context("CLUSTER INFO is no text")?;
    let wanted = ["cluster_state:ok".to_owned(), format!("cluster_size:{NODES}"), format!("cluster_slots_ok:{SLOTS}")];
    Ok(wanted.iter().all(|wanted| info.lines().any(|line| line == wanted)))
}
