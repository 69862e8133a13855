//! One client connection and the state that belongs to it.
//!
//! ```text
//!   OPEN ──── client half-closes, QUIT, protocol error, drain ────► ENDING: read no more, answer what is in flight, then close
//!    │                                                                 │
//!    └─── client gone, output limit ──► GONE ◄─── all written ──────────┘
//!
//! ```
//!
//! Which connection its requests take, and when they wait, is in `passage`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sluice_commands::CommandId;

use super::affinity::Affinity;
use super::change::{Change, Standing};
use super::cluster::{ClusterRoute, Trial};
use super::lease::Lease;
use super::order::Order;
use super::plan::{OutputLimits, SessionLimits};
use crate::buffer::{Flush, Outbox};
use crate::chain::{Frame, Place};
use crate::cluster::Target;
use crate::ids::{MessageId, Sequence, SessionId};
use crate::net::WriteHalf;
use crate::resp::request::RequestScanner;
use crate::resp::{Protocol, Span, reply};
use crate::upstream::{ConnectionRef, Expect, Identity, Subscriptions, Ticket};

/// The memory that an idle session keeps for replies, in bytes: enough for a short one, so that it needs no allocation.
const KEEP: usize = 512;

/// A session of a worker.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The position of its source.
    pub(super) source: usize,
    /// Those of its source.
    pub(super) limits: Rc<SessionLimits>,
    socket: WriteHalf,
    pub(super) out: Outbox,
    /// Whether the socket took less than there was.
    pub(super) blocked: bool,
    pub(super) life: Life,
    /// Whether it has been given its last answer: what it has sent behind that request is not looked at.
    pub(super) dismissed: bool,
    /// Whether its last reply has been released: nothing may follow it.
    mute: bool,
    pub(super) order: Order,
    /// How many bytes each read in flight has brought, with the sequence behind its last request.
    reads: VecDeque<(Sequence, usize)>,
    /// The sum of `reads` and of what the turn has not taken yet.
    in_flight: usize,
    pub(super) partial: Option<Box<Partial>>,
    pub(super) route: Route,
    /// What it is to the server.
    pub(super) standing: Standing,
    /// Requests that wait for a reply, or for a connection of their own.
    pub(super) held: VecDeque<Held>,
    /// Nothing is sent before everything in front of this is answered.
    pub(super) barrier: Sequence,
    /// Changes that were asked for, by the requests whose replies will tell.
    pub(super) changes: VecDeque<(Sequence, Change)>,
    /// Who watches what comes by itself.
    pub(super) pushes: Option<Box<Pushes>>,
    /// Whether it is in the queue for a private connection.
    pub(super) queued: bool,
    /// What it was subscribed to on a connection that was lost.
    pub(super) resubscribe: Option<Box<Subscriptions>>,
    /// Whether its client has said that it will send no more.
    pub(super) finished: bool,
    /// Whether its connection has said so to the server, because a blocking command is waiting there.
    pub(super) departed: bool,
    pub(super) protocol: Protocol,
    pub(super) replies: Replies,
    watch: Stopwatch,
    /// The task that reads, while it waits for the turn to let it go on.
    task: Option<Waker>,
    /// Whether it is on the turn's list of sessions to look at.
    pub(super) noted: bool,
}

/// Since when it has been what it must not be for long.
#[derive(Debug, Default)]
struct Stopwatch {
    /// More behind with what it is sent than the soft limit.
    behind: Option<Instant>,
    /// It has ended, and is not read from: which request it was that it waited for when it was last looked at.
    ended: Option<Sequence>,
    /// Idle.
    idle: Option<Instant>,
    /// How many requests there had been by then, and bytes of the next one.
    done: u64,
}

/// How a session lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Life {
    /// It is read from.
    Open,
    /// It is read from no more; when its requests are answered and its replies taken, it is closed.
    Ending,
    /// It is to be removed, whatever is in flight.
    Gone,
}

/// Where its requests go.
#[derive(Debug)]
pub(super) enum Route {
    /// Nowhere: the chain answers them.
    Nowhere,
    /// To a connection that it shares.
    Shared(ConnectionRef),
    /// To a connection of its own.
    Private(Box<Lease>),
    /// To the nodes of a cluster.
    Cluster(Box<ClusterRoute>),
}

impl Route {
    /// Whether something may be to be done though no request waits.
    pub(super) fn wants_a_look(&self) -> bool {
        match self {
            Self::Nowhere | Self::Shared(_) => false,
            Self::Private(_) => true,
            Self::Cluster(route) => route.wants_a_look(),
        }
    }

    /// Write what waits.
    pub(super) fn flush(&self) {
        match self {
            Self::Nowhere => {}
            Self::Shared(connection) => connection.borrow_mut().flush(),
            Self::Private(lease) => lease.connection.borrow_mut().flush(),
            Self::Cluster(route) => route.flush(),
        }
    }

    /// The connections that the session has to itself.
    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        let (own, of_cluster) = match self {
            Self::Private(lease) => (Some(&**lease), None),
            Self::Cluster(route) => (None, Some(route.leases())),
            Self::Nowhere | Self::Shared(_) => (None, None),
        };
        own.into_iter().chain(of_cluster.into_iter().flatten())
    }
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ticket: Ticket,
    pub(super) frame: Bytes,
    pub(super) errand: Errand,
    /// What has come of it so far, where it was sent before: in a cluster.
    pub(super) trial: Option<Box<Trial>>,
}

/// What is to be known of a request to send it.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) command: CommandId,
    pub(super) affinity: Affinity,
    /// What it asks to change.
    pub(super) change: Option<Change>,
    pub(super) expect: Expect,
    /// Where in a cluster it goes.
    pub(super) way: Target,
    /// Whether it has several keys, which may be at two nodes while their slot moves.
    pub(super) several: bool,
}

/// The transforms that watch what a server sends by itself: those that watched the request that asked for it.
#[derive(Debug)]
pub(super) struct Pushes {
    /// That request.
    pub(super) id: MessageId,
    /// As [`Trails::watches`](crate::chain::Trails::watches) gives them.
    pub(super) watches: Vec<(Place, u64)>,
}

/// What CLIENT REPLY has asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Replies {
    On,
    Off,
    /// Not for the next request.
    SkipNext,
}

/// The beginning of a request that has not arrived whole.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) bytes: BytesMut,
    pub(super) scanner: RequestScanner,
    pub(super) arguments: Vec<Span>,
    /// How many bytes there must be before there is anything to learn.
    pub(super) needed: usize,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        source: usize,
        limits: Rc<SessionLimits>,
        socket: WriteHalf,
        route: Route,
        standing: Standing,
    ) -> Self {
        Self {
            id,
            source,
            limits,
            socket,
            out: Outbox::keeping(KEEP),
            blocked: false,
            life: Life::Open,
            dismissed: false,
            mute: false,
            order: Order::default(),
            reads: VecDeque::new(),
            in_flight: 0,
            partial: None,
            route,
            standing,
            held: VecDeque::new(),
            barrier: 0,
            changes: VecDeque::new(),
            pushes: None,
            queued: false,
            resubscribe: None,
            finished: false,
            departed: false,
            protocol: Protocol::Resp2,
            replies: Replies::On,
            watch: Stopwatch::default(),
            task: None,
            noted: false,
        }
    }

    /// Whether it may be read from: it is open, and within its bounds.
    pub(super) fn may_read(&self) -> bool {
        self.life == Life::Open && self.in_flight < self.limits.in_flight && self.out.len() < self.limits.output_high
    }

    /// So many bytes of requests have arrived.
    pub(super) fn arrived(&mut self, bytes: usize) {
        self.in_flight += bytes;
    }

    /// So many bytes of requests have been sent on: they are in flight until everything issued so far is answered.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.reads.push_back((self.order.issued(), bytes));
    }

    /// Take what was answered out of the count of bytes in flight.
    pub(super) fn settle_reads(&mut self) {
        while let Some(&(behind, bytes)) = self.reads.front()
            && behind <= self.order.head()
        {
            self.reads.pop_front();
            self.in_flight = self.in_flight.saturating_sub(bytes);
        }
        if self.reads.is_empty() && self.reads.capacity() > 16 {
            self.reads = VecDeque::new();
        }
    }

    /// Write what waits, as far as the socket takes it. A client that cannot be written to is gone.
    pub(super) fn flush(&mut self) {
        if !self.blocked && !self.out.is_empty() {
            self.write_out();
        }
        // The smaller of the two bounds first: whether it listens takes a closer look.
        if self.out.len() > self.limits.pushes.hard.min(self.limits.replies.hard) && self.out.len() > self.output().hard
        {
            self.cut_off();
        }
    }

    /// How far it may be behind.
    fn output(&self) -> OutputLimits {
        if self.listens() { self.limits.pushes } else { self.limits.replies }
    }

    /// Whether the server sends it what it does not ask for.
    fn listens(&self) -> bool {
        self.route.leases().any(|lease| lease.connection.borrow().is_engaged())
    }

    fn cut_off(&mut self) {
        if self.life != Life::Gone {
            tracing::warn!(session = %self.id, bytes = self.out.len(), "client does not take what it is sent and is cut off");
            self.life = Life::Gone;
        }
    }

    /// Look whether it has been idle, or behind with what it is sent, for too long; to be called once a second.
    pub(super) fn supervise(&mut self, now: Instant) {
        let output = self.output();
        if self.out.len() <= output.soft {
            self.watch.behind = None;
        } else if now - *self.watch.behind.get_or_insert(now) > output.soft_time {
            self.cut_off();
        }
        // Nobody looks at what it sends while it is not read from. One that is still being answered may have finished sending, no more.
        let (head, ended) = (self.order.head(), !self.may_read() && self.socket.has_ended());
        self.finished |= ended && self.watch.ended == Some(head);
        self.watch.ended = ended.then_some(head);
        // The server closes the sessions of a user that it does not know any more; these have no connection of their own that it could close.
        let refused = match &self.route {
            Route::Shared(connection) => connection.borrow().is_refused(),
            Route::Cluster(route) => route.is_refused(),
            Route::Nowhere | Route::Private(_) => false,
        };
        if refused && self.order.is_idle() {
            tracing::warn!(session = %self.id, "closed: the server does not accept its user any more");
            self.end();
        }
        let Some(idle) = self.limits.idle else { return };
        let doing = self.order.issued() + self.partial.as_ref().map_or(0, |partial| partial.bytes.len() as u64);
        if self.watch.done != doing || self.listens() || !self.order.is_idle() {
            (self.watch.done, self.watch.idle) = (doing, None);
        } else if now - *self.watch.idle.get_or_insert(now) > idle && self.life == Life::Open {
            tracing::debug!(session = %self.id, "closed: idle for longer than idle_timeout");
            self.end();
        }
    }

    fn write_out(&mut self) {
        let socket = &self.socket;
        match self.out.flush(&mut 0, |pieces| match pieces {
            // A plain write costs the kernel a little less.
            [piece] => socket.try_write(piece),
            _ => socket.try_write_vectored(pieces),
        }) {
            Ok(flush) => {
                if flush == Flush::Blocked {
                    self.blocked = true;
                    self.wake();
                }
            }
            Err(_) => self.life = Life::Gone,
        }
    }

    /// The reply to a request has come: if it tells of a change, that is done. `beginning`: what a new session is. Returns whether
    /// the server's users have changed.
    pub(super) fn confirm(&mut self, sequence: Sequence, frame: &[u8], beginning: &Rc<Identity>) -> bool {
        // Not only the first: what the proxy answers itself may come before what was sent in front of it.
        let Ok(at) = self.changes.binary_search_by_key(&sequence, |(of, _)| *of) else { return false };
        let Some((_, change)) = self.changes.remove(at) else { return false };
        let confirmed = change.is_confirmed_by(frame);
        let Change::Exec(changes) = change else { return self.settle(sequence, change, confirmed, beginning) };
        if !confirmed {
            return false;
        }
        let replies: Vec<&[u8]> = reply::elements(frame).collect();
        changes.into_iter().fold(false, |users, (at, change)| {
            let confirmed = replies.get(at).is_some_and(|reply| change.is_confirmed_by(reply));
            users | self.settle(sequence, change, confirmed, beginning)
        })
    }

    /// A change has happened, or has not. Returns whether the server's users have changed.
    fn settle(&mut self, sequence: Sequence, change: Change, confirmed: bool, beginning: &Rc<Identity>) -> bool {
        match &mut self.route {
            Route::Private(lease) => lease.answered(sequence, &change, confirmed),
            Route::Cluster(route) => route.answered(sequence, &change, confirmed),
            Route::Nowhere | Route::Shared(_) => {}
        }
        let users = confirmed && matches!(change, Change::Users);
        if confirmed {
            self.standing.apply(change, beginning);
        }
        users
    }

    /// There will be no replies to these requests: what they asked for may have been done or not. A MULTI or WATCH among them counts as
    /// done, for what stands behind it must not be executed as if it had never been sent. Returns whether who the session is was to change.
    pub(super) fn unconfirmed(&mut self, ticket: &Ticket) -> bool {
        let requests = ticket.sequence..ticket.sequence + u64::from(ticket.count);
        let mut decisive = false;
        self.changes.retain(|(of, change)| {
            let concerned = requests.contains(of);
            decisive |= concerned && change.is_decisive();
            !concerned
        });
        decisive
    }

    /// Where its client has found the proxy; `None` for a Unix socket.
    pub(super) fn found_at(&self) -> Option<SocketAddr> {
        self.socket.local_address()
    }

    /// Read no more. What is in flight is answered still.
    pub(super) fn end(&mut self) {
        if self.life == Life::Open {
            self.life = Life::Ending;
            self.partial = None;
        }
    }

    /// Its last reply has been released: nothing follows, and when it is written the session is over.
    pub(super) fn last_word(&mut self) {
        self.end();
        self.mute = true;
    }

    /// Whether its last reply has been released.
    pub(super) fn is_mute(&self) -> bool {
        self.mute
    }

    /// Whether nothing keeps it any more.
    pub(super) fn is_over(&self) -> bool {
        match self.life {
            Life::Open => false,
            Life::Ending => (self.mute || self.order.is_idle()) && self.out.is_empty(),
            Life::Gone => true,
        }
    }

    /// The task that reads waits until [`Session::wake`].
    pub(super) fn sleep(&mut self, task: &Waker) {
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
        }
    }

    /// Let the task that reads look again.
    pub(super) fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

impl Held {
    /// Keep a request of a vector.
    pub(super) fn new(ticket: Ticket, frame: Frame, arena: &[u8], errand: Errand) -> Self {
        let frame = match frame {
            Frame::Arena(range) => Bytes::copy_from_slice(arena.get(range).unwrap_or_default()),
            Frame::Large(bytes) => bytes,
        };
        Self { ticket, frame, errand, trial: None }
    }
}

impl Errand {
    /// Who a private connection for it is to be, whether what the server makes of that does not matter, and whether the connection is for
    /// this request only. `beginning`: what a new session is.
    pub(super) fn introduction(&self, standing: &Standing, beginning: &Rc<Identity>) -> (Rc<Identity>, bool, bool) {
        let own = &standing.identity;
        let stranger = self.change.as_ref().is_some_and(Change::introduces);
        match (stranger, self.affinity == Affinity::Urgent) {
            // But for the protocol, in which its reply is told.
            (true, _) => (Rc::new(Identity { protocol: own.protocol, ..(**beginning).clone() }), true, true),
            // A busy server selects no database, and it would not matter.
            (_, true) => (Rc::new(Identity { database: 0, ..(**own).clone() }), false, true),
            _ => (own.clone(), false, false),
        }
    }
}
