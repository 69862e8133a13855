//! The connections that sessions of a worker share: a few for each [`Identity`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::connection::{Connection, ConnectionRef};
use super::dial::{Ready, Servers, keep};
use super::identity::{Greeting, Identity, Own};
use super::pipeline_limit::{InFlight, PipelineLimit, Pipelining};

/// How long the connections of an identity are kept without a session.
const UNUSED: Duration = Duration::from_secs(30);

/// What all shared connections of a sink have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sharing {
    /// How many connections there are for each identity.
    pub(super) connections: usize,
    pub(super) pipelining: Pipelining,
    pub(super) in_flight: InFlight,
}

/// The shared connections of one worker to one sink.
#[derive(Debug)]
pub(super) struct Shared {
    servers: Rc<Servers>,
    ready: Rc<Ready>,
    sharing: Sharing,
    pools: RefCell<HashMap<Rc<Identity>, Pool>>,
    /// All connections of all pools, to go through.
    all: RefCell<Vec<ConnectionRef>>,
}

/// The connections of one identity.
#[derive(Debug)]
struct Pool {
    connections: Vec<ConnectionRef>,
    /// Which of them the next session gets.
    next: usize,
    sessions: usize,
    /// Since when there is no session.
    unused: Option<Instant>,
    /// ReplayBuffer without sessions too.
    stays: bool,
}

impl Shared {
    pub(super) fn new(servers: Rc<Servers>, ready: Rc<Ready>, sharing: Sharing) -> Self {
        Self { servers, ready, sharing, pools: RefCell::default(), all: RefCell::default() }
    }

    /// Connect before the first session comes, and stay connected.
    pub(super) fn prepare(&self, identity: &Rc<Identity>) {
        let pool = self.open(identity, true);
        self.pools.borrow_mut().insert(identity.clone(), pool);
    }

    /// A session of this identity joins: the connection that it is to use. It uses no other, so that its requests stay in order.
    pub(super) fn join(&self, identity: &Rc<Identity>) -> ConnectionRef {
        let mut pools = self.pools.borrow_mut();
        let pool = pools.entry(identity.clone()).or_insert_with(|| self.open(identity, false));
        pool.sessions += 1;
        pool.unused = None;
        pool.next = (pool.next + 1) % pool.connections.len();
        pool.connections[pool.next].clone()
    }

    /// A session that has joined leaves.
    pub(super) fn leave(&self, identity: &Identity) {
        if let Some(pool) = self.pools.borrow_mut().get_mut(identity) {
            pool.sessions = pool.sessions.saturating_sub(1);
            if pool.sessions == 0 {
                pool.unused = Some(Instant::now());
            }
        }
    }

    /// Stay connected only for as long as sessions of this identity need it.
    pub(super) fn let_go(&self, identity: &Identity) {
        if let Some(pool) = self.pools.borrow_mut().get_mut(identity) {
            pool.stays = false;
        }
    }

    /// Write what waits.
    pub(super) fn flush(&self) {
        for connection in &*self.all.borrow() {
            connection.borrow_mut().flush();
        }
    }

    /// All connections.
    pub(super) fn all(&self) -> Vec<ConnectionRef> {
        self.all.borrow().clone()
    }

    /// Whether any of them has more than `most` bytes to write.
    pub(super) fn has_backlog(&self, most: usize) -> bool {
        self.all.borrow().iter().any(|connection| connection.borrow().backlog() > most)
    }

    /// How many requests its servers were sent since this was last asked, on connections of all kinds.
    pub(super) fn take_sent(&self) -> u64 {
        self.servers.take_sent()
    }

    /// How long the system took to connect, at best.
    pub(super) fn distance(&self) -> Option<Duration> {
        self.servers.distance()
    }

    /// Close connections that nothing is in flight on, whoever has joined. Returns whether none is left.
    pub(super) fn retire(&self) -> bool {
        self.pools.borrow_mut().retain(|_, pool| {
            let busy = pool.connections.iter().any(|connection| connection.borrow().is_busy());
            if !busy {
                for connection in &pool.connections {
                    let _ = connection.borrow_mut().close();
                }
            }
            busy
        });
        let pools = self.pools.borrow();
        *self.all.borrow_mut() = pools.values().flat_map(|pool| pool.connections.iter().cloned()).collect();
        pools.is_empty()
    }

    /// Close connections that no session has needed for a while.
    pub(super) fn tidy(&self, now: Instant) {
        let mut pools = self.pools.borrow_mut();
        let before = pools.len();
        pools.retain(|_, pool| {
            let needed = pool.stays
                || pool.unused.is_none_or(|since| now.duration_since(since) < UNUSED)
                || pool.connections.iter().any(|connection| connection.borrow().is_busy());
            if !needed {
                for connection in &pool.connections {
                    let _ = connection.borrow_mut().close();
                }
            }
            needed
        });
        if pools.len() != before {
            *self.all.borrow_mut() = pools.values().flat_map(|pool| pool.connections.iter().cloned()).collect();
        }
    }

    fn open(&self, identity: &Identity, stays: bool) -> Pool {
        let mut greeting = Greeting::shared(identity);
        if self.servers.are_several() {
            greeting.add(Own::Role, &[b"ROLE"]);
        }
        let connections: Vec<ConnectionRef> =
            (0..self.sharing.connections.max(1)).map(|_| self.connect(greeting.clone())).collect();
        self.all.borrow_mut().extend(connections.iter().cloned());
        Pool { connections, next: 0, sessions: 0, unused: Some(Instant::now()), stays }
    }

    fn connect(&self, greeting: Greeting) -> ConnectionRef {
        let gate = PipelineLimit::new(self.sharing.pipelining, self.sharing.in_flight);
        let connection =
            Rc::new(RefCell::new(Connection::new(self.servers.current(), gate, self.servers.kept(), greeting, None)));
        tokio::task::spawn_local(keep(connection.clone(), self.servers.clone(), self.ready.clone()));
        connection
    }
}
