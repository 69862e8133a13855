//! `ValkeySinkSingle`: one server, or the first of several that works.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::connection::ConnectionRef;
use super::dial::{Ready, Servers, learn_commands};
use super::exclusive_pool::{ExclusivePool, Introduction, PrivateLimits};
use super::identity::{Greeting, Identity};
use super::pipeline_limit::{InFlight, Pipelining};
use super::receiver::Receiver;
use super::reply_matching::Subscriptions;
use super::server_commands::ServerCommands;
use super::shared_pool::{Shared, Sharing};
use crate::cluster::Rewrite;
use crate::ids::SessionId;
use crate::net::Remote;

/// What is configured of a `ValkeySinkSingle`.
#[derive(Clone, Debug)]
pub struct SinglePlan {
    /// The servers, at least one: the first that works is used, and another one when it fails. Where there are several, one that says
    /// that it is a replica does not work.
    pub servers: Vec<Remote>,
    /// How long an attempt to connect may take, with all that has to be said before the first request.
    pub connect_timeout: Duration,
    /// How long a reply may take, blocking commands aside; `None`: as long as it likes.
    pub request_timeout: Option<Duration>,
    /// How long a shared connection may be silent before the server is asked whether it is there; `None`: for ever.
    pub health_interval: Option<Duration>,
    /// How many connections the sessions of a worker share, for each user, database and protocol.
    pub connections: usize,
    /// Whether requests on shared connections wait for each other.
    pub pipelining: Pipelining,
    /// The bounds of what is in flight on a shared connection.
    pub in_flight: InFlight,
    /// The bounds of the private connections.
    pub private: PrivateLimits,
    /// The user (`None`: the default one) and password of sessions that have not authenticated.
    pub credentials: Option<(Option<String>, String)>,
    /// Counts how often the users of the server have changed, as far as a worker has seen it.
    pub epoch: Arc<AtomicU64>,
    /// Whether a session is closed without an answer when the server fails it, as the server's own connections are: clients that know
    /// other nodes go on there.
    pub hangs_up: bool,
    /// The addresses of proxies that clients are to be told instead of those of a cluster's nodes.
    pub rewrite: Option<Arc<Rewrite>>,
    /// What the servers call their commands.
    pub commands: Arc<ServerCommands>,
}

impl SinglePlan {
    /// What a session is before it has said anything.
    pub(super) fn identity(&self) -> Identity {
        let credentials = self.credentials.as_ref().map(|(user, password)| {
            Rc::new(super::identity::Credentials {
                user: user.as_ref().map(|user| user.as_bytes().into()),
                password: password.as_bytes().into(),
            })
        });
        Identity { credentials, epoch: self.epoch.load(Ordering::Relaxed), ..Identity::default() }
    }
}

/// The connections of one worker to the server of a sink.
#[derive(Debug)]
pub struct Single {
    identity: RefCell<Rc<Identity>>,
    /// Whether it is connected to before anything is to be sent.
    stays: Cell<bool>,
    shared: Shared,
    privates: ExclusivePool,
    request_timeout: Option<Duration>,
    health_interval: Option<Duration>,
    one_by_one: bool,
    epoch: Arc<AtomicU64>,
    hangs_up: bool,
    rewrite: Option<Arc<Rewrite>>,
    servers: Rc<Servers>,
}

/// How much may wait to be written to a shared connection before its sessions are read no more, in bytes.
const CONGESTED: usize = 64 * 1024 * 1024;

impl Single {
    /// Connect as `plan` says; must be called inside of the worker's runtime.
    pub fn new(plan: &SinglePlan, ready: &Rc<Ready>) -> Self {
        let single = Self::make(plan, ready, false);
        single.stay_connected();
        single
    }

    /// A node of a cluster, which may send requests elsewhere; it is connected to when it is needed.
    pub(super) fn node(plan: &SinglePlan, ready: &Rc<Ready>) -> Self {
        Self::make(plan, ready, true)
    }

    fn make(plan: &SinglePlan, ready: &Rc<Ready>, redirect: bool) -> Self {
        let servers = Rc::new(Servers::new(plan, redirect));
        let sharing = Sharing { connections: plan.connections, pipelining: plan.pipelining, in_flight: plan.in_flight };
        Self {
            identity: RefCell::new(Rc::new(plan.identity())),
            stays: Cell::new(false),
            shared: Shared::new(servers.clone(), ready.clone(), sharing),
            privates: ExclusivePool::new(servers.clone(), ready.clone(), plan.private),
            servers,
            request_timeout: plan.request_timeout,
            health_interval: plan.health_interval,
            one_by_one: plan.pipelining == Pipelining::Off,
            epoch: plan.epoch.clone(),
            hangs_up: plan.hangs_up,
            rewrite: plan.rewrite.clone(),
        }
    }

    /// Whether shared connections must be given requests one by one, however they came.
    pub fn sends_one_by_one(&self) -> bool {
        self.one_by_one
    }

    /// Whether a session is closed without an answer when the server fails it.
    pub fn hangs_up(&self) -> bool {
        self.hangs_up
    }

    /// What its servers call their commands.
    pub fn commands(&self) -> &ServerCommands {
        &self.servers.commands
    }

    /// A command has come that neither the table nor the servers have named.
    pub fn is_strange(&self) {
        if self.commands().is_strange() {
            let greeting = Greeting::shared(&self.identity());
            tokio::task::spawn_local(learn_commands(self.servers.clone(), greeting));
        }
    }

    /// What clients are to be told instead of the addresses of a cluster's nodes.
    #[inline]
    pub fn rewrite(&self) -> Option<&Rewrite> {
        self.rewrite.as_deref()
    }

    /// What a session is before it has said anything.
    pub fn identity(&self) -> Rc<Identity> {
        self.identity.borrow().clone()
    }

    /// A session of this identity joins: the shared connection that it is to use, until it leaves.
    pub fn join(&self, identity: &Rc<Identity>) -> ConnectionRef {
        self.shared.join(identity)
    }

    /// A session that has joined leaves.
    pub fn leave(&self, identity: &Identity) {
        self.shared.leave(identity);
    }

    /// A connection for one session alone, until it gives it back; `None`: there is none now, and the session will be among those of
    /// [`Single::next_private`].
    pub fn lend(&self, of: Introduction<'_>, now: Instant) -> Option<ConnectionRef> {
        self.privates.lend(of, None, now)
    }

    /// As [`Single::lend`], for a session that has just come out of the queue, or that is to be subscribed again; it is not put into the
    /// queue.
    pub fn try_lend(&self, of: Introduction<'_>, subscriptions: Option<Subscriptions>) -> Option<ConnectionRef> {
        self.privates.try_lend(of, subscriptions)
    }

    /// Something has happened to a private connection.
    pub fn settle(&self) {
        self.privates.settle();
    }

    /// A session that has waited for a private connection and may have one now.
    pub fn next_private(&self) -> Option<SessionId> {
        self.privates.next()
    }

    /// A session that has waited for a private connection for too long.
    pub fn late_private(&self, now: Instant) -> Option<SessionId> {
        self.privates.late(now)
    }

    /// The users of the server, or their passwords, have changed: sessions that are new, on whatever worker, are nobody in particular on
    /// new connections, which the server may take for less than those that there are.
    pub fn users_changed(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
        self.follow_epoch();
    }

    /// See [`Single::users_changed`]: it has been said elsewhere that they have.
    pub(super) fn follow_epoch(&self) {
        let epoch = self.epoch.load(Ordering::Relaxed);
        let old = self.identity();
        if old.epoch != epoch {
            let new = Rc::new(Identity { epoch, ..(*old).clone() });
            if self.stays.get() {
                self.shared.prepare(&new);
            }
            self.shared.let_go(&old);
            self.privates.close_idle();
            self.identity.replace(new);
        }
    }

    /// Connect now, and stay connected.
    pub(super) fn stay_connected(&self) {
        if !self.stays.replace(true) {
            self.shared.prepare(&self.identity());
        }
    }

    /// Close what nothing is in flight on: no session will come any more. Returns whether nothing is left, and nobody waits.
    pub(super) fn retire(&self) -> bool {
        self.privates.close_idle();
        self.privates.settle();
        self.shared.retire() && self.privates.all().is_empty() && !self.privates.is_waited_for()
    }

    /// How many requests it was sent since this was last asked, where it is a node of a cluster.
    pub(super) fn take_sent(&self) -> u64 {
        self.shared.take_sent()
    }

    /// How long the system took to connect to it, at best; `None`: it never has.
    pub(super) fn distance(&self) -> Option<Duration> {
        self.shared.distance()
    }

    /// For how long it has been silent while requests wait for replies of bounded time, on the connection where it has been so for longest.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        self.all().map(|connection| connection.borrow().silence(now)).max().unwrap_or_default()
    }

    /// All connections, those that are lent included.
    pub(super) fn all(&self) -> impl Iterator<Item = ConnectionRef> {
        self.shared.all().into_iter().chain(self.privates.all())
    }

    /// Give up the connections on which it has been silent for so long.
    pub(super) fn give_up(&self, now: Instant, silence: Duration, reason: &str, receiver: &mut impl Receiver) {
        for connection in self.all() {
            let mut connection = connection.borrow_mut();
            if connection.silence(now) >= silence {
                connection.lose(reason.to_owned());
                connection.fail(receiver);
            }
        }
    }

    /// Give up the private connections on which nobody knows when the server will send something: those of subscribers, and of requests
    /// that block.
    pub(super) fn give_up_waiting(&self, reason: &str, receiver: &mut impl Receiver) {
        for connection in self.privates.all() {
            let mut connection = connection.borrow_mut();
            if connection.is_engaged() || connection.waits_patiently() {
                connection.lose(reason.to_owned());
                connection.fail(receiver);
            }
        }
    }

    /// Write what waits on the shared connections.
    pub fn flush(&self) {
        self.shared.flush();
    }

    /// Whether so much waits to be written that no more should be read for it.
    pub fn is_congested(&self) -> bool {
        self.shared.has_backlog(CONGESTED)
    }

    /// Look after the connections; to be called a few times a second.
    pub fn tend(&self, now: Instant, receiver: &mut impl Receiver) {
        self.follow_epoch();
        for connection in self.shared.all() {
            connection.borrow_mut().tend(now, self.request_timeout, self.health_interval, receiver);
        }
        for connection in self.privates.all() {
            connection.borrow_mut().tend(now, self.request_timeout, None, receiver);
        }
        self.shared.tidy(now);
        self.privates.settle();
    }
}
