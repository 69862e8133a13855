//! The load: `redis-benchmark`, and what it says of a run.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Clients at the same time.
pub(super) const CLIENTS: u32 = 50;
/// Bytes of a value.
pub(super) const VALUE: u32 = 64;
/// Different keys.
const KEYS: u32 = 100_000;

/// A command that the load consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Writes first, so that the reads find something.
    Set,
    /// Reads.
    Get,
}

impl Kind {
    /// All of them, in the order in which they must run.
    pub(super) const ALL: [Self; 2] = [Self::Set, Self::Get];

    /// The command's name in lower case.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Get => "get",
        }
    }
}

/// What the clients saw.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// Requests per second.
    pub(super) rate: f64,
    /// Median latency in milliseconds.
    pub(super) p50: f64,
    /// The latency in milliseconds that one request in a hundred exceeds.
    pub(super) p99: f64,
}

/// Send `requests` of one kind, `pipeline` at a time on each connection.
pub(super) fn run(address: SocketAddr, kind: Kind, pipeline: u32, requests: u64) -> Result<Seen> {
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "--csv"]);
    for (option, value) in [("-c", CLIENTS), ("-d", VALUE), ("-r", KEYS), ("-P", pipeline)] {
        command.args([option, &value.to_string()]);
    }
    command.args(["-t", kind.name(), "-n", &requests.to_string()]);
    let csv = process::output(&mut command)?;
    parse(&csv).with_context(|| format!("redis-benchmark printed no result that is understood here:\n{csv}"))
}

/// A line of names and a line of values, all in quotes.
fn parse(csv: &str) -> Option<Seen> {
    let mut lines = csv.lines().skip_while(|line| !line.starts_with("\"test\""));
    let cells = |line: &str| -> Vec<String> { line.split(',').map(|cell| cell.trim_matches('"').to_owned()).collect() };
    let (names, values) = (cells(lines.next()?), cells(lines.next()?));
    let value = |name: &str| values.get(names.iter().position(|known| known == name)?)?.parse().ok();
    Some(Seen { rate: value("rps")?, p50: value("p50_latency_ms")?, p99: value("p99_latency_ms")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_by_the_names_of_its_columns() {
        let csv = "WARNING: no CONFIG\n\"test\",\"rps\",\"p50_latency_ms\",\"avg_latency_ms\",\"p99_latency_ms\"\n\
                   \"SET\",\"1000.50\",\"0.2\",\"0.3\",\"0.9\"\n";
        assert_eq!(parse(csv), Some(Seen { rate: 1000.5, p50: 0.2, p99: 0.9 }));
        assert_eq!(parse("\"test\",\"rps\"\n"), None);
    }
}
