//! What a connection remembers of a request until its reply comes.

use std::time::Instant;

use crate::ids::{MessageId, PathId, Sequence, SessionId};

/// The requests that a reply belongs to: one, or several of one session that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// The session.
    pub session: SessionId,
    /// The place of the first one among the requests of its session.
    pub sequence: Sequence,
    /// The message ID of the first one. Those of the others follow it only where there is no trail to need them.
    pub id: MessageId,
    /// How many there are. More than one only without a trail.
    pub count: u32,
    /// What must happen to the response.
    pub trail: PathId,
    /// When the turn that carried them began.
    pub since: Instant,
    /// 0, or which part of a request this is that was taken apart, counted from 1.
    pub part: u16,
}

impl Ticket {
    /// Whether `next` can be one with this ticket.
    #[inline]
    pub fn joins(&self, next: &Self) -> bool {
        self.session == next.session
            && self.trail.is_none()
            && next.trail.is_none()
            && self.part == 0
            && next.part == 0
            && self.sequence + u64::from(self.count) == next.sequence
            && self.since == next.since
    }

    /// Take the first `count` requests off.
    pub fn split(&mut self, count: u32) -> Self {
        let first = Self { count, ..*self };
        self.sequence += u64::from(count);
        self.id.0 += u64::from(count);
        self.count -= count;
        first
    }
}
