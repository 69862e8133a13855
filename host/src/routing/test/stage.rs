//! A sink, its connections in the hands of the test, and the steps of a worker's turn.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::{LocalEnterGuard, LocalSet};

use super::worker::FakeWorker;
use crate::chain::vector::lookup;
use crate::chain::{Outcome, Vector};
use crate::cluster::Slot;
use crate::ids::{MessageIds, PathId, SessionId};
use crate::net::{Endpoint, Remote};
use crate::resp::encode;
use crate::routing::flow::Links;
use crate::routing::session_state::SharedState;
use crate::routing::sink::Sink;
use crate::routing::{Route, Router, Routes, Run, SinkPlan, sink};
use crate::turn_waker::TurnWaker;
use crate::upstream::{
    Cluster, ClusterPlan, ConnectionRef, Discovery, InFlight, Phase, Pipelining, PrivateLimits, ReadFrom, Ready,
    Single, SinglePlan,
};

/// All that a test plays with.
pub(super) struct Stage {
    pub(super) routes: Routes<FakeWorker>,
    pub(super) worker: FakeWorker,
    upstream: Upstream,
    discovery: Arc<Discovery>,
    ids: MessageIds,
    sessions: Vec<SessionId>,
    /// How many there have been.
    count: u32,
    /// The sessions that others have had disconnected.
    pub(super) hung_up: Arc<Mutex<Vec<SessionId>>>,
    /// What was written on each connection and not looked at.
    written: Vec<(ConnectionRef, Vec<String>)>,
    /// Behind everything that spawns: the tasks of connections are spawned here and never polled.
    _guard: LocalEnterGuard,
    _tasks: LocalSet,
}

enum Upstream {
    Nothing,
    Single(Rc<Single>),
    Cluster(Rc<Cluster>),
}

/// How long a session waits for an exclusive connection.
pub(super) const WAIT: Duration = Duration::from_secs(5);
pub(super) const UNKNOWN: &str =
    "-ERR the upstream was lost before it answered; whether this request was executed is unknown";
pub(super) const NO_CONNECTION: &str =
    "-ERR no private upstream connection became free in time; this request was not sent";

/// For how long a request is retried.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Three nodes, each with the slot of the key that is called as it is.
pub(super) const MAP: &[(u16, u16, &str)] = &[(0, 5460, "b"), (5461, 10_922, "c"), (10_923, 16_383, "a")];

/// What is written to a server with a request.
pub(super) type Sent = Vec<String>;

impl Stage {
    /// One server.
    pub(super) fn single() -> Self {
        Self::single_as(|_| {})
    }

    /// One server, with something changed in the plan.
    pub(super) fn single_as(change: impl FnOnce(&mut SinglePlan)) -> Self {
        let mut plan = plan();
        change(&mut plan);
        Self::new(|ready| {
            let single = Rc::new(Single::new(&plan, ready));
            (Upstream::Single(single.clone()), single)
        })
        .begun()
    }

    /// No server.
    pub(super) fn null() -> Self {
        Self::new(|ready| (Upstream::Nothing, sink(&SinkPlan::Null, ready)))
    }

    /// Three nodes, by [`MAP`].
    pub(super) fn cluster() -> Self {
        Self::cluster_as(|_| {})
    }

    /// Three nodes, with something changed in the plan.
    pub(super) fn cluster_as(change: impl FnOnce(&mut ClusterPlan)) -> Self {
        let mut stage = Self::unknown_cluster_as(change);
        stage.map(MAP);
        stage.begun()
    }

    /// A cluster whose nodes are not known yet.
    pub(super) fn unknown_cluster_as(change: impl FnOnce(&mut ClusterPlan)) -> Self {
        let mut plan = ClusterPlan {
            contacts: vec![remote("contact:1")],
            node: plan(),
            refresh_interval: Duration::from_secs(3600),
            retry_timeout: RETRY,
            read_from: ReadFrom::Primary,
            discovery: Arc::default(),
        };
        change(&mut plan);
        let discovery = plan.discovery.clone();
        let stage = Self::new(|ready| {
            let cluster = Rc::new(Cluster::new(&plan, ready));
            (Upstream::Cluster(cluster.clone()), cluster)
        });
        Self { discovery, ..stage }
    }

    fn new(make: impl FnOnce(&Rc<Ready>) -> (Upstream, Rc<dyn Sink<FakeWorker>>)) -> Self {
        let tasks = LocalSet::new();
        let guard = tasks.enter();
        let (upstream, sink) = make(&Rc::new(Ready::new(Rc::new(TurnWaker::default()))));
        Self {
            routes: Routes::new(vec![sink], Arc::default()),
            worker: FakeWorker::new(Instant::now()),
            upstream,
            discovery: Arc::default(),
            ids: MessageIds::of_worker(0),
            sessions: Vec::new(),
            count: 0,
            hung_up: Arc::default(),
            written: Vec::new(),
            _guard: guard,
            _tasks: tasks,
        }
    }

    /// All shared connections that there are now are established.
    fn begun(mut self) -> Self {
        self.establish_shared();
        self
    }

    // --- the client ---

    /// A client connects. It takes the first place that is free, as in the worker's table.
    pub(super) fn join(&mut self) -> SessionId {
        self.count += 1;
        let free = (0..).find(|place| self.sessions.iter().all(|other| other.place() != *place));
        let id = SessionId::new(0, free.unwrap_or_default(), self.count);
        self.sessions.push(id);
        self.worker.add(id);
        let hung_up = self.hung_up.clone();
        let hang_up = Box::new(move || hung_up.lock().unwrap().push(id));
        let _: SharedState = self.routes.add(id, 0, hang_up);
        id
    }

    /// A client sends requests in one write, one a line.
    pub(super) fn send(&mut self, session: SessionId, lines: &[&str]) {
        let requests: Vec<_> = lines.iter().map(|line| (*line, PathId::NONE, None)).collect();
        self.send_as(session, &requests);
    }

    /// A client sends requests in one write, each with the trail and the outcome that the chain has
    /// given it.
    pub(super) fn send_as(&mut self, session: SessionId, requests: &[(&str, PathId, Option<Outcome>)]) {
        // Another turn.
        self.worker.now += Duration::from_micros(1);
        let mut vector = Vector::default();
        vector.begin_run(session);
        for (line, trail, outcome) in requests {
            self.push(&mut vector, line, *trail);
            if let Some(outcome) = outcome {
                vector.end(vector.len() - 1, outcome.clone());
            }
        }
        vector.end_run(vector.size());
        let sink = self.routes.sink(0).clone();
        let (together, view, clients) = (sink.takes_several(), sink.view(), self.routes.clients().clone());
        if let Some(route) = self.routes.get(session) {
            let (vector, sink, view, clients) = (&vector, &*sink, view.as_ref(), &*clients);
            let replies = &mut self.worker;
            Run { vector, sink, clients, view, together, route, replies }.route(0..vector.len());
        }
        self.worker.note(session);
        self.look();
    }

    fn push(&mut self, vector: &mut Vector, line: &str, trail: PathId) {
        let mut frame = Vec::new();
        encode::request(&mut frame, line.split(' ').map(str::as_bytes));
        let (start, first) = (vector.arena_mut().append(&frame), vector.arguments_mut().len());
        let range = start..start + frame.len();
        vector.scan(range.start, range.end).unwrap();
        let command = lookup(&vector.arguments_at(range.clone(), first));
        vector.push(self.ids.issue(), range, first, command, trail);
    }

    /// What a client has been told since this was last asked.
    pub(super) fn told(&mut self, session: SessionId) -> Vec<String> {
        self.worker.take_told(session)
    }

    /// A client has closed its connection.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.routes.remove(session, &mut self.worker);
        self.worker.remove_session(session);
        self.sessions.retain(|other| *other != session);
    }

    pub(super) fn route(&mut self, session: SessionId) -> &mut Route {
        self.routes.get(session).unwrap()
    }

    // --- the servers ---

    /// The connection to the only server that sessions share which are nobody in particular.
    pub(super) fn shared(&mut self) -> ConnectionRef {
        self.shared_at("")
    }

    /// The newest connection to this node that sessions share.
    pub(super) fn shared_at(&mut self, node: &str) -> ConnectionRef {
        self.with_node(node, Single::shared_connections).into_iter().rfind(is_open).unwrap()
    }

    /// All connections that sessions share.
    pub(super) fn all_shared(&self) -> Vec<ConnectionRef> {
        match &self.upstream {
            Upstream::Nothing => Vec::new(),
            Upstream::Single(single) => single.shared_connections(),
            Upstream::Cluster(cluster) => {
                cluster.nodes().iter().flat_map(|node| node.connections.shared_connections()).collect()
            }
        }
    }

    /// The newest connection to the only server that is one session's; established.
    pub(super) fn lent(&mut self) -> ConnectionRef {
        self.lent_at("")
    }

    /// The newest connection to this node that is one session's; established.
    pub(super) fn lent_at(&mut self, node: &str) -> ConnectionRef {
        let connection = self.private_at(node).pop().unwrap();
        self.establish(&connection);
        connection
    }

    /// The connections to this node that are one session's, or were.
    pub(super) fn private_at(&self, node: &str) -> Vec<ConnectionRef> {
        self.with_node(node, Single::private_connections).into_iter().filter(is_open).collect()
    }

    fn with_node<T>(&self, node: &str, act: impl FnOnce(&Single) -> T) -> T {
        match &self.upstream {
            Upstream::Nothing => unreachable!("there is no server"),
            Upstream::Single(single) => act(single),
            Upstream::Cluster(cluster) => {
                let address = format!("{node}:1");
                let node = cluster.nodes().into_iter().find(|other| *other.address == *address).unwrap();
                act(&node.connections)
            }
        }
    }

    /// All shared connections that there are now are established.
    pub(super) fn establish_shared(&mut self) {
        let all = self.all_shared();
        all.iter().for_each(|connection| self.establish(connection));
    }

    /// A connection is established, unless it is already.
    pub(super) fn establish(&mut self, connection: &ConnectionRef) {
        let phase = connection.borrow().phase();
        if matches!(phase, Phase::Connecting | Phase::Dependencies | Phase::Down) {
            connection.borrow_mut().establish();
            self.receive(connection);
        }
    }

    /// What was written on a connection since this was last asked.
    pub(super) fn sent(&mut self, connection: &ConnectionRef) -> Sent {
        std::mem::take(self.take_written(connection))
    }

    /// What was written last on a connection and not looked at.
    pub(super) fn written_last(&mut self, connection: &ConnectionRef) -> Option<String> {
        self.take_written(connection).last().cloned()
    }

    fn take_written(&mut self, connection: &ConnectionRef) -> &mut Sent {
        let lines = connection.borrow_mut().written();
        let known = self.written.iter().position(|(other, _)| Rc::ptr_eq(other, connection));
        let at = known.unwrap_or_else(|| {
            self.written.push((connection.clone(), Vec::new()));
            self.written.len() - 1
        });
        self.written[at].1.extend(lines);
        &mut self.written[at].1
    }

    /// The server at the other end sends frames; everything that waited is written before.
    pub(super) fn reply(&mut self, connection: &ConnectionRef, frames: &[&str]) {
        self.take_written(connection);
        frames.iter().for_each(|frame| connection.borrow_mut().feed(&bytes(frame)));
        self.receive(connection);
    }

    /// A connection is lost. What waits on it is not written.
    pub(super) fn lose(&mut self, connection: &ConnectionRef) {
        connection.borrow_mut().break_off();
        self.receive(connection);
    }

    /// The server refuses what a connection says of its session.
    pub(super) fn refuse(&mut self, connection: &ConnectionRef) {
        connection.borrow_mut().refuse();
        self.receive(connection);
    }

    /// The server has reset a connection that was given back; it waits for a session.
    pub(super) fn recycle(&mut self, connection: &ConnectionRef) {
        connection.borrow_mut().come_to_rest();
        self.receive(connection);
    }

    /// The turn takes what a connection has brought.
    pub(super) fn receive(&mut self, connection: &ConnectionRef) {
        connection.borrow_mut().receive(&mut Router { routes: &mut self.routes, replies: &mut self.worker });
        if matches!(connection.borrow().phase(), Phase::Idle | Phase::Closed) {
            self.router().lend();
        }
        self.look();
    }

    // --- the cluster ---

    /// The cluster says who serves which slots: the first, the last and the node, and replicas
    /// behind commas.
    pub(super) fn map(&mut self, ranges: &[(u16, u16, &str)]) {
        let mut answer = format!("*{}\r\n", ranges.len());
        for (first, last, nodes) in ranges {
            let nodes: Vec<&str> = nodes.split(',').collect();
            answer += &format!("*{}\r\n:{first}\r\n:{last}\r\n", 2 + nodes.len());
            for node in nodes {
                answer += &format!("*3\r\n${}\r\n{node}\r\n:1\r\n${}\r\n{node}\r\n", node.len(), node.len());
            }
        }
        self.discovery.hear(answer.as_bytes());
        let _ = self.routes.sink(0).view();
        self.establish_shared();
    }

    // --- the turn ---

    pub(super) fn router(&mut self) -> Router<'_, FakeWorker> {
        Router { routes: &mut self.routes, replies: &mut self.worker }
    }

    /// The turn looks at the sessions to which something has happened.
    pub(super) fn look(&mut self) {
        loop {
            let noted = self.worker.take_noted();
            if noted.is_empty() {
                return;
            }
            noted.into_iter().for_each(|id| self.router().poll(id));
        }
    }

    /// Time passes, and at its end the tick: sessions that wanted to be looked at are.
    pub(super) fn pass(&mut self, time: Duration) {
        self.worker.now += time;
        let now = self.worker.now;
        for id in self.sessions.clone() {
            let Some(Route { links: Links::Cluster(route), .. }) = self.routes.get(id) else { continue };
            if route.timer.is_some_and(|timer| timer <= now) {
                self.worker.note(id);
            }
        }
        self.look();
        self.tick();
    }

    /// The worker looks after what happens by itself.
    pub(super) fn tick(&mut self) {
        self.router().tend();
        for id in self.worker.take_later() {
            self.router().resubscribe(id);
        }
        self.router().lend();
        self.look();
    }
}

fn plan() -> SinglePlan {
    SinglePlan {
        servers: vec![remote("server:1")],
        connect_timeout: Duration::from_secs(1),
        request_timeout: None,
        health_interval: None,
        connections: 1,
        pipelining: Pipelining::Auto,
        in_flight: InFlight::default(),
        private: PrivateLimits { limit: 2, idle: 2, wait: WAIT },
        credentials: None,
        commands: Arc::default(),
        epoch: Arc::default(),
        hangs_up: false,
        rewrite: None,
    }
}

fn remote(address: &str) -> Remote {
    Remote { endpoint: Endpoint::Tcp(address.into()), tls: None }
}

fn is_open(connection: &ConnectionRef) -> bool {
    connection.borrow().phase() != Phase::Closed
}

/// A frame as a test writes it.
pub(super) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "|");
    text.strip_suffix('|').unwrap_or(&text).to_owned()
}

/// The bytes of a frame that a test has written.
pub(super) fn bytes(frame: &str) -> Vec<u8> {
    format!("{}\r\n", frame.replace('|', "\r\n")).into_bytes()
}

/// The error by which a node sends a request to another one.
pub(super) fn redirect(word: &str, key: &str, node: &str) -> String {
    format!("-{word} {} {node}:1", Slot::of(key.as_bytes()).number())
}
