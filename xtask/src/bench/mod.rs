//! `cargo xtask bench`: what a request costs, here and in a proxy written in C.

mod idle;
mod load;
mod measure;
mod peer;
mod report;
mod usage;

use std::fs;

use anyhow::{Result, ensure};
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

use self::measure::Plan;
use self::peer::{Peer, SLUICES};
use crate::redis_server::{self, RedisServer};
use crate::workspace::Workspace;
use crate::{components, daemon, process};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Requests in flight on each of the connections
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    pipelines: Vec<u32>,
    /// Seconds of each cell
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Times that each cell is measured; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// One round of a second: enough to see whether it works, not to compare
    #[arg(long)]
    quick: bool,
    /// Only the proxies whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The benches of single parts instead (criterion)
    #[arg(long)]
    criterion: bool,
}

/// Measure and print.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    components::build(workspace)?;
    if options.criterion {
        return process::run(workspace.cargo().args(["bench", "--package", "sluice"]));
    }
    process::run(workspace.cargo().args(["build", "--release", "--package", "sluice"]))?;
    redis_server::install_if_missing()?;
    raise_open_files()?;

    let directory = workspace.target.join("bench");
    fs::create_dir_all(&directory)?;
    let [address] = daemon::free_addresses()?;
    let mut server = RedisServer::start(address, &directory)?;
    let peers = peers(workspace, options, &server)?;
    ensure!(!peers.is_empty(), "no proxy's name contains {:?}", options.only);
    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();

    let idle: Vec<_> = peers.iter().map(idle::bytes_per_session).collect::<Result<_>>()?;
    let plan = Plan {
        pipelines: options.pipelines.clone(),
        seconds: if options.quick { 1.0 } else { options.seconds },
        rounds: if options.quick { 1 } else { options.rounds.max(1) },
    };
    let cells = measure::all(&plan, &peers, &mut server)?;

    println!(
        "{} clients, {}-byte values, one worker each; {} round(s) of {} s, medians.\n\
         Nothing is pinned: proxy, server and clients share the machine's {} processors.\n",
        load::CLIENTS,
        load::VALUE,
        plan.rounds,
        plan.seconds,
        std::thread::available_parallelism()?,
    );
    println!("{}", report::cells(&names, &plan.pipelines, &cells));
    print!("{}", report::ratios(&names, &plan.pipelines, &cells));
    println!("| idle session ({} of them) | bytes |\n| --- | --: |", idle::SESSIONS);
    for (name, bytes) in names.iter().zip(idle) {
        println!("| {name} | {bytes} |");
    }
    for peer in peers {
        let status = peer.daemon.end()?;
        // nutcracker has no way to end but the signal itself.
        ensure!(status.success() || peer.name == peer::NUTCRACKER, "{} ended with {status}", peer.name);
    }
    Ok(())
}

fn peers(workspace: &Workspace, options: &Options, server: &RedisServer) -> Result<Vec<Peer>> {
    let directory = workspace.target.join("bench");
    let wanted = |name: &str| name.contains(&options.only);
    let mut peers = Vec::new();
    if wanted(peer::NUTCRACKER) {
        peers.extend(Peer::nutcracker(server.address, &directory)?);
    }
    for sluice in SLUICES.into_iter().filter(|(name, _)| wanted(name)) {
        peers.push(Peer::sluice(workspace, sluice, server.address, &directory)?);
    }
    Ok(peers)
}

/// The idle sessions take more files than a shell usually allows; the proxies inherit what this process may.
fn raise_open_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let (allowed, needed) = (limit.current.unwrap_or(u64::MAX), 2 * idle::SESSIONS as u64);
    ensure!(allowed >= needed, "this needs {needed} open files, and the hard limit is {allowed} (`ulimit -Hn`)");
    Ok(())
}
