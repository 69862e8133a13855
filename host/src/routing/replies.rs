//! All that routing asks of the worker: one small trait, so that a test can stand in for it.

use std::net::SocketAddr;
use std::time::Instant;

use crate::chain::{Answer, Kind, Place};
use crate::ids::{MessageId, PathId, Sequence, SessionId};
use crate::upstream::{Payload, Ticket};

/// All that routing asks of the worker.
pub(crate) trait Replies {
    /// Releases the reply to the requests of `ticket`, in the order of their session.
    fn reply(&mut self, ticket: &Ticket, reply: Payload<'_>, kind: Kind);

    /// Releases an answer that no server gave, in the order of its session. It answers all requests
    /// of `ticket`.
    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind);

    /// Counts requests that no server could answer.
    fn failed(&mut self, count: u32);

    /// Hands a session what its server sent unasked. `pushes`: the transforms that watch it.
    fn push(&mut self, id: SessionId, frame: &[u8], pushes: Option<&Pushes>);

    /// Hands a session bytes that are no frames: replication.
    fn stream(&mut self, id: SessionId, bytes: &[u8]);

    /// Goes on past the requests of `ticket`, which get no response.
    fn skip(&mut self, ticket: &Ticket);

    /// Forgets what must happen to a response that will not come.
    fn discard(&mut self, trail: PathId);

    /// The transforms that watch the response with this trail, each with its tag.
    fn watches(&self, trail: PathId) -> Vec<(Place, u64)>;

    /// Reads no more from a session. Its requests in flight are still answered.
    fn end(&mut self, id: SessionId);

    /// Removes a session, whatever is in flight.
    fn remove(&mut self, id: SessionId);

    /// Has the turn poll a session before it ends.
    fn wake(&mut self, id: SessionId);

    /// Has a session subscribed again at the next tick.
    fn resubscribe_later(&mut self, id: SessionId);

    /// Gives the next `count` requests of a session their places; returns the first one.
    fn issue(&mut self, id: SessionId, count: u32) -> Sequence;

    /// How far the requests of a session have come.
    fn progress(&self, id: SessionId) -> Progress;

    /// Where the session's client has found the proxy; `None` for a Unix socket.
    fn found_at(&self, id: SessionId) -> Option<SocketAddr>;

    /// When this turn began.
    fn now(&self) -> Instant;
}

/// How far the requests of a session have come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// The first request without an answer.
    pub(crate) head: Sequence,
    /// The place of the next request.
    pub(crate) issued: Sequence,
}

impl Progress {
    /// Whether every request is answered.
    pub(crate) fn is_idle(self) -> bool {
        self.head == self.issued
    }
}

/// The transforms that watch what a server sends by itself: those that watched the request that
/// asked for it.
#[derive(Debug)]
pub(crate) struct Pushes {
    /// That request.
    pub(crate) id: MessageId,
    /// Each transform with its tag.
    pub(crate) watches: Vec<(Place, u64)>,
}
