//! A real `redis-server` that keeps nothing on disk.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::daemon::Daemon;
use crate::resp::{Connection, Reply};
use crate::{apt, process};

/// See that the server and its tools are there.
pub(crate) fn install_if_missing() -> Result<()> {
    if process::is_there("redis-server") && process::is_there("redis-benchmark") {
        return Ok(());
    }
    apt::install_without_starting(&["redis-server", "redis-tools"])
}

/// A running server.
pub(crate) struct RedisServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    connection: Connection,
    _daemon: Daemon,
}

impl RedisServer {
    /// Start one, with further options.
    pub(crate) fn start(address: SocketAddr, directory: &Path, options: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", &address.ip().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--io-threads", "1"]).current_dir(directory);
        command.args(options.iter().flat_map(|&(option, value)| [option, value]));
        let daemon = Daemon::start("redis-server", &mut command, directory, address)?;
        Ok(Self { address, connection: Connection::open(address)?, _daemon: daemon })
    }

    /// How many commands of this name (in lower case) it has executed.
    pub(crate) fn calls(&mut self, command: &str) -> Result<u64> {
        let Reply::Bulk(Some(text)) = self.connection.ask(&["INFO", "commandstats"])? else {
            anyhow::bail!("INFO was not answered with a text");
        };
        let text = String::from_utf8_lossy(&text);
        let prefix = format!("cmdstat_{command}:calls=");
        let Some(line) = text.lines().find_map(|line| line.strip_prefix(&prefix)) else { return Ok(0) };
        let calls = line.split(',').next().unwrap_or_default();
        calls.parse().with_context(|| format!("{line:?} begins with no number"))
    }
}
