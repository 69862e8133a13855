//! `cargo xtask bench --count`: what a request costs in instructions, which noise cannot blur.
//!
//! The proxy runs under callgrind, which counts what each thread executes, and xtask is all its clients and servers. They follow a
//! script, so that two runs of one binary give the same figures to 1 %, also on a machine that is busy. The figures are of the worker's
//! thread: instructions in user space (the kernel's are not among them), conditional branches and indirect jumps, and calls of the
//! allocator for memory. They are callgrind's on every machine; processors' own counters are not used, since virtual machines
//! often have none.

mod callgrind;
mod profile;
mod report;
mod request;
mod servers;
mod stage;

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use self::stage::Stage;
use super::servers::Behind;
use super::topology::{EMPTY, INSPECT_3, WORK_3};

/// A chain with its name in the table.
struct Chain {
    name: &'static str,
    links: &'static [&'static str],
}

const CHAINS: [Chain; 3] = [
    Chain { name: "none", links: EMPTY },
    Chain { name: "3 inspect", links: INSPECT_3 },
    Chain { name: "3 work", links: WORK_3 },
];
const BEHIND: [Behind; 2] = [Behind::Server, Behind::Cluster];
const SOURCES: [usize; 2] = [1, 1_000];

/// A proxy that is counted: a chain, in front of these, behind so many sources.
struct Setup {
    chain: &'static Chain,
    behind: Behind,
    sources: usize,
}

/// A cell of the table.
#[derive(Clone)]
struct Cell {
    /// The first columns.
    name: String,
    /// Instructions, branches and allocations a request.
    counts: [f64; 3],
}

impl Setup {
    fn all() -> impl Iterator<Item = Self> {
        let with = |behind| SOURCES.into_iter().map(move |sources| (behind, sources));
        let places = move || BEHIND.into_iter().flat_map(with);
        CHAINS.iter().flat_map(move |chain| places().map(move |(behind, sources)| Self { chain, behind, sources }))
    }

    fn behind(&self) -> &'static str {
        match self.behind {
            Behind::Server => "server",
            Behind::Cluster => "cluster",
        }
    }

    /// The name of its files, without an ending.
    fn slug(&self) -> String {
        format!("count-{}-{}-{}", self.chain.name.replace(' ', "-"), self.behind(), self.sources)
    }

    /// The first columns of the table.
    fn name(&self) -> String {
        format!("{} | {} | {}", self.chain.name, self.behind(), self.sources)
    }
}

/// Where things are.
pub(super) struct Places<'a> {
    /// The components.
    pub(super) components: &'a Path,
    /// For topologies and logs.
    pub(super) directory: &'a Path,
}

/// Count, and print the table; with `against`, beside the figures of that binary.
pub(super) fn run(
    places: &Places<'_>,
    pipelines: &[u32],
    only: &str,
    binary: &Path,
    against: Option<&Path>,
) -> Result<()> {
    callgrind::install_if_missing()?;
    let count = |binary| all(places, pipelines, only, binary);
    let before = against.map(count).transpose()?;
    let after = count(binary)?;
    println!(
        "A request's cost in user space, on the worker's thread, with {} clients that send P requests each at a time.\n",
        stage::CLIENTS
    );
    print!("{}", before.map_or_else(|| report::alone(&after), |before| report::compared(&before, &after)));
    Ok(())
}

fn all(places: &Places<'_>, pipelines: &[u32], only: &str, binary: &Path) -> Result<Vec<Cell>> {
    ensure!(binary.is_file(), "there is no {}", binary.display());
    fs::create_dir_all(places.directory)?;
    let setups: Vec<_> = Setup::all().filter(|setup| format!("{} |", setup.name()).contains(only)).collect();
    ensure!(!setups.is_empty(), "no row contains {only:?}");
    // What is counted does not depend on what else runs.
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Vec<Cell>)>> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(setup) = setups.get(at) else { return Ok(done) };
            progress(&format!("{}: {}", binary.display(), setup.name()));
            // The others end too, after what they are at.
            let failed = |_: &anyhow::Error| next.store(setups.len(), Ordering::Relaxed);
            done.push((at, one(setup, places, pipelines, binary).inspect_err(failed).with_context(|| setup.name())?));
        }
    };
    let mut cells = thread::scope(|scope| {
        let threads: Vec<_> = (0..thread::available_parallelism()?.get()).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread has failed"))?);
        anyhow::Ok(results.collect::<Result<Vec<_>>>()?.concat())
    })?;
    cells.sort_by_key(|(at, _)| *at);
    progress("");
    Ok(cells.into_iter().flat_map(|(_, cells)| cells).collect())
}

fn one(setup: &Setup, places: &Places<'_>, pipelines: &[u32], binary: &Path) -> Result<Vec<Cell>> {
    let mut stage = Stage::set(setup, binary, places)?;
    let mut count = |pipeline: u32| -> Result<Cell> {
        let counts = stage.count(pipeline.try_into()?)?;
        Ok(Cell { name: format!("{} | {pipeline}", setup.name()), counts })
    };
    pipelines.iter().map(|&pipeline| count(pipeline)).collect()
}

/// Overwrite the last line of the terminal, if there is one.
fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}
