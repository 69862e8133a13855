//! One client connection and the state that belongs to it.
//!
//! ```text
//!   OPEN ──── client half-closes, QUIT, protocol error, drain ────► ENDING: read no more, answer what is in flight, then close
//!    │                                                                 │
//!    └─── client gone, output limit ──► GONE ◄─── all written ──────────┘
//!
//! ```
//!
//! Which connection its requests take, and when they wait, is the matter of [`routing`](crate::routing).

use std::cell::Ref;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use bytes::BytesMut;

use super::plan::{OutputLimits, SessionLimits};
use super::reply_queue::ReplyQueue;
use crate::buffer::{Flush, Outbox};
use crate::ids::{Sequence, SessionId};
use crate::net::WriteHalf;
use crate::resp::request::RequestScanner;
use crate::resp::{Protocol, Span};
use crate::routing::{Route, SessionState, SharedState};

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
    pub(super) socket: WriteHalf,
    pub(super) out: Outbox,
    /// Whether the socket took less than there was.
    pub(super) blocked: bool,
    pub(super) life: Life,
    /// Whether its last reply has been released: nothing may follow it.
    mute: bool,
    pub(super) reply_queue: ReplyQueue,
    /// How many bytes each read in flight has brought, with the sequence behind its last request.
    reads: VecDeque<(Sequence, usize)>,
    /// The sum of `reads` and of what the turn has not taken yet.
    in_flight: usize,
    pub(super) partial: Option<Box<Partial>>,
    /// Who it is to the server.
    state: SharedState,
    /// Whether a request is under way that may change who it is: what stands behind that request is
    /// taken in when its reply has settled.
    pub(super) settling: bool,
    /// Whether its client has said that it will send no more.
    pub(super) finished: bool,
    pub(super) replies: ReplyMode,
    watch: Stopwatch,
    /// The task that reads, while it waits for the turn to let it go on.
    task: Option<Waker>,
    /// Whether it is on the turn's list of sessions to look at.
    pub(super) ready: bool,
    /// Whether it is on its source's list of sessions that are not read from.
    pub(super) held: bool,
}

/// Measures how long a session has been in a state that has a time limit.
#[derive(Debug, Default)]
struct Stopwatch {
    /// More behind with what it is sent than the soft limit.
    behind: Option<Instant>,
    /// It has ended, and is not read from: which request it was that it waited for when it was last looked at.
    ended: Option<Sequence>,
    /// Idle.
    idle: Option<Instant>,
    /// How many requests there had been by then, bytes of the next one, and bytes to be written.
    done: (Sequence, usize, usize),
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

/// What CLIENT REPLY has asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ReplyMode {
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
    /// How many bytes there must be before there is anything to learn; 0: they were held back, and
    /// may hold whole requests.
    pub(super) needed: usize,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        source: usize,
        limits: Rc<SessionLimits>,
        socket: WriteHalf,
        state: SharedState,
    ) -> Self {
        Self {
            id,
            source,
            limits,
            socket,
            out: Outbox::keeping(KEEP),
            blocked: false,
            life: Life::Open,
            mute: false,
            reply_queue: ReplyQueue::default(),
            reads: VecDeque::new(),
            in_flight: 0,
            partial: None,
            state,
            settling: false,
            finished: false,
            replies: ReplyMode::On,
            watch: Stopwatch::default(),
            task: None,
            ready: false,
            held: false,
        }
    }

    /// Whether it may be read from: it is open, within its bounds, and known.
    pub(super) fn may_read(&self) -> bool {
        self.life == Life::Open
            && !self.settling
            && self.in_flight < self.limits.in_flight
            && self.out.len() < self.limits.output_high
    }

    /// So many bytes of requests have arrived.
    pub(super) fn arrived(&mut self, bytes: usize) {
        self.in_flight += bytes;
    }

    /// So many bytes of requests have been sent on: they are in flight until everything issued so far is answered.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.reads.push_back((self.reply_queue.issued(), bytes));
    }

    /// Take what was answered out of the count of bytes in flight.
    pub(super) fn settle_reads(&mut self) {
        while let Some(&(behind, bytes)) = self.reads.front()
            && behind <= self.reply_queue.head()
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
    }

    /// Cuts it off if it is more behind with what it is sent than it may be.
    pub(super) fn bound_output(&mut self, route: &Route) {
        // The smaller of the two bounds first: whether it listens takes a closer look.
        let least = self.limits.pushes.hard.min(self.limits.replies.hard);
        if self.out.len() > least && self.out.len() > self.output(route).hard {
            self.cut_off();
        }
    }

    /// How far it may be behind.
    fn output(&self, route: &Route) -> OutputLimits {
        if route.listens() { self.limits.pushes } else { self.limits.replies }
    }

    fn cut_off(&mut self) {
        if self.life != Life::Gone {
            tracing::warn!(session = %self.id, bytes = self.out.len(), "client does not take what it is sent and is cut off");
            self.life = Life::Gone;
        }
    }

    /// Look whether it has been idle, or behind with what it is sent, for too long; to be called once a second.
    pub(super) fn supervise(&mut self, now: Instant, route: &Route) {
        let output = self.output(route);
        if self.out.len() <= output.soft {
            self.watch.behind = None;
        } else if now - *self.watch.behind.get_or_insert(now) > output.soft_time {
            self.cut_off();
        }
        // Nobody looks at what it sends while it is not read from. One that is still being answered may have finished sending, no more.
        let (head, ended) = (self.reply_queue.head(), !self.may_read() && self.socket.has_ended());
        self.finished |= ended && self.watch.ended == Some(head);
        self.watch.ended = ended.then_some(head);
        // The server closes the sessions of a user that it does not know any more; these have no connection of their own that it could close.
        if route.is_refused() && self.reply_queue.is_idle() {
            tracing::warn!(session = %self.id, "closed: the server does not accept its user any more");
            self.end();
        }
        self.supervise_idle(now, route);
    }

    /// Ends it where nothing has gone in or out for longer than it may be idle. One that does not
    /// take its replies is as idle as one that sends nothing, and nothing more is waited for.
    fn supervise_idle(&mut self, now: Instant, route: &Route) {
        let Some(idle) = self.limits.idle else { return };
        let partial = self.partial.as_ref().map_or(0, |partial| partial.bytes.len());
        let doing = (self.reply_queue.issued(), partial, self.out.len());
        if self.watch.done != doing || route.listens() || !self.reply_queue.is_idle() {
            (self.watch.done, self.watch.idle) = (doing, None);
        } else if now - *self.watch.idle.get_or_insert(now) > idle && self.life != Life::Gone {
            tracing::debug!(session = %self.id, "closed: idle for longer than idle_timeout");
            self.life = if self.out.is_empty() { Life::Ending } else { Life::Gone };
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

    /// Goes on behind a request that may have changed who it is, once everything is answered.
    pub(super) fn settle(&mut self) {
        if self.settling && self.reply_queue.is_idle() {
            self.settling = false;
        }
    }

    /// Who it is.
    pub(super) fn state(&self) -> Ref<'_, SessionState> {
        self.state.borrow()
    }

    /// The protocol that it speaks.
    pub(super) fn protocol(&self) -> Protocol {
        self.state.borrow().identity.protocol
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
            Life::Ending => (self.mute || self.reply_queue.is_idle()) && self.out.is_empty(),
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
