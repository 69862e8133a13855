//! The task of a connection: it establishes the socket, reads from it, and leads the connection from phase to phase.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::back_off::BackOff;
use super::connection::{ConnectionRef, Phase};
use super::disconnect::Loss;
use super::handshake::{self, Greeted, Trouble, greet, reset};
use super::identity::{Greeting, Identity};
use super::replay_buffer::ReplayBuffer;
use super::server_commands::{COMMAND, ServerCommands};
use super::single::SinglePlan;
use crate::ids::SessionId;
use crate::net::{ReadHalf, Remote, Stream};
use crate::turn_waker::TurnWaker;

/// The servers behind a sink: any of them can do the work, and one does at a time.
#[derive(Debug)]
pub(super) struct Servers {
    list: Vec<(Remote, Rc<str>)>,
    /// The one that was found to work.
    current: Cell<usize>,
    /// How long an attempt may take, with all that has to be said before the first request.
    pub(super) timeout: Duration,
    /// Whether they may send requests elsewhere.
    redirect: bool,
    /// How long the system took to connect, at best.
    distance: Cell<Option<Duration>>,
    /// How many requests they were sent, where those are kept.
    sent: Rc<Cell<u64>>,
    /// What they call their commands.
    pub(super) commands: Arc<ServerCommands>,
}

/// A connection that lasted so long was a good one.
const STABLE: Duration = Duration::from_secs(1);

/// How long a private connection that nobody needs is kept.
const IDLE: Duration = Duration::from_secs(60);

/// The connections that have brought something, and the sessions whose time has come, for the turn.
#[derive(Debug, Default)]
pub struct Ready {
    turn_waker: Rc<TurnWaker>,
    connections: RefCell<Vec<ConnectionRef>>,
    due: RefCell<Vec<SessionId>>,
}

impl Ready {
    /// A list that rings `turn_waker`.
    pub fn new(turn_waker: Rc<TurnWaker>) -> Self {
        Self { turn_waker, connections: RefCell::default(), due: RefCell::default() }
    }

    /// This one has.
    pub fn add(&self, connection: &ConnectionRef) {
        let mut connections = self.connections.borrow_mut();
        if !connections.last().is_some_and(|last| Rc::ptr_eq(last, connection)) {
            connections.push(connection.clone());
        }
        self.turn_waker.wake();
    }

    /// Move them to `to`, which is empty.
    pub fn take(&self, to: &mut Vec<ConnectionRef>) {
        std::mem::swap(&mut *self.connections.borrow_mut(), to);
    }

    /// The time has come for a session to try again.
    pub fn is_due(&self, session: SessionId) {
        self.due.borrow_mut().push(session);
        self.turn_waker.wake();
    }

    /// The sessions whose time has come.
    pub fn take_due(&self) -> Vec<SessionId> {
        self.due.take()
    }
}

impl Servers {
    /// The servers of a plan. `redirect`: whether they may send requests elsewhere.
    pub(super) fn new(plan: &SinglePlan, redirect: bool) -> Self {
        let named = |remote: Remote| {
            let name = remote.to_string().into();
            (remote, name)
        };
        Self {
            list: plan.servers.iter().cloned().map(named).collect(),
            current: Cell::new(0),
            timeout: plan.connect_timeout,
            redirect,
            distance: Cell::default(),
            sent: Rc::default(),
            commands: plan.commands.clone(),
        }
    }

    /// Whether there is a choice.
    pub(super) fn are_several(&self) -> bool {
        self.list.len() > 1
    }

    /// How long the system took to connect, at best; `None`: it never has.
    pub(super) fn distance(&self) -> Option<Duration> {
        self.distance.get()
    }

    /// How many requests they were sent since this was last asked, where they may send them elsewhere.
    pub(super) fn take_sent(&self) -> u64 {
        self.sent.take()
    }

    /// Where the requests of a connection to them are kept until they are answered.
    pub(super) fn kept(&self) -> Option<ReplayBuffer> {
        self.redirect.then(|| ReplayBuffer::counting(self.sent.clone()))
    }

    /// The name of the one that does the work.
    pub(super) fn current(&self) -> Rc<str> {
        self.list.get(self.current.get()).map_or_else(|| "".into(), |(_, name)| name.clone())
    }

    /// Connect to the first that works, beginning with the one that did last, and tell it what the connection is to be.
    async fn establish(&self, connection: &ConnectionRef) -> Result<(ReadHalf, Established), Loss> {
        let greeting = connection.borrow().greeting().clone();
        let mut loss = Loss { reason: "there is no server".to_owned(), refused: false };
        let first = self.current.get();
        for step in 0..self.list.len() {
            let at = (first + step) % self.list.len();
            let (remote, name) = &self.list[at];
            let attempt = async {
                let began = Instant::now();
                let stream: Stream = remote.connect().await.map_err(Trouble::Lost)?;
                let took = began.elapsed();
                self.distance.set(Some(self.distance.get().map_or(took, |best| best.min(took))));
                let (mut reader, writer) = stream.split();
                let greeted = greet(&mut reader, &writer, &self.commands, &greeting).await?;
                Ok((reader, Established { writer, greeted }))
            };
            let trouble = match within(self.timeout, attempt).await {
                Ok(established) => {
                    if self.current.replace(at) != at {
                        tracing::warn!(upstream = &**name, "another server takes over");
                    }
                    connection.borrow_mut().moved(name.clone());
                    return Ok(established);
                }
                Err(trouble) => trouble,
            };
            let refused = matches!(trouble, Trouble::Refused(_));
            let reason = trouble.into_reason();
            tracing::warn!(upstream = &**name, %reason, "cannot connect");
            loss = Loss { reason, refused };
        }
        Err(loss)
    }
}

/// A connection that has been told what it is to be.
struct Established {
    writer: crate::net::WriteHalf,
    greeted: Greeted,
}

/// As `attempt`, which fails when it takes longer than `limit`.
async fn within<T>(limit: Duration, attempt: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = |_| Err(Trouble::Lost(format!("no connection within {limit:?}")));
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(late)
}

/// The longest answer to a question of the proxy's own, in bytes: that of a cluster of a thousand nodes, with every slot in a range of its
/// own, is half as long.
const ANSWER: usize = 16 * 1024 * 1024;

/// Connect to a server as `identity`, ask it one question and hang up: the reply, or why there is none.
pub(super) async fn ask(
    remote: &Remote,
    identity: &Identity,
    commands: &ServerCommands,
    question: &[u8],
    limit: Duration,
) -> Result<BytesMut, String> {
    let attempt = async {
        let (mut reader, writer) = remote.connect().await.map_err(Trouble::Lost)?.split();
        greet(&mut reader, &writer, commands, &Greeting::shared(identity)).await?;
        handshake::ask(&mut reader, &writer, commands, question, ANSWER).await
    };
    within(limit, attempt).await.map_err(Trouble::into_reason)
}

/// Asks the server that does the work which commands it has.
pub(super) async fn learn_commands(servers: Rc<Servers>, greeting: Greeting) {
    let Some((remote, name)) = servers.list.get(servers.current.get()) else { return };
    let attempt = async {
        let (mut reader, writer) = remote.connect().await.map_err(Trouble::Lost)?.split();
        greet(&mut reader, &writer, &servers.commands, &greeting).await?;
        handshake::ask(&mut reader, &writer, &servers.commands, COMMAND, ANSWER).await
    };
    match within(servers.timeout, attempt).await {
        Ok(answer) => servers.commands.learn(&answer),
        Err(trouble) => {
            let reason = trouble.into_reason();
            tracing::debug!(upstream = &**name, %reason, "the server cannot be asked for its commands");
        }
    }
}

/// Keep a connection that sessions share up for as long as anybody needs it: it is established again whenever it is lost.
pub(super) async fn keep(connection: ConnectionRef, servers: Rc<Servers>, ready: Rc<Ready>) {
    let mut back_off = BackOff::default();
    while connection.borrow().phase() != Phase::Closed {
        connection.borrow_mut().connecting();
        let pause = match servers.establish(&connection).await {
            Ok((mut reader, established)) => {
                let since = Instant::now();
                connection.borrow_mut().ready(
                    Some(established.writer),
                    &established.greeted.heard,
                    established.greeted.id,
                );
                ready.add(&connection);
                if !servers.redirect && servers.commands.asks() {
                    let greeting = connection.borrow().greeting().clone();
                    tokio::task::spawn_local(learn_commands(servers.clone(), greeting));
                }
                let _counted = Counted::new("shared");
                if read(&connection, &mut reader, &ready).await {
                    // It did work: however soon it was lost, the next attempt need not wait as after many that failed.
                    back_off.reset();
                }
                told(&connection).await;
                // A server that takes connections only to drop them is not there either.
                if since.elapsed() >= STABLE {
                    back_off.reset();
                    continue;
                }
                Loss { reason: "lost as soon as it was established".to_owned(), refused: false }
            }
            Err(loss) => loss,
        };
        connection.borrow_mut().refused(pause);
        ready.add(&connection);
        tokio::time::sleep(back_off.next()).await;
    }
}

/// Lead a private connection from session to session until it is lost or closed, or nobody needs it any more.
pub(super) async fn lend(connection: ConnectionRef, servers: Rc<Servers>, ready: Rc<Ready>) {
    let (mut reader, established) = match servers.establish(&connection).await {
        Ok(established) => established,
        Err(loss) => {
            connection.borrow_mut().refused(loss);
            return ready.add(&connection);
        }
    };
    let _counted = Counted::new("private");
    connection.borrow_mut().ready(Some(established.writer), &established.greeted.heard, established.greeted.id);
    loop {
        ready.add(&connection);
        read(&connection, &mut reader, &ready).await;
        if connection.borrow().phase() != Phase::Reset || connection.borrow().is_lost() {
            break;
        }
        if !between(&connection, &mut reader, &servers, &ready).await {
            break;
        }
    }
    told(&connection).await;
    let _ = connection.borrow_mut().close();
    ready.add(&connection);
}

/// From one session to the next. Returns whether there is one.
async fn between(connection: &ConnectionRef, reader: &mut ReadHalf, servers: &Servers, ready: &Ready) -> bool {
    let Some(writer) = connection.borrow_mut().take_socket() else { return false };
    if let Err(trouble) = within(servers.timeout, reset(reader, &writer, &servers.commands)).await {
        tracing::debug!(reason = trouble.into_reason(), "a private connection cannot be reset and is closed");
        return false;
    }
    connection.borrow_mut().idle();
    ready.add(connection);
    // Anything that it sends now is nobody's, its end most of all.
    let taken = async {
        tokio::select! {
            phase = poll_fn(|context| connection.borrow_mut().poll_phase(Phase::Idle, context)) => phase == Phase::Dependencies,
            _ = poll_fn(|context| reader.poll_read_ready(context)) => false,
        }
    };
    if !tokio::time::timeout(IDLE, taken).await.unwrap_or(false) {
        // Unless a session took it at the very moment.
        if connection.borrow().phase() == Phase::Dependencies {
            connection.borrow_mut().refused(Loss { reason: "lost while it was idle".to_owned(), refused: false });
            ready.add(connection);
        }
        return false;
    }
    let greeting = connection.borrow().greeting().clone();
    match within(servers.timeout, greet(reader, &writer, &servers.commands, &greeting)).await {
        Ok(Greeted { heard, id }) => {
            connection.borrow_mut().ready(Some(writer), &heard, id);
            true
        }
        Err(trouble) => {
            let refused = matches!(trouble, Trouble::Refused(_));
            let reason = trouble.into_reason();
            tracing::warn!(upstream = &*servers.current(), %reason, "a private connection cannot be used");
            connection.borrow_mut().refused(Loss { reason, refused });
            ready.add(connection);
            false
        }
    }
}

/// Read until the connection is lost or is not for requests any more. Returns whether the server has sent anything.
async fn read(connection: &ConnectionRef, reader: &mut ReadHalf, ready: &Ready) -> bool {
    let mut heard = false;
    loop {
        let result = poll_fn(|context| connection.borrow_mut().poll_io(reader, context)).await;
        ready.add(connection);
        if result.is_err() {
            return heard;
        }
        heard = true;
    }
}

/// Wait until the turn has told those who waited for a lost connection.
async fn told(connection: &ConnectionRef) {
    while connection.borrow().is_lost() && connection.borrow().phase() != Phase::Closed {
        tokio::task::yield_now().await;
    }
}

/// An established connection, for as long as it counts as one.
struct Counted(metrics::Gauge);

impl Counted {
    fn new(kind: &'static str) -> Self {
        let gauge = metrics::gauge!("sluice_upstream_connections", "kind" => kind);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
