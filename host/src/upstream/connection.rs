//! One connection to a server: what waits to be written, what waits for a reply, what has been read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};

use super::exchange::{Belongs, Exchange, Expect};
use super::ticket::{Failure, Ticket};
use crate::buffer::{Flush, LARGE, Outbox};
use crate::ids::{SessionId, TrailId};
use crate::net::{ReadHalf, WriteHalf};
use crate::resp::Scan;
use crate::resp::reply::ReplyScanner;

/// A connection as the worker and the task that reads from it share it.
pub type ConnectionRef = Rc<RefCell<Connection>>;

/// The spare room that a read is given, in bytes.
const READ: usize = 64 * 1024;

/// The most that is read before the turn gets to look at it, in bytes.
const READ_PER_TURN: usize = 1024 * 1024;

/// The memory that a shared connection keeps for writing, in bytes.
const KEEP: usize = 1024 * 1024;

/// Takes what a connection brings.
pub trait Receiver {
    /// Replies to the requests of `ticket`, one after the other. `whole`: exactly one for each request, none of them a part.
    fn reply(&mut self, ticket: &Ticket, replies: Payload<'_>, whole: bool);

    /// Something that came by itself, for the session that has this connection to itself.
    fn unasked(&mut self, session: SessionId, bytes: &[u8]);

    /// The connection that this session had to itself is over.
    fn ended(&mut self, session: SessionId);

    /// There will be no replies.
    fn failed(&mut self, ticket: &Ticket, failure: &Failure);
}

/// Bytes to be copied, or many of them to be kept.
#[derive(Debug)]
pub enum Payload<'a> {
    /// Less than [`LARGE`], or several frames.
    Small(&'a [u8]),
    /// One large frame.
    Large(Bytes),
}

#[derive(Debug)]
enum State {
    /// Requests are queued until it is established.
    Connecting,
    Ready(WriteHalf),
    /// Requests fail at once.
    Down,
}

#[derive(Debug)]
struct Pending {
    ticket: Ticket,
    /// Where its bytes begin in all that was ever queued on this connection.
    begins: u64,
    expect: Expect,
}

/// A connection to one server.
#[derive(Debug)]
pub struct Connection {
    address: Rc<str>,
    state: State,
    out: Outbox,
    /// Whether the socket took less than there was.
    blocked: bool,
    queued: u64,
    written: u64,
    pending: VecDeque<Pending>,
    input: BytesMut,
    scanner: ReplyScanner,
    /// How many bytes `input` must have before there is anything to learn.
    needed: usize,
    /// Parts of an answer of several replies.
    parts: Vec<u8>,
    /// For a connection that one session has to itself.
    exchange: Option<(SessionId, Exchange)>,
    /// Whether the turn has given up the socket that the task still reads from.
    abandoned: bool,
    /// Why it was lost, until the turn has told the requests.
    lost: Option<String>,
    /// The task that reads.
    task: Option<Waker>,
    /// Whether nobody needs it any more.
    closed: bool,
}

impl Connection {
    /// A connection to `address` that is being established. `owner`: the session that has it to itself.
    pub(super) fn new(address: Rc<str>, owner: Option<SessionId>) -> Self {
        Self {
            address,
            state: State::Connecting,
            out: if owner.is_some() { Outbox::default() } else { Outbox::keeping(KEEP) },
            blocked: false,
            queued: 0,
            written: 0,
            pending: VecDeque::new(),
            input: BytesMut::new(),
            scanner: ReplyScanner::default(),
            needed: 1,
            parts: Vec::new(),
            exchange: owner.map(|session| (session, Exchange::default())),
            abandoned: false,
            lost: None,
            task: None,
            closed: false,
        }
    }

    /// How many bytes wait to be written.
    pub fn backlog(&self) -> usize {
        self.out.len()
    }

    /// Whether requests wait for replies.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Queue the bytes of the requests of `ticket`.
    ///
    /// # Errors
    ///
    /// The failure to answer them with, where the server cannot be reached at the moment. Nothing was queued.
    pub fn send(&mut self, ticket: Ticket, bytes: &[u8], expect: Expect) -> Result<(), Failure> {
        self.admit(ticket, bytes.len(), expect)?;
        self.out.push(bytes);
        Ok(())
    }

    /// As [`Connection::send`], without a copy where the bytes are many.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send_bytes(&mut self, ticket: Ticket, bytes: Bytes, expect: Expect) -> Result<(), Failure> {
        self.admit(ticket, bytes.len(), expect)?;
        self.out.push_bytes(bytes);
        Ok(())
    }

    fn admit(&mut self, ticket: Ticket, len: usize, expect: Expect) -> Result<(), Failure> {
        if matches!(self.state, State::Down) || self.lost.is_some() {
            return Err(Failure::NotSent);
        }
        let begins = self.queued;
        self.queued += len as u64;
        match self.pending.back_mut() {
            Some(last) if expect == Expect::One && last.expect == Expect::One && last.ticket.joins(&ticket) => {
                last.ticket.count += ticket.count;
            }
            _ => self.pending.push_back(Pending { ticket, begins, expect }),
        }
        Ok(())
    }

    /// Write what waits, as far as the socket takes it.
    pub fn flush(&mut self) {
        let State::Ready(socket) = &self.state else { return };
        if self.blocked || self.out.is_empty() {
            return;
        }
        match self.out.flush(|pieces| socket.try_write_vectored(pieces)) {
            Ok((flush, written)) => {
                self.written += written as u64;
                self.blocked = flush == Flush::Blocked;
                if self.blocked {
                    self.wake();
                }
            }
            // The reading task learns of it too; until then nothing more is taken.
            Err(error) => {
                self.lost = Some(error.to_string());
                self.wake();
            }
        }
    }

    /// Nobody needs it any more: it is closed, and what is in flight forgotten. Returns the trails of what was.
    pub fn close(&mut self) -> impl Iterator<Item = TrailId> + use<> {
        self.closed = true;
        self.wake();
        std::mem::take(&mut self.pending).into_iter().map(|pending| pending.ticket.trail)
    }

    fn wake(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// Hand over what was read, and tell the requests of a lost connection.
    pub fn receive(&mut self, receiver: &mut impl Receiver) {
        let result = match &self.exchange {
            None => self.receive_shared(receiver),
            Some(_) => self.receive_private(receiver),
        };
        if let Err(reason) = result {
            self.lost = Some(reason);
            self.wake();
        }
        if self.input.is_empty() && self.exchange.is_some() {
            self.input = BytesMut::new();
        }
        if self.lost.is_some() {
            self.fail(receiver);
        }
    }

    /// Every reply belongs to the oldest request.
    fn receive_shared(&mut self, receiver: &mut impl Receiver) -> Result<(), String> {
        while self.input.len() >= self.needed {
            let Some(oldest) = self.pending.front_mut() else {
                return Err("it sent a reply that nobody had asked for".to_owned());
            };
            let (mut end, mut count) = (0, 0);
            while count < oldest.ticket.count {
                match self.scanner.scan(&self.input[end..]) {
                    Ok(Scan::Complete(len)) if len >= LARGE => {
                        // One by itself: hand over those before it first.
                        if count == 0 {
                            (end, count) = (len, 1);
                            self.scanner = ReplyScanner::default();
                        }
                        break;
                    }
                    Ok(Scan::Complete(len)) => {
                        self.scanner = ReplyScanner::default();
                        end += len;
                        count += 1;
                        self.needed = 1;
                    }
                    Ok(Scan::Incomplete(needed)) => {
                        self.needed = needed;
                        break;
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
            if count == 0 {
                break;
            }
            let ticket = oldest.ticket.split(count);
            if oldest.ticket.count == 0 {
                self.pending.pop_front();
            }
            if end >= LARGE && count == 1 {
                self.needed = 1;
                receiver.reply(&ticket, Payload::Large(self.input.split_to(end).freeze()), true);
            } else {
                receiver.reply(&ticket, Payload::Small(&self.input[..end]), true);
                self.input.advance(end);
            }
        }
        Ok(())
    }

    /// Frame by frame: what a frame belongs to depends on what it is.
    fn receive_private(&mut self, receiver: &mut impl Receiver) -> Result<(), String> {
        let Some((owner, exchange)) = &mut self.exchange else { return Ok(()) };
        while self.input.len() >= self.needed {
            if exchange.streaming {
                receiver.unasked(*owner, &self.input);
                self.input.clear();
                self.pending.clear();
                break;
            }
            let len = match self.scanner.scan(&self.input) {
                Ok(Scan::Complete(len)) => len,
                Ok(Scan::Incomplete(needed)) => {
                    self.needed = needed;
                    break;
                }
                // What a replica is sent is no frame; a request for it turns framing off with the first byte.
                Err(error) if self.pending.front().is_none_or(|oldest| oldest.expect != Expect::Stream) => {
                    return Err(error.to_string());
                }
                Err(_) => self.input.len(),
            };
            self.scanner = ReplyScanner::default();
            self.needed = 1;
            let frame = self.input.split_to(len).freeze();
            match exchange.classify(&frame, self.pending.front().map(|oldest| oldest.expect)) {
                Belongs::Unasked => receiver.unasked(*owner, &frame),
                Belongs::InPart => self.parts.extend_from_slice(&frame),
                Belongs::Finally => {
                    let Some(oldest) = self.pending.front_mut() else { continue };
                    let ticket = oldest.ticket.split(1);
                    if oldest.ticket.count == 0 {
                        self.pending.pop_front();
                    }
                    if self.parts.is_empty() && !exchange.streaming {
                        let payload = if len < LARGE { Payload::Small(&frame) } else { Payload::Large(frame) };
                        receiver.reply(&ticket, payload, true);
                    } else {
                        let mut parts = std::mem::take(&mut self.parts);
                        parts.extend_from_slice(&frame);
                        receiver.reply(&ticket, Payload::Small(&parts), false);
                    }
                }
            }
        }
        Ok(())
    }

    /// The connection is lost: every request in flight has failed.
    fn fail(&mut self, receiver: &mut impl Receiver) {
        let reason = self.lost.take().unwrap_or_default();
        if matches!(self.state, State::Ready(_)) && (self.exchange.is_none() || !self.pending.is_empty()) {
            tracing::warn!(upstream = &*self.address, %reason, in_flight = self.pending.len(), "upstream connection lost");
        }
        for pending in self.pending.drain(..) {
            let failure = if pending.begins < self.written { Failure::InDoubt } else { Failure::NotSent };
            receiver.failed(&pending.ticket, &failure);
        }
        if let Some((owner, _)) = &self.exchange {
            receiver.ended(*owner);
        }
        self.reset();
    }

    fn reset(&mut self) {
        if let State::Ready(_) = self.state {
            self.state = State::Connecting;
            self.abandoned = true;
        }
        self.out.clear();
        self.blocked = false;
        self.queued = 0;
        self.written = 0;
        self.input = BytesMut::new();
        self.scanner = ReplyScanner::default();
        self.needed = 1;
        self.parts.clear();
        self.wake();
    }

    // --- for the task that establishes the connection and reads from it ---

    /// It is established.
    pub(super) fn established(&mut self, socket: WriteHalf) {
        self.state = State::Ready(socket);
        self.abandoned = false;
        self.flush();
    }

    /// It cannot be established; until the next attempt, requests fail at once.
    pub(super) fn refused(&mut self, reason: String) {
        self.state = State::Down;
        self.lost = Some(reason);
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the turn has still to be told that it was lost.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Read what has arrived and write what was blocked. Ready with whether anything was read; an error once it is lost.
    pub(super) fn poll_io(&mut self, socket: &mut ReadHalf, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed || self.abandoned {
            return Poll::Ready(Err(io::Error::other("it is not needed any more")));
        }
        if let Some(reason) = &self.lost {
            return Poll::Ready(Err(io::Error::other(reason.clone())));
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
                    self.lost = Some("connection closed".to_owned());
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(count)) => {
                    read += count;
                    if read >= READ_PER_TURN {
                        context.waker().wake_by_ref();
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.lost = Some(error.to_string());
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
