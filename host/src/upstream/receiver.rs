//! What a connection brings, and who takes it.

use std::rc::Rc;

use bytes::Bytes;

use super::disconnect::Lost;
use super::failure::Failure;
use super::ticket::Ticket;
use crate::ids::SessionId;

/// Takes what a connection brings.
pub trait Receiver {
    /// Replies to the requests of `ticket`, one after the other. `whole`: exactly one for each request, none of them a part.
    fn reply(&mut self, ticket: &Ticket, replies: Payload<'_>, whole: bool);

    /// A frame that came by itself, for the session that has this connection to itself.
    fn unasked(&mut self, session: SessionId, frame: &[u8]);

    /// There will be no replies that could be told from others: replication has begun.
    fn unanswered(&mut self, ticket: &Ticket);

    /// Bytes that are no frames, for the session that has this connection to itself: replication.
    fn stream(&mut self, session: SessionId, bytes: &[u8]);

    /// The connection that this session had to itself is over, with what the server kept of it.
    fn ended(&mut self, session: SessionId, lost: Lost);

    /// There will be no replies.
    fn failed(&mut self, ticket: &Ticket, failure: Failure);

    /// A request that was not executed and may be sent elsewhere, or again: one of a connection whose requests are kept.
    fn sent_back(&mut self, ticket: &Ticket, request: Bytes, cause: Cause<'_>);
}

/// Why a request comes back.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// The server says so.
    Reply {
        /// Its error.
        error: &'a [u8],
        /// The server.
        server: &'a Rc<str>,
    },
    /// The connection was lost before it was written.
    NotSent,
}

/// Bytes to be copied, or many of them to be kept.
#[derive(Debug)]
pub enum Payload<'a> {
    /// Less than [`LARGE`](crate::buffer::LARGE), or several frames.
    Small(&'a [u8]),
    /// One large frame.
    Large(Bytes),
}

impl Payload<'_> {
    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(bytes) => bytes,
        }
    }

    /// All of them, kept.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Small(bytes) => Bytes::copy_from_slice(bytes),
            Self::Large(bytes) => bytes,
        }
    }
}
