//! The task of a session: it reads what its client sends into the next vector, and writes what the turn could not.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::Worker;
use super::deliver::Delivery;
use super::intake::{Intake, is_large};
use super::session::{Life, Session};
use crate::ids::SessionId;
use crate::net::ReadHalf;

/// The most that a session reads into the vector of one turn, in bytes.
const READ: usize = 64 * 1024;

/// The most that a session reads of a large request before others have their turn, in bytes.
const READ_LARGE: usize = 1024 * 1024;

/// With so many bytes in the vector, sessions wait for the next turn: so that what crosses into a transform, which has to have the memory
/// for it, is not a matter of how many sessions happen to be ready. One large request more may come in.
const FULL: usize = 1024 * 1024;

/// Reads for one session until it is over.
pub(super) struct Reader {
    worker: Rc<RefCell<Worker>>,
    session: SessionId,
    socket: ReadHalf,
}

/// What came of an attempt to read.
enum Read {
    /// Some bytes.
    Some,
    /// The client will send no more.
    End,
    /// The connection is broken.
    Broken,
}

impl Reader {
    pub(super) fn new(worker: Rc<RefCell<Worker>>, session: SessionId, socket: ReadHalf) -> Self {
        Self { worker, session, socket }
    }

    /// What its client still sends, once the session is over; `None`: the connection is to be closed
    /// at once.
    pub(super) fn into_socket(self) -> Option<ReadHalf> {
        (!self.socket.is_abandoned()).then_some(self.socket)
    }

    /// Ready when the session is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let worker = &mut *self.worker.borrow_mut();
        let Worker { delivery: Delivery { sessions, trails, .. }, sources, sent, ids, turn_waker, .. } = worker;
        let Some(session) = sessions.get(self.session) else { return Poll::Ready(()) };
        let source = &mut sources[session.source];
        session.sleep(context.waker());
        while session.blocked {
            match self.socket.poll_write_ready(context) {
                Poll::Ready(_) => {
                    session.blocked = false;
                    session.flush();
                    if !session.blocked {
                        // The turn closes it or lets it be read from again, as the case may be.
                        sessions.mark_ready(self.session);
                        turn_waker.wake();
                        break;
                    }
                }
                Poll::Pending => break,
            }
        }
        let Some(session) = sessions.get(self.session) else { return Poll::Ready(()) };
        if !session.may_read() {
            // Nobody else would tell that the client has gone while it is not read from; its replies will.
            return Poll::Pending;
        }
        if source.congested {
            source.hold(session);
            return Poll::Pending;
        }
        if source.inbox.size() > FULL {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        sent.add(session.source);
        let mut intake =
            Intake { vector: &mut source.inbox, trails, ids, tap: source.tap.as_mut(), chain: &source.chain };
        if let Some(held) = session.partial.take_if(|partial| partial.needed == 0) {
            let start = intake.vector.arena_mut().append(&held.bytes);
            intake.arrived(session, start);
            turn_waker.wake();
            // What the socket has, after the turn.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = match session.partial.as_deref() {
            Some(partial) if is_large(partial) => read_large(&mut self.socket, context, session, &mut intake),
            _ => read_small(&mut self.socket, context, session, &mut intake),
        };
        match read {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Read::Some) => {}
            Poll::Ready(Read::End) => {
                session.finished = true;
                session.end();
            }
            Poll::Ready(Read::Broken) => session.life = Life::Gone,
        }
        if session.life != Life::Open {
            sessions.mark_ready(self.session);
        }
        turn_waker.wake();
        // If there is more, after the turn.
        if self.socket.poll_read_ready(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Read into the arena, behind what there is of an unfinished request.
fn read_small(
    socket: &mut ReadHalf,
    context: &mut Context<'_>,
    session: &mut Session,
    intake: &mut Intake<'_>,
) -> Poll<Read> {
    let start = intake.vector.arena().len();
    let before = session.partial.as_ref().map_or(0, |partial| partial.bytes.len());
    let room = intake.vector.arena_mut().spare(before + READ);
    let mut buffer = ReadBuf::new(&mut room[before..before + READ]);
    match Pin::new(socket).poll_read(context, &mut buffer) {
        Poll::Pending => return Poll::Pending,
        Poll::Ready(Err(_)) => return Poll::Ready(Read::Broken),
        Poll::Ready(Ok(())) => {}
    }
    let count = buffer.filled().len();
    if count == 0 {
        return Poll::Ready(Read::End);
    }
    if let Some(partial) = session.partial.take() {
        room[..before].copy_from_slice(&partial.bytes);
    }
    intake.vector.arena_mut().commit(before + count);
    intake.arrived(session, start);
    Poll::Ready(Read::Some)
}

/// Read into the memory of a large request.
fn read_large(
    socket: &mut ReadHalf,
    context: &mut Context<'_>,
    session: &mut Session,
    intake: &mut Intake<'_>,
) -> Poll<Read> {
    let Some(mut partial) = session.partial.take() else { return Poll::Ready(Read::Some) };
    let mut total = 0;
    let result = loop {
        let bytes = &mut partial.bytes;
        if bytes.capacity() - bytes.len() < READ / 4 {
            // Memory follows what has really arrived: a length alone costs nothing.
            let missing = partial.needed.saturating_sub(bytes.len());
            bytes.reserve(missing.clamp(READ, READ.max(bytes.len())));
        }
        match tokio_util::io::poll_read_buf(Pin::new(&mut *socket), context, bytes) {
            Poll::Pending if total == 0 => break Poll::Pending,
            Poll::Pending => break Poll::Ready(Read::Some),
            Poll::Ready(Err(_)) => break Poll::Ready(Read::Broken),
            Poll::Ready(Ok(0)) => break Poll::Ready(Read::End),
            Poll::Ready(Ok(count)) => {
                total += count;
                if intake.arrived_large(session, &mut partial) {
                    return Poll::Ready(Read::Some);
                }
                if total >= READ_LARGE {
                    break Poll::Ready(Read::Some);
                }
            }
        }
    };
    session.partial = Some(partial);
    result
}
