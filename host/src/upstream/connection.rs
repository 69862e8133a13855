//! One connection to a server: what waits to be written, what waits for a reply, what has been read.
//!
//! The turn puts requests in and takes replies out; the task that `dial` starts establishes the socket, reads from it and leads the
//! connection from one [`Phase`] to the next.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::disconnect::Loss;
use super::failure::Failure;
use super::health::Health;
use super::identity::Greeting;
use super::pending::Pending;
use super::pipeline_limit::{Load, PipelineLimit, Waiting};
use super::receiver::Receiver;
use super::replay_buffer::ReplayBuffer;
use super::reply_matching::{Expect, ReplyMatching};
use super::server_ids::ServerIds;
use super::ticket::Ticket;
use crate::buffer::{Flush, Outbox};
use crate::ids::{PathId, SessionId};
use crate::net::{ReadHalf, WriteHalf};
use crate::resp::reply::ReplyScanner;

/// A connection as the worker and the task that reads from it share it.
pub type ConnectionRef = Rc<RefCell<Connection>>;

/// The spare room that a read is given, in bytes.
const READ: usize = 64 * 1024;

/// The most that is read before the turn gets to look at it, in bytes.
const READ_PER_TURN: usize = 1024 * 1024;

/// The memory that a shared connection keeps for writing, in bytes.
const KEEP: usize = 1024 * 1024;

/// Where a connection stands in its life. The picture is in the documentation of [`upstream`](super).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The socket is being established, and the dependencies are told; requests are queued.
    Connecting,
    /// The server is told what the connection is to be: user, protocol, database, and so on; requests are queued.
    Dependencies,
    /// Requests and replies.
    Ready,
    /// Private, and given back: the server is told to forget what it knows of the connection. It is nobody's.
    Reset,
    /// Private, and nobody's: it waits in its pool.
    Idle,
    /// Requests fail at once, until the next attempt to connect.
    Down,
    /// Nobody needs it any more.
    Closed,
}

/// What a private connection has beside a shared one.
#[derive(Debug)]
pub(super) struct Private {
    /// Whose it is at the moment.
    pub(super) owner: Option<SessionId>,
    pub(super) exchange: ReplyMatching,
    /// Where its owner keeps the IDs that servers know it by.
    pub(super) ids: Option<Arc<ServerIds>>,
}

/// A connection to one server.
#[derive(Debug)]
pub struct Connection {
    pub(super) server: Rc<str>,
    pub(super) phase: Phase,
    pub(super) socket: Option<WriteHalf>,
    pub(super) pipeline_limit: PipelineLimit,
    /// What is not answered, where the server may send it elsewhere.
    pub(super) kept: Option<ReplayBuffer>,
    /// What the next [`Phase::Dependencies`] says.
    pub(super) greeting: Greeting,
    pub(super) out: Outbox,
    /// Whether the socket took less than there was.
    pub(super) blocked: bool,
    pub(super) queued: u64,
    pub(super) written: u64,
    pub(super) pending: VecDeque<Pending>,
    /// How many requests `pending` stands for.
    pub(super) in_flight: usize,
    pub(super) input: BytesMut,
    pub(super) scanner: ReplyScanner,
    /// How many bytes `input` must have before there is anything to learn.
    pub(super) needed: usize,
    /// Parts of an answer of several replies.
    pub(super) parts: Vec<u8>,
    pub(super) private: Option<Private>,
    /// What the server calls it, where it is private and the server says so.
    pub(super) server_id: Option<i64>,
    /// Whether nothing more will be written once `out` is empty.
    finishing: bool,
    /// Whether the server may take it for that of some library still.
    pub(super) labelled: bool,
    pub(super) health: Health,
    /// Why it was lost, until the turn has told the requests.
    pub(super) lost: Option<Loss>,
    /// Whether the server did not accept the greeting when it was last said.
    pub(super) refused: bool,
    /// The task that reads.
    pub(super) task: Option<Waker>,
}

impl Connection {
    /// A connection to `server` that is being established. `kept`: where requests are kept until they are answered. `private`: where
    /// one session has it to itself.
    pub(super) fn new(
        server: Rc<str>,
        pipeline_limit: PipelineLimit,
        kept: Option<ReplayBuffer>,
        greeting: Greeting,
        private: Option<Private>,
    ) -> Self {
        Self {
            server,
            phase: Phase::Connecting,
            socket: None,
            pipeline_limit,
            kept,
            greeting,
            out: if private.is_some() { Outbox::default() } else { Outbox::keeping(KEEP) },
            blocked: false,
            queued: 0,
            written: 0,
            pending: VecDeque::new(),
            in_flight: 0,
            input: BytesMut::new(),
            scanner: ReplyScanner::default(),
            needed: 1,
            parts: Vec::new(),
            private,
            server_id: None,
            finishing: false,
            labelled: false,
            health: Health::default(),
            lost: None,
            refused: false,
            task: None,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How many bytes wait to be written.
    pub fn backlog(&self) -> usize {
        self.out.len() + self.pipeline_limit.size()
    }

    /// Whether requests wait for replies.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty() || !self.pipeline_limit.is_empty()
    }

    /// Whether the server does not accept what it is told of the sessions of this connection.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether the server sends what nobody asks for, other than invalidations: subscriptions, MONITOR, replication.
    pub fn is_engaged(&self) -> bool {
        self.private.as_ref().is_some_and(|private| private.exchange.is_engaged())
    }

    /// Queue the bytes of the requests of `ticket`. Their time, if it is bounded, begins with `now`.
    ///
    /// # Errors
    ///
    /// The failure to answer them with, where the server cannot be reached at the moment. Nothing was queued.
    pub fn send(&mut self, ticket: Ticket, bytes: &[u8], expect: Expect, now: Instant) -> Result<(), Failure> {
        self.check()?;
        if self.pipeline_limit.admits(&ticket, Load::of(&self.pending, self.in_flight, self.queued)) {
            self.admit(ticket, bytes.len(), expect, now);
            if let Some(kept) = &mut self.kept {
                kept.push(bytes);
            }
            self.out.push(bytes);
        } else {
            self.pipeline_limit.wait(Waiting { ticket, bytes: Bytes::copy_from_slice(bytes), expect });
        }
        Ok(())
    }

    /// As [`Connection::send`], without a copy where the bytes are many.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_bytes(&mut self, ticket: Ticket, bytes: Bytes, expect: Expect, now: Instant) -> Result<(), Failure> {
        self.check()?;
        if self.pipeline_limit.admits(&ticket, Load::of(&self.pending, self.in_flight, self.queued)) {
            self.admit(ticket, bytes.len(), expect, now);
            self.push_bytes(bytes);
        } else {
            self.pipeline_limit.wait(Waiting { ticket, bytes, expect });
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        // A shared one that has just been lost is established again, and what is queued until then goes with it.
        if self.phase == Phase::Down && self.refused {
            return Err(Failure::Refused);
        }
        let gone = matches!(self.phase, Phase::Down | Phase::Closed) || self.finishing;
        if gone || (self.lost.is_some() && self.private.is_some()) {
            return Err(Failure::NotSent);
        }
        Ok(())
    }

    fn admit(&mut self, ticket: Ticket, len: usize, expect: Expect, since: Instant) {
        let begins = self.queued;
        self.queued += len as u64;
        self.in_flight += ticket.count as usize;
        if let Some(kept) = &self.kept {
            kept.count(ticket.count);
        }
        match self.pending.back_mut() {
            Some(last) if expect == Expect::One && last.expect == Expect::One && last.ticket.joins(&ticket) => {
                last.ticket.count += ticket.count;
            }
            _ => self.pending.push_back(Pending { ticket, done: 0, begins, expect, since }),
        }
    }

    /// Let what waits go on, as far as the gate allows.
    #[inline]
    pub(super) fn let_pass(&mut self) {
        if self.pipeline_limit.is_empty() {
            return;
        }
        let now = Instant::now();
        loop {
            let load = Load::of(&self.pending, self.in_flight, self.queued);
            let Some(Waiting { ticket, bytes, expect }) = self.pipeline_limit.next(load) else { break };
            self.admit(ticket, bytes.len(), expect, now);
            self.push_bytes(bytes);
        }
        self.flush();
    }

    fn push_bytes(&mut self, bytes: Bytes) {
        if let Some(kept) = &mut self.kept {
            kept.push_bytes(&bytes);
        }
        self.out.push_bytes(bytes);
    }

    /// Its session will send no more. If its oldest request is one that may take as long as it likes, the server is told so behind what
    /// has been sent; returns whether that is so.
    pub fn finish(&mut self) -> bool {
        let waits =
            self.private.is_some() && self.pending.front().is_some_and(|oldest| oldest.expect == Expect::Eventually);
        if waits {
            self.finishing = true;
            self.flush();
            self.hang_up();
        }
        waits
    }

    /// Say that nothing more will be written, if that is so.
    fn hang_up(&mut self) {
        if self.finishing && self.phase == Phase::Ready && self.out.is_empty() {
            self.socket = None;
        }
    }

    /// Write what waits, as far as the socket takes it.
    pub fn flush(&mut self) {
        if self.blocked || self.out.is_empty() || self.phase != Phase::Ready {
            return;
        }
        let Some(socket) = &self.socket else { return };
        match self.out.flush(&mut self.written, |pieces| match pieces {
            // A plain write costs the kernel a little less.
            [piece] => socket.try_write(piece),
            _ => socket.try_write_vectored(pieces),
        }) {
            Ok(flush) => {
                self.blocked = flush == Flush::Blocked;
                if self.blocked {
                    self.wake();
                }
                self.hang_up();
            }
            // The reading task learns of it too; until then nothing more is taken.
            Err(error) => self.lose(error.to_string()),
        }
    }

    /// Nobody needs it any more: it is closed, and what is in flight forgotten. Returns the trails of what was.
    pub fn close(&mut self) -> impl Iterator<Item = PathId> + use<> {
        self.phase = Phase::Closed;
        self.socket = None;
        self.disown();
        self.wake();
        let waiting = self.pipeline_limit.take().into_iter().map(|waiting| waiting.ticket.trail);
        std::mem::take(&mut self.pending).into_iter().map(|pending| pending.ticket.trail).chain(waiting)
    }

    /// Its session needs it no longer. It is reset for the next one where nothing is in flight, and closed otherwise. `labelled`:
    /// whether the server was told the session's library, which RESET leaves. Returns the trails of what was in flight.
    pub fn give_back(&mut self, labelled: bool) -> impl Iterator<Item = PathId> + use<> {
        let reusable = self.phase == Phase::Ready
            && self.lost.is_none()
            && !self.is_busy()
            && !self.finishing
            && self.out.is_empty()
            // Not in the middle of a message either.
            && self.input.is_empty()
            && !self.private.as_ref().is_some_and(|private| private.exchange.streaming);
        if !reusable {
            return Some(self.close()).into_iter().flatten();
        }
        self.phase = Phase::Reset;
        self.disown();
        self.labelled |= labelled;
        if let Some(private) = &mut self.private {
            private.owner = None;
            private.exchange = ReplyMatching::default();
        }
        self.wake();
        None.into_iter().flatten()
    }

    /// The server does not know its owner by it any more.
    pub(super) fn disown(&mut self) {
        let ids = self.private.as_mut().and_then(|private| private.ids.take());
        if let (Some(ids), Some(id)) = (ids, self.server_id) {
            ids.remove(&self.server, id);
        }
    }

    /// A session takes it from its pool: it is to be what `greeting` says.
    pub(super) fn take(&mut self, greeting: Greeting, private: Private) {
        self.greeting = greeting;
        self.phase = Phase::Dependencies;
        self.private = Some(private);
        self.labelled = false;
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    // --- for the turn, beside requests ---

    /// Hand over what was read, and tell the requests of a lost connection.
    pub fn receive(&mut self, receiver: &mut impl Receiver) {
        if let Err(reason) = self.take_replies(receiver) {
            self.lose(reason);
        }
        if self.input.is_empty() && self.private.is_some() {
            self.input = BytesMut::new();
        }
        if let Some(kept) = &mut self.kept {
            kept.answered(self.pending.front().map_or(self.queued, |oldest| oldest.begins));
        }
        if self.lost.is_some() {
            self.fail(receiver);
        } else {
            self.let_pass();
        }
    }

    // --- for the task that establishes the connection and reads from it ---

    /// What is to be told to the server.
    pub(super) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Where it goes from now on, for what it says of itself.
    pub(super) fn moved(&mut self, server: Rc<str>) {
        self.server = server;
    }

    /// The server has been told its dependencies: what is queued may go. `heard`: what it has sent already, behind its answers. `id`: what it calls the connection, where it was asked.
    pub(super) fn ready(&mut self, socket: Option<WriteHalf>, heard: &[u8], id: Option<i64>) {
        if self.phase == Phase::Closed {
            return;
        }
        if socket.is_some() {
            self.socket = socket;
        }
        self.phase = Phase::Ready;
        self.server_id = id.or(self.server_id);
        let ids = self.private.as_ref().and_then(|private| private.ids.as_ref());
        if let (Some(ids), Some(id)) = (ids, self.server_id) {
            ids.add(&self.server, id);
        }
        self.health.begin();
        self.refused = false;
        self.input.extend_from_slice(heard);
        self.let_pass();
        self.flush();
    }

    /// It is reset, and waits for the next session.
    pub(super) fn idle(&mut self) {
        if self.phase == Phase::Reset {
            self.phase = Phase::Idle;
            self.forget_input();
        }
    }

    /// What has been read, and how far it was understood, is over.
    pub(super) fn forget_input(&mut self) {
        self.input = BytesMut::new();
        self.scanner = ReplyScanner::default();
        self.needed = 1;
        self.parts.clear();
    }

    /// The next attempt to establish it begins: requests may be queued.
    pub(super) fn connecting(&mut self) {
        if self.phase == Phase::Down {
            self.phase = Phase::Connecting;
        }
    }

    /// Ready with the phase when that is another one than `phase`.
    pub(super) fn poll_phase(&mut self, phase: Phase, context: &mut Context<'_>) -> Poll<Phase> {
        if self.phase != phase || self.lost.is_some() {
            return Poll::Ready(self.phase);
        }
        self.task = Some(context.waker().clone());
        Poll::Pending
    }

    /// Take its half to write to, until it is [`Connection::ready`] again.
    pub(super) fn take_socket(&mut self) -> Option<WriteHalf> {
        self.socket.take()
    }

    /// Read what has arrived and write what was blocked. Ready with whether anything was read; an error once it is lost, or is not
    /// [`Phase::Ready`] any more.
    pub(super) fn poll_io(&mut self, socket: &mut ReadHalf, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase != Phase::Ready || self.lost.is_some() {
            return Poll::Ready(Err(io::Error::other("it is not needed for requests any more")));
        }
        while self.blocked {
            match socket.poll_write_ready(context) {
                Poll::Ready(_) => {
                    self.blocked = false;
                    self.flush();
                }
                Poll::Pending => break,
            }
        }
        let mut read = 0;
        loop {
            // A long reply is given room as it comes, so that a length alone costs nothing.
            let wanted = self.needed.saturating_sub(self.input.len()).clamp(READ, READ.max(self.input.len()));
            if self.input.capacity() - self.input.len() < READ / 4 {
                self.input.reserve(wanted);
            }
            match tokio_util::io::poll_read_buf(Pin::new(&mut *socket), context, &mut self.input) {
                Poll::Ready(Ok(0)) => {
                    self.lose("connection closed".to_owned());
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(count)) => {
                    read += count;
                    self.health.read += count as u64;
                    if read >= READ_PER_TURN {
                        context.waker().wake_by_ref();
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.lose(error.to_string());
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    self.task = Some(context.waker().clone());
                    return if read > 0 { Poll::Ready(Ok(())) } else { Poll::Pending };
                }
            }
        }
    }
}
