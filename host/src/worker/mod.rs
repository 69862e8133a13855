//! Workers: each a thread with its own event loop, sessions, instances and upstream connections. They share nothing in the hot path.
//!
//! ```text
//!  session tasks (`reader`)           the turn (`turn`)                                   session tasks
//!  read ─► take in (`intake`) ─► one vector ─► chain ─► `routing` ─► one write per upstream
//!                                  one write per client ◄─ `deliver` in order ◄─ replies ◄─ read
//! ```
//!
//! The task of a session reads its socket, finds the requests and adds them to the vector of its source. The first to do so rings the
//! turn_waker, which puts the turn at the end of the run queue: it runs when all sessions that were ready have read. The turn never waits
//! and never leaves anything half done, so no other task ever sees a worker in the middle of one.

mod busy;
mod connection_counts;
mod deliver;
mod directory;
mod draining;
mod intake;
mod linger;
mod metrics;
mod plan;
mod proxy;
mod reader;
mod reply_queue;
mod session;
mod sessions;
mod staged;
mod swap;
mod turn;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, WeakUnboundedSender};

pub use draining::Drain;
pub use plan::{ChainPlan, OutputLimits, SessionLimits, SourcePlan};
pub use proxy::{Proxy, StartError};
pub use swap::Swapper;

use crate::chain::{Chain, ResponsePaths, Vector};
use crate::ids::{MessageIds, SessionId};
use crate::net::{Client, Incoming, ListenPlan, Peer, Refusal};
use crate::plugin::SessionDirectory;
use crate::routing::{self, Clients, Routes};
use crate::traffic::{Log, Tap};
use crate::turn_waker::TurnWaker;
use crate::upstream::{ConnectionRef, Ready};
use busy::Busy;
use connection_counts::ConnectionCounts;
use deliver::Delivery;
use directory::Directory;
use draining::Draining;
use linger::LINGER;
use metrics::WorkerMetrics;
use reader::Reader;
use session::Session;
use sessions::Sessions;
use staged::Staged;

/// How often a worker looks after what happens by itself, or does not: timeouts, silence, subscribers without a connection.
const TICK: Duration = Duration::from_millis(100);

const TICKS_A_SECOND: u32 = 10;

/// The state of a worker. Its tasks borrow it for as long as they do not wait.
pub(crate) struct Worker {
    index: usize,
    sources: Vec<Source>,
    routes: Routes<Delivery>,
    delivery: Delivery,
    ids: MessageIds,
    directory: Rc<Directory>,
    turn_waker: Rc<TurnWaker>,
    ready: Rc<Ready>,
    /// The memory of the list of connections that have brought something.
    received: Vec<ConnectionRef>,
    /// The sources whose clients have sent something.
    sent: Busy,
    /// The sources whose upstream has more to take than it should.
    congested: Busy,
    /// Counts ticks.
    ticks: u32,
    /// Where it is told what to do.
    commands: WeakUnboundedSender<WorkerCommand>,
    /// How many connections there are: those of sessions, and those that linger.
    open: usize,
    /// Once it drains.
    draining: Option<Draining>,
}

/// A source as one worker serves it.
struct Source {
    name: Arc<str>,
    listen: Arc<ListenPlan>,
    limits: Rc<SessionLimits>,
    sessions: Arc<ConnectionCounts>,
    /// What clients have sent and the next turn will carry.
    inbox: Vector,
    chain: Chain,
    /// The chains that it had before, as long as requests that began with them are in flight.
    retired: Vec<Chain>,
    /// Whether its upstream has more to take than it should: its sessions are not read from.
    congested: bool,
    /// Sessions that are not read from until it has.
    held: Vec<SessionId>,
    /// Where requests are chosen that are logged.
    tap: Option<Tap>,
}

impl Source {
    /// Has a session wait until the upstream has taken what there is.
    fn hold(&mut self, session: &mut Session) {
        if !session.held {
            session.held = true;
            self.held.push(session.id);
        }
    }
}

/// What a worker is told.
enum WorkerCommand {
    /// A client has connected to the source at this position.
    Serve(Incoming, usize),
    /// Disconnect a client.
    HangUp(SessionId),
    /// Go on with other chains.
    Swap(swap::Swap),
    /// Read from no client any more, the last one after this time; when all are answered, end.
    Drain(Duration),
    /// End now.
    Stop,
}

/// What a worker is made of.
struct WorkerPlan {
    index: usize,
    sources: Vec<(SourcePlan, Arc<ConnectionCounts>)>,
    /// The traffic log of each source.
    logs: Vec<Option<Log>>,
    /// The clients of all workers.
    clients: Arc<Clients>,
    /// Where it is told what to do.
    commands: WeakUnboundedSender<WorkerCommand>,
}

impl Worker {
    /// Make a worker; must be called inside of its runtime.
    fn new(plan: WorkerPlan) -> Self {
        let turn_waker = Rc::new(TurnWaker::default());
        let ready = Rc::new(Ready::new(turn_waker.clone()));
        let directory = Rc::new(Directory::default());
        let number = plan.index as u8;
        let metrics = WorkerMetrics::new(number, plan.sources.iter().map(|(source, _)| source.name.clone()));
        let visible: Rc<dyn SessionDirectory> = directory.clone();
        let sinks = plan.sources.iter().map(|(source, _)| routing::sink(&source.sink, &ready)).collect();
        let count = plan.sources.len();
        let sessions = Sessions::of_worker(number);
        let sources = plan
            .sources
            .into_iter()
            .zip(plan.logs)
            .map(|((source, sessions), log)| Source {
                tap: source
                    .traffic_log
                    .as_ref()
                    .zip(log)
                    .map(|(plan, log)| Tap::new(plan, log, source.name.clone(), visible.clone())),
                listen: Arc::new(source.listen),
                limits: Rc::new(source.limits),
                sessions,
                inbox: match source.sink.commands() {
                    Some(commands) => Vector::with_names(Rc::new(move |name, word| commands.renamed(name, word))),
                    None => Vector::default(),
                },
                chain: Chain::new(&source.chain, &visible),
                retired: Vec::new(),
                congested: false,
                held: Vec::new(),
                name: source.name,
            })
            .collect();
        Self {
            index: plan.index,
            sources,
            routes: Routes::new(sinks, plan.clients),
            commands: plan.commands,
            delivery: Delivery {
                sessions,
                trails: ResponsePaths::default(),
                metrics,
                staged: Staged::of(count),
                now: Instant::now(),
            },
            ids: MessageIds::of_worker(number),
            directory,
            turn_waker,
            ready,
            received: Vec::new(),
            sent: Busy::of(count),
            congested: Busy::of(count),
            ticks: 0,
            open: 0,
            draining: None,
        }
    }

    /// Do as told until there is nothing left to do.
    async fn run(plan: WorkerPlan, mut commands: UnboundedReceiver<WorkerCommand>) {
        let worker = Rc::new(RefCell::new(Self::new(plan)));
        let turn_waker = worker.borrow().turn_waker.clone();
        let mut turns = tokio::task::spawn_local({
            let worker = worker.clone();
            async move {
                loop {
                    poll_fn(|context| turn_waker.poll_woken(context)).await;
                    // One more look at the sockets before the turn: what has arrived meanwhile shares its writes and its crossings, which
                    // cost more than the look.
                    tokio::task::yield_now().await;
                    worker.borrow_mut().turn();
                    let worker = worker.borrow();
                    if let Some(draining) = &worker.draining
                        && worker.open == 0
                    {
                        draining.done();
                    }
                }
            }
        });
        let drained = Arc::new(tokio::sync::Notify::new());
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(WorkerCommand::Serve(incoming, source)) => Self::serve(&worker, incoming, source),
                    Some(WorkerCommand::HangUp(id)) => worker.borrow_mut().hang_up(id),
                    Some(WorkerCommand::Swap(swap)) => worker.borrow_mut().swap(&swap),
                    Some(WorkerCommand::Drain(spread)) => worker.borrow_mut().drain(spread, drained.clone()),
                    Some(WorkerCommand::Stop) | None => break,
                },
                () = drained.notified() => break,
                // It never ends by itself: the worker has failed, and says so by ending with it.
                _ = &mut turns => return,
                _ = ticks.tick() => worker.borrow_mut().tend(),
            }
        }
        turns.abort();
    }

    /// Serve a client from its first byte to its last, in a task of its own.
    fn serve(worker: &Rc<RefCell<Self>>, incoming: Incoming, at: usize) {
        let listen = worker.borrow().sources[at].listen.clone();
        let worker = worker.clone();
        tokio::task::spawn_local(async move {
            // What greeting a client takes, a handshake above all, is not kept for as long as it stays.
            match Box::pin(incoming.admit(&listen)).await {
                Ok(client) => {
                    let mut reader = Self::begin(&worker, client, at);
                    poll_fn(|context| reader.poll(context)).await;
                    if let Some(socket) = reader.into_socket() {
                        Box::pin(LINGER.read(socket)).await;
                    }
                    worker.borrow_mut().left(at);
                }
                Err((peer, refusal)) => worker.borrow().refused(&peer, &refusal, at),
            }
        });
    }

    /// Begin a session.
    fn begin(worker: &Rc<RefCell<Self>>, client: Client, at: usize) -> Reader {
        let this = &mut *worker.borrow_mut();
        let source = &this.sources[at];
        let (reader, writer) = client.stream.split();
        let (limits, routes) = (source.limits.clone(), &mut this.routes);
        let commands = this.commands.clone();
        let id = this.delivery.sessions.add(|id| {
            let hang_up = move || {
                if let Some(commands) = commands.upgrade() {
                    // A worker that has ended has no clients.
                    let _ = commands.send(WorkerCommand::HangUp(id));
                }
            };
            Session::new(id, at, limits, writer, routes.add(id, at, Box::new(hang_up)))
        });
        if let Some(route) = this.routes.get(id) {
            this.directory.add(id, source.name.clone(), client.peer, client.tls_subject, route.state().clone());
        }
        this.open += 1;
        if this.draining.is_some() {
            this.end(id);
            this.turn_waker.wake();
        }
        Reader::new(worker.clone(), id, reader)
    }

    /// What connected was not a client of this source.
    fn refused(&self, peer: &Peer, refusal: &Refusal, at: usize) {
        let source = &self.sources[at];
        source.sessions.leave(self.index);
        if refusal.is_silent() {
            tracing::debug!(source = &*source.name, %peer, reason = %refusal, "client refused");
        } else {
            tracing::warn!(source = &*source.name, %peer, reason = %refusal, "client refused");
        }
    }

    /// The connection of a client of this source is over.
    fn left(&mut self, at: usize) {
        self.open -= 1;
        self.sources[at].sessions.leave(self.index);
        if self.draining.is_some() {
            self.turn_waker.wake();
        }
    }

    /// Reads from no client any more, the last one after `spread`, and tells `done` when all are
    /// answered.
    fn drain(&mut self, spread: Duration, done: Arc<tokio::sync::Notify>) {
        let sessions = self.delivery.sessions.ids();
        self.draining = Some(Draining::new(sessions, spread, Instant::now(), done));
        self.end_due();
        self.turn_waker.wake();
    }

    /// Ends the sessions whose time has come while it drains.
    fn end_due(&mut self) {
        let due = self.draining.as_mut().map(|draining| draining.due(Instant::now()));
        due.into_iter().flatten().for_each(|id| self.end(id));
    }

    /// Disconnects a client, whatever is in flight.
    fn hang_up(&mut self, id: SessionId) {
        if let Some(session) = self.delivery.sessions.get(id) {
            session.life = session::Life::Gone;
        }
        self.delivery.sessions.mark_ready(id);
        self.turn_waker.wake();
    }

    fn end(&mut self, id: SessionId) {
        if let Some(session) = self.delivery.sessions.get(id) {
            session.end();
        }
        self.delivery.sessions.mark_ready(id);
    }
}
