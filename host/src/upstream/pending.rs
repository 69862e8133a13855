//! What a connection knows of the requests that it has not had replies to.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::pipeline_limit::Load;
use super::replay_buffer::ReplayBuffer;
use super::reply_matching::Expect;
use super::ticket::Ticket;

/// Requests of one ticket that wait for their replies.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    /// How many requests it stood for that are answered.
    pub(super) done: u32,
    /// Where its bytes begin in all that was queued on this connection.
    pub(super) begins: u64,
    pub(super) expect: Expect,
    /// When it was sent, as far as the proxy is concerned.
    pub(super) since: Instant,
}

impl Pending {
    /// The first so many of its requests are answered. Returns their ticket.
    #[inline]
    pub(super) fn answered(&mut self, count: u32) -> Ticket {
        self.done += count;
        self.ticket.split(count)
    }

    /// The bytes of its first request that is not answered. Those before it are let go, so that it is not searched for twice.
    pub(super) fn request(&mut self, kept: Option<&ReplayBuffer>) -> Option<Bytes> {
        let (behind, request) = kept?.from(self.begins).nth(self.done as usize)?;
        self.begins = behind - request.len() as u64;
        self.done = 0;
        Some(request)
    }
}

impl<'a> Load<'a> {
    /// That of what is `pending`, which stands for so many requests, of so many bytes that were ever queued.
    #[inline]
    pub(super) fn of(pending: &'a VecDeque<Pending>, requests: usize, queued: u64) -> Self {
        let bytes = pending.front().map_or(0, |oldest| (queued - oldest.begins) as usize);
        Self { requests, bytes, last: pending.back().map(|last| &last.ticket) }
    }
}
