//! `cargo xtask bench`: what a request costs, here and in other proxies, in front of one server and of a cluster.

mod count;
mod idle;
mod load;
mod measure;
mod peer;
mod report;
mod servers;
mod topology;
mod usage;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

use self::measure::Plan;
use self::servers::Servers;
use crate::workspace::Workspace;
use crate::{components, process, redis_server};

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
    /// Only the proxies whose name contains this; with --count, only the rows of the table that do
    #[arg(long, default_value = "")]
    only: String,
    /// Only what can be put in front of a cluster, there and in front of one server
    #[arg(long)]
    cluster: bool,
    /// The components and the release host as they have been built before
    #[arg(long)]
    built: bool,
    /// The benches of single parts instead (criterion)
    #[arg(long)]
    criterion: bool,
    /// Instructions, branches and allocations a request instead, which do not depend on how busy the machine is
    #[arg(long)]
    count: bool,
    /// With --count: another binary than the release host
    #[arg(long, value_name = "PATH", requires = "count")]
    binary: Option<PathBuf>,
    /// With --count: a binary of before, to compare with
    #[arg(long, value_name = "PATH", requires = "count")]
    against: Option<PathBuf>,
}

/// Measure and print.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if !options.built {
        components::build(workspace)?;
    }
    if options.criterion {
        return process::run(workspace.cargo().args(["bench", "--package", "sluice"]));
    }
    if !options.built && options.binary.is_none() {
        process::run(workspace.cargo().args(["build", "--release", "--package", "sluice"]))?;
    }
    raise_open_files()?;
    if options.count {
        return count(workspace, options);
    }
    redis_server::install_if_missing()?;

    let directory = workspace.target.join("bench");
    fs::create_dir_all(&directory)?;
    let mut servers = Servers::start(&directory)?;
    let peers = peer::start(workspace, &servers, &directory, &options.only, options.cluster)?;
    ensure!(!peers.is_empty(), "no proxy's name contains {:?}", options.only);
    let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();

    let idle: Vec<_> = peers.iter().map(idle::bytes_per_session).collect::<Result<_>>()?;
    let plan = Plan {
        pipelines: options.pipelines.clone(),
        seconds: if options.quick { 1.0 } else { options.seconds },
        rounds: if options.quick { 1 } else { options.rounds.max(1) },
    };
    let cells = measure::all(&plan, &peers, &mut servers)?;

    println!(
        "{} clients, {}-byte values, one worker each; {} round(s) of {} s, medians. The cluster has {} nodes.\n\
         Nothing is pinned: proxy, server and clients share the machine's {} processors.\n",
        load::CLIENTS,
        load::VALUE,
        plan.rounds,
        plan.seconds,
        servers::NODES,
        std::thread::available_parallelism()?,
    );
    println!("{}", report::cells(&names, &plan.pipelines, &cells));
    print!("{}", report::ratios(&names, &plan.pipelines, &cells));
    print!("{}", report::ratios_in_the_cluster(&names, &plan.pipelines, &cells));
    println!("| idle session ({} of them) | bytes |\n| --- | --: |", idle::SESSIONS);
    for (name, bytes) in names.into_iter().zip(idle) {
        println!("| {name} | {bytes} |");
    }
    for peer in peers {
        let status = peer.daemon.end()?;
        ensure!(status.success() || !peer.ends_well, "{} ended with {status}", peer.name);
    }
    Ok(())
}

fn count(workspace: &Workspace, options: &Options) -> Result<()> {
    let (components, directory) = (workspace.components(), workspace.target.join("bench"));
    let places = count::Places { components: &components, directory: &directory };
    let binary = options.binary.clone().unwrap_or_else(|| workspace.sluice("release"));
    count::run(&places, &options.pipelines, &options.only, &binary, options.against.as_deref())
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
