//! `sluice run`.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};

use sluice::admin::{Admin, Metrics, Readiness, Services};
use sluice::logging::LogFilter;
use sluice::net::tls::Renewal;
use sluice::reload::Watcher;
use sluice::topology::Topology;
use sluice::worker::{Proxy, SourcePlan};

use super::cache::CacheChoice;
use super::files;

/// How often a proxy that serves is looked at: whether a worker has failed.
const SERVING: Duration = Duration::from_secs(1);

/// How long after the first signal a second one ends the proxy at once.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a proxy that drains is looked at: whether it has finished.
const DRAINING: Duration = Duration::from_millis(5);

/// Runs a topology until it is told to end, and then lets sessions finish for as long as
/// `drain_timeout` says. A second signal ends it at once.
pub(crate) fn run(
    file: &Path,
    workers: Option<NonZeroUsize>,
    watch: bool,
    cache: &CacheChoice,
    filter: LogFilter,
) -> anyhow::Result<()> {
    let topology = Topology::load(file)?;
    let readiness = Readiness::default();
    // Before anything is measured, and before plugins are compiled: that can take a while, and
    // /readyz says so.
    let _admin = serve_admin(&topology, &readiness, filter)?;
    files::raise_limit(topology.sources.iter().map(|source| source.connection_limit).sum());
    let plugins = cache.runtime()?;
    let sources = topology.assemble(&plugins)?;
    let chains = sources.iter().map(SourcePlan::chain_plan).collect();

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot wait for signals")?;
    let mut signals = runtime.block_on(async { Signals::new() }).context("cannot wait for signals")?;
    let workers = workers.or(topology.workers).map_or_else(cpus, NonZeroUsize::get);
    let _certificates = Renewal::start(topology.renewables()).context("cannot look after certificates")?;
    let proxy = Proxy::start(sources, workers)?;
    let watcher = watch.then(|| Watcher::start(&topology, plugins, chains, proxy.swapper())).transpose();
    let watcher = watcher.context("cannot look after components")?;
    readiness.ready();
    tracing::info!(topology = %file.display(), workers, version = env!("CARGO_PKG_VERSION"), "ready");

    let told = runtime.block_on(wait(&mut signals, SERVING, || proxy.has_failed(), || proxy.reopen_logs()));
    let told = told.ok_or_else(|| anyhow!("a worker has failed; the log says why"))?;
    readiness.draining();
    drop(watcher);
    let drain = topology.drain;
    let timeout = drain.timeout;
    tracing::info!(signal = told, ?timeout, "draining");
    let draining = std::thread::spawn(move || proxy.shutdown(drain));
    // Who ends a process often tells each of its group, so it may be told twice at once.
    runtime.block_on(wait_out(&mut signals, AGAIN, || draining.is_finished()));
    if runtime.block_on(wait(&mut signals, DRAINING, || draining.is_finished(), || ())).is_some() {
        return Err(anyhow!("ended by a second signal before all sessions had finished"));
    }
    match draining.join() {
        Ok(true) => tracing::info!("ended: every session has finished"),
        Ok(false) => tracing::warn!(?timeout, "ended: sessions that had not finished were cut"),
        Err(_) => return Err(anyhow!("draining failed; the log says why")),
    }
    Ok(())
}

/// Waits for a signal to end, and gives its name; `None` once `done` comes first, which is asked at
/// this interval. Meanwhile, SIGHUP has `reopen` open files again.
async fn wait(
    signals: &mut Signals,
    interval: Duration,
    done: impl Fn() -> bool,
    reopen: impl Fn(),
) -> Option<&'static str> {
    while !done() {
        match tokio::time::timeout(interval, signals.next()).await {
            Ok(Told::End(signal)) => return Some(signal),
            Ok(Told::Reopen) => reopen(),
            Err(_) => {}
        }
    }
    None
}

/// Lets `time` pass, whatever signals come; or less, once `done`.
async fn wait_out(signals: &mut Signals, time: Duration, done: impl Fn() -> bool) {
    let _ = tokio::time::timeout(time, async { while wait(signals, DRAINING, &done, || ()).await.is_some() {} }).await;
}

fn serve_admin(topology: &Topology, readiness: &Readiness, filter: LogFilter) -> anyhow::Result<Option<Admin>> {
    let Some(address) = topology.admin else {
        return Ok(None);
    };
    let services = Services { metrics: Metrics::collect()?, readiness: readiness.clone(), filter };
    let admin = Admin::start(address, services)?;
    tracing::info!(address = %admin.address(), "the admin address is served");
    Ok(Some(admin))
}

/// As many workers as there are CPUs for this process.
fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The signals that the process listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal says.
enum Told {
    /// To end; the name of the signal.
    End(&'static str),
    /// To open files again.
    Reopen,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End("SIGTERM"),
            _ = self.interrupt.recv() => Told::End("SIGINT"),
            _ = self.hangup.recv() => Told::Reopen,
        }
    }
}
