//! The responses that one turn carries back through one chain.

use std::ops::Range;

use bytes::Bytes;

use crate::buffer::{Arena, LARGE};
use crate::ids::{MessageId, PathId, SessionId};

/// Responses that cannot go straight to their sessions, because a transform watches them or because they come after one that it
/// does. Those of one session stand in the order of their requests.
#[derive(Debug, Default)]
pub struct Responses {
    arena: Arena,
    list: Vec<Response>,
}

/// One response, or several replies that belong together.
#[derive(Clone, Debug)]
pub struct Response {
    /// The session of its request.
    pub session: SessionId,
    /// The message ID of its request.
    pub id: MessageId,
    /// The steps that it still takes.
    pub trail: PathId,
    /// What it is.
    pub kind: Kind,
    /// Whether a transform made it: it may speak another protocol than the session.
    pub foreign: bool,
    body: Body,
}

/// What a response is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Exactly one reply.
    Single,
    /// What came by itself, to a transform that watches it: a message, an invalidation.
    Unasked,
    /// Anything else that a server sent: several replies one after the other, or out-of-band data. Transforms do not see it.
    Several,
    /// Nothing any more: it has become a part of another response, or a fault has cost it.
    Consumed,
    /// The session is to be closed behind it.
    Last,
}

#[derive(Clone, Debug)]
enum Body {
    Arena(Range<usize>),
    Large(Bytes),
}

impl Responses {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in order.
    pub fn list(&self) -> &[Response] {
        &self.list
    }

    /// As [`Responses::list`].
    pub fn list_mut(&mut self) -> &mut [Response] {
        &mut self.list
    }

    /// Add a response.
    pub fn push(&mut self, session: SessionId, id: MessageId, trail: PathId, kind: Kind, foreign: bool, bytes: &[u8]) {
        let body = self.keep(bytes);
        self.list.push(Response { session, id, trail, kind, foreign, body });
    }

    /// Add a response without copying it.
    pub fn push_bytes(
        &mut self,
        session: SessionId,
        id: MessageId,
        trail: PathId,
        kind: Kind,
        foreign: bool,
        bytes: Bytes,
    ) {
        if bytes.len() < LARGE {
            return self.push(session, id, trail, kind, foreign, &bytes);
        }
        self.list.push(Response { session, id, trail, kind, foreign, body: Body::Large(bytes) });
    }

    /// The bytes of a response.
    pub fn bytes<'a>(&'a self, response: &'a Response) -> &'a [u8] {
        match &response.body {
            Body::Arena(range) => self.arena.get(range.clone()),
            Body::Large(bytes) => bytes,
        }
    }

    /// The bytes of a response that was kept apart because of its size.
    pub fn large<'a>(&self, response: &'a Response) -> Option<&'a Bytes> {
        match &response.body {
            Body::Arena(_) => None,
            Body::Large(bytes) => Some(bytes),
        }
    }

    /// Where a response lies in the arena; `None` for a large one.
    pub fn place(&self, response: &Response) -> Option<Range<usize>> {
        match &response.body {
            Body::Arena(range) => Some(range.clone()),
            Body::Large(_) => None,
        }
    }

    /// The arena.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Put other bytes in the place of a response, made by a transform.
    pub fn replace(&mut self, at: usize, bytes: &[u8]) {
        let body = self.keep(bytes);
        self.list[at].body = body;
        self.list[at].foreign = true;
    }

    fn keep(&mut self, bytes: &[u8]) -> Body {
        if bytes.len() < LARGE {
            let start = self.arena.append(bytes);
            Body::Arena(start..start + bytes.len())
        } else {
            Body::Large(Bytes::copy_from_slice(bytes))
        }
    }

    /// Forget everything; keep the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.list.clear();
    }
}
