//! The cells: each peer under each load, interleaved, so that what else the machine does hits all of them alike.

use std::io::{self, IsTerminal as _};

use anyhow::{Result, ensure};

use super::load::{self, Kind, Seen};
use super::peer::Peer;
use super::servers::Servers;
use super::usage;

/// How long and how often.
pub(super) struct Plan {
    /// Requests in flight on each connection.
    pub(super) pipelines: Vec<u32>,
    /// Seconds of a cell.
    pub(super) seconds: f64,
    /// Times that each cell is measured.
    pub(super) rounds: u32,
}

/// One measurement.
pub(super) struct Cell {
    /// The position of the peer.
    pub(super) peer: usize,
    /// Counted from 0.
    pub(super) round: u32,
    /// Requests in flight on each connection.
    pub(super) pipeline: u32,
    /// The command.
    pub(super) kind: Kind,
    /// What the clients saw.
    pub(super) seen: Seen,
    /// Microseconds of the proxy's processor time, user and system.
    pub(super) cpu: f64,
    /// Requests that reached the servers.
    pub(super) requests: u64,
    /// Bytes of the proxy in memory after it.
    pub(super) resident: u64,
}

/// Requests of a trial run, which says how many a cell of the wanted length has. It also fills the servers with the keys.
const TRIAL: u64 = 100_000;

/// Measure everything.
pub(super) fn all(plan: &Plan, peers: &[Peer], servers: &mut Servers) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for &pipeline in &plan.pipelines {
        let mut counts = Vec::with_capacity(peers.len());
        for peer in peers {
            let rate = load::run(peer.address, Kind::Set, pipeline, TRIAL)?.rate;
            // A count of requests is far below 2^52.
            counts.push((rate * plan.seconds).max(1.0) as u64);
        }
        for round in 0..plan.rounds {
            for kind in Kind::ALL {
                for (index, (peer, &count)) in peers.iter().zip(&counts).enumerate() {
                    progress(&format!("{}, P={pipeline}, round {} of {}", peer.name, round + 1, plan.rounds));
                    cells.push(one(peer, index, round, pipeline, kind, count, servers)?);
                }
            }
        }
    }
    progress("");
    Ok(cells)
}

/// Overwrite the last line of the terminal, if there is one.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

fn one(
    peer: &Peer,
    index: usize,
    round: u32,
    pipeline: u32,
    kind: Kind,
    count: u64,
    servers: &mut Servers,
) -> Result<Cell> {
    let pid = peer.daemon.pid();
    let (before, cpu) = (servers.calls(peer.behind, kind.name())?, usage::cpu_time(pid)?);
    let seen = load::run(peer.address, kind, pipeline, count)?;
    let cpu = usage::cpu_time(pid)?.saturating_sub(cpu);
    let after = servers.calls(peer.behind, kind.name())?;
    let seen_by: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let requests = seen_by.iter().sum();
    ensure!(requests >= count, "{}: the servers saw {requests} of {count} requests", peer.name);
    // The keys are spread over all slots, and so over all nodes alike.
    let fair = count / seen_by.len() as u64;
    ensure!(seen_by.iter().all(|&seen| seen > fair / 2), "{}: the nodes saw {seen_by:?} of {count}", peer.name);
    let resident = usage::resident_bytes(pid)?;
    Ok(Cell { peer: index, round, pipeline, kind, seen, cpu: cpu.as_secs_f64() * 1e6, requests, resident })
}
