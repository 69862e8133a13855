//! predixy: a proxy in C++, without transforms, that hides clusters.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Behind, Foreign, Place};

pub(super) const PREDIXY: Foreign = Foreign {
    name: "predixy",
    program: "predixy",
    source: "to be built from its source",
    behind: &[Behind::Server, Behind::Cluster],
    ends_well: false,
    command,
};

fn command(place: &Place<'_>) -> Result<Command> {
    let mut text = format!("Bind {}\nWorkerThreads 1\nClientTimeout 0\n", place.listen);
    text.push_str("Authority {\n  Auth {\n    Mode write\n  }\n}\n");
    // One server is a pool of one group that nobody refreshes.
    match place.behind {
        Behind::Cluster => text.push_str("ClusterServerPool {\n  RefreshInterval 1\n  Servers {\n"),
        Behind::Server => text.push_str(
            "StandaloneServerPool {\n  RefreshMethod fixed\n  Distribution modula\n  Hash crc16\n  Group bench {\n",
        ),
    }
    for server in &place.servers {
        writeln!(text, "    + {server}")?;
    }
    text.push_str("  }\n}\n");
    let configuration = place.directory.join(format!("{}.conf", place.slug));
    fs::write(&configuration, text)?;
    let mut command = Command::new("predixy");
    command.arg(&configuration);
    Ok(command)
}
