//! nutcracker (twemproxy): a proxy in C, without transforms and without clusters.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Behind, Foreign, Place};
use crate::daemon;

pub(super) const NUTCRACKER: Foreign = Foreign {
    name: super::NUTCRACKER,
    program: "nutcracker",
    source: "Debian package `nutcracker`",
    behind: &[Behind::Server],
    // It has no way to end but the signal itself.
    ends_well: false,
    command,
};

fn command(place: &Place<'_>) -> Result<Command> {
    let server = place.servers.first().context("a server")?;
    let [statistics] = daemon::free_addresses()?;
    let configuration = place.directory.join(format!("{}.yaml", place.slug));
    let pool = format!(
        "pool:\n  listen: {}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  \
         preconnect: true\n  auto_eject_hosts: false\n  servers:\n    - {server}:1\n",
        place.listen
    );
    fs::write(&configuration, pool)?;
    let mut command = Command::new("nutcracker");
    command.arg("--conf-file").arg(&configuration).args(["--stats-port", &statistics.port().to_string()]);
    Ok(command)
}
