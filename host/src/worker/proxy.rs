//! The proxy as a whole: listeners, and the workers that their clients go to.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection_counts::{ConnectionCounts, Workers};
use super::draining::Drain;
use super::linger::LINGER;
use super::swap::Swapper;
use super::{SourcePlan, Worker, WorkerCommand, WorkerPlan};
use crate::net::{Address, Incoming, Listener};
use crate::routing::Clients;
use crate::traffic::{OpenError, Writers};

/// A running proxy. Dropping it ends it at once; [`Proxy::shutdown`] lets it finish.
pub struct Proxy {
    workers: Vec<(UnboundedSender<WorkerCommand>, JoinHandle<()>)>,
    /// Told when no more clients are to be accepted.
    closing: watch::Sender<bool>,
    acceptor: Option<JoinHandle<()>>,
    /// Last: workers have lines for it until they end.
    traffic: Writers,
}

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot have its address.
    #[error("source '{source_name}' cannot listen on {address}: {error}")]
    Listen {
        /// The source.
        source_name: String,
        /// The address that it asked for.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
    /// A traffic log cannot be written.
    #[error("source '{source_name}': {error}")]
    TrafficLog {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: OpenError,
    },
    /// A thread or its event loop cannot be made.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
}

/// The most workers: their number is a part of message IDs.
const MOST_WORKERS: usize = 256;

/// How many tasks run before the event loop looks for new events. A turn wants all that is ready, so this is more than the usual 61.
const TASKS_BEFORE_EVENTS: u32 = 256;

/// What the acceptor knows of a source.
struct SourceHandle {
    position: usize,
    counts: Arc<ConnectionCounts>,
    name: Arc<str>,
}

impl Proxy {
    /// Listen for the clients of `sources` and serve them with `workers` threads (at least 1, at most 256).
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing is left running.
    pub fn start(sources: Vec<SourcePlan>, workers: usize) -> Result<Self, StartError> {
        let count = workers.clamp(1, MOST_WORKERS);
        let everybody = Workers::new(count);
        let mut listeners = Vec::new();
        let mut plans = Vec::new();
        let mut traffic = Writers::default();
        let mut logs = Vec::new();
        for (at, source) in sources.into_iter().enumerate() {
            let socket = Listener::bind(&source.listen).map_err(|error| StartError::Listen {
                source_name: source.name.to_string(),
                address: source.listen.address.clone(),
                error,
            })?;
            let log = source.traffic_log.as_ref().map(|plan| traffic.open(plan)).transpose();
            logs.push(log.map_err(|error| StartError::TrafficLog { source_name: source.name.to_string(), error })?);
            let counts = ConnectionCounts::new(&source.name, source.connection_limit, &everybody);
            let handle = SourceHandle { position: at, counts: counts.clone(), name: source.name.clone() };
            listeners.push((socket, handle));
            plans.push((source, counts));
        }
        let (closing, closed) = watch::channel(false);
        let mut proxy = Self { workers: Vec::new(), closing, acceptor: None, traffic };
        let clients = Arc::new(Clients::default());
        for index in 0..count {
            let (sources, logs, clients) = (plans.clone(), logs.clone(), clients.clone());
            let worker = start_worker(|commands| WorkerPlan { index, sources, logs, clients, commands })?;
            proxy.workers.push(worker);
        }
        for (listener, source) in &listeners {
            tracing::info!(source = &*source.name, address = %listener.address(), "listening");
        }
        let commands = proxy.workers.iter().map(|(commands, _)| commands.clone()).collect();
        proxy.acceptor = Some(start_acceptor(listeners, commands, closed)?);
        Ok(proxy)
    }

    /// Accepts no more clients, reads no more requests, answers those in flight, and ends: as
    /// `drain` says. Returns whether everything was answered. What is waited for is bounded by
    /// `drain` alone: no name that does not resolve, and no peer, keeps it.
    pub fn shutdown(mut self, drain: Drain) -> bool {
        std::thread::sleep(drain.delay);
        let deadline = Instant::now() + drain.timeout;
        self.closing.send_replace(true);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for (commands, _) in &self.workers {
            let _ = commands.send(WorkerCommand::Drain(drain.spread));
        }
        while Instant::now() < deadline && !self.workers.iter().all(|(_, thread)| thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let answered = self.workers.iter().all(|(_, thread)| thread.is_finished());
        for (commands, _) in &self.workers {
            let _ = commands.send(WorkerCommand::Stop);
        }
        for (_, thread) in self.workers.drain(..) {
            let _ = thread.join();
        }
        answered
    }

    /// What gives its sources other chains while they run. It does not keep the proxy alive.
    pub fn swapper(&self) -> Swapper {
        Swapper::new(self.workers.iter().map(|(commands, _)| commands.downgrade()).collect())
    }

    /// Open the files of traffic logs again, after they have been moved away.
    pub fn reopen_logs(&self) {
        self.traffic.reopen();
    }

    /// Whether a worker has ended although nobody asked it to.
    pub fn has_failed(&self) -> bool {
        self.workers.iter().any(|(_, thread)| thread.is_finished())
    }
}

/// Starts a worker. `plan`: what it is made of, given where it is told what to do.
fn start_worker(
    plan: impl FnOnce(WeakUnboundedSender<WorkerCommand>) -> WorkerPlan,
) -> io::Result<(UnboundedSender<WorkerCommand>, JoinHandle<()>)> {
    let (sender, commands) = unbounded_channel();
    let plan = plan(sender.downgrade());
    // The runtime stays on the thread that it is made on; whether it could be made is what the caller waits for.
    let (made, result) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker-{}", plan.index)).spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(TASKS_BEFORE_EVENTS)
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = made.send(Ok(()));
                runtime.block_on(Worker::run(plan, commands));
                // A name that is being looked up is waited for by nobody.
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = made.send(Err(error));
            }
        }
    })?;
    result.recv().unwrap_or_else(|_| Err(io::Error::other("the worker ended before it began")))?;
    Ok((sender, thread))
}

fn start_acceptor(
    listeners: Vec<(Listener, SourceHandle)>,
    workers: Vec<UnboundedSender<WorkerCommand>>,
    closed: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let mut tasks = JoinSet::new();
            for (listener, source) in listeners {
                tasks.spawn(accept(listener, source, workers.clone(), closed.clone()));
            }
            tasks.join_all().await;
        });
    })
}

async fn accept(
    listener: Listener,
    source: SourceHandle,
    workers: Vec<UnboundedSender<WorkerCommand>>,
    mut closed: watch::Receiver<bool>,
) {
    let acceptor = match listener.into_acceptor() {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(source = &*source.name, %error, "cannot accept clients"),
    };
    let mut refused = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => return,
        };
        let incoming = match accepted {
            Ok(incoming) => incoming,
            Err(error) => {
                // Out of file descriptors, most likely: they come back when clients leave.
                tracing::warn!(source = &*source.name, %error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match source.counts.enter() {
            Some(worker) => {
                if workers[worker].send(WorkerCommand::Serve(incoming, source.position)).is_err() {
                    source.counts.leave(worker);
                }
            }
            None => refuse(&source, incoming, &mut refused),
        }
    }
}

/// How many of those that a source has refused may still send: others are closed at once.
const REFUSED: usize = 64;

/// There are as many clients as there may be: says so as the server does.
fn refuse(source: &SourceHandle, incoming: Incoming, refused: &mut JoinSet<()>) {
    tracing::warn!(source = &*source.name, peer = %incoming.peer, "refused: the source has as many clients as its connection_limit allows");
    metrics::counter!("sluice_sessions_refused_total", "source" => source.name.to_string()).increment(1);
    while refused.try_join_next().is_some() {}
    if let Ok(socket) = incoming.refuse(b"-ERR max number of clients reached\r\n")
        && refused.len() < REFUSED
    {
        refused.spawn(LINGER.read(socket));
    }
}
