//! How many requests a connection carries at a time.
//!
//! | mode | what the server sees of one connection |
//! | --- | --- |
//! | [`Pipelining::Off`] | a request, and the next one only when that is answered |
//! | [`Pipelining::Batch`] | what a session sent together, uninterrupted; the next such batch only when that is answered |
//! | [`Pipelining::Auto`] | the requests of all sessions, one behind the other, each session's in its order |
//!
//! What may not go yet waits here, in order. In the mode `auto` nothing waits below the limits, and the gate costs a comparison.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::reply_matching::Expect;
use super::ticket::Ticket;

/// Whether requests are sent before those in front of them are answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pipelining {
    /// One request at a time.
    Off,
    /// What one session sent together at a time.
    Batch,
    /// As they come.
    #[default]
    Auto,
}

/// The bounds of what is in flight on one connection. A request that exceeds them by itself still goes, alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InFlight {
    /// Requests.
    pub requests: usize,
    /// Bytes of requests.
    pub bytes: usize,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { requests: 65_536, bytes: 64 * 1024 * 1024 }
    }
}

/// What waits to be sent on one connection, and the rule for it.
#[derive(Debug)]
pub(super) struct PipelineLimit {
    mode: Pipelining,
    limits: InFlight,
    waiting: VecDeque<Waiting>,
    /// The bytes of `waiting`.
    size: usize,
}

/// Requests that wait.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) bytes: Bytes,
    pub(super) expect: Expect,
}

/// What a connection has in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub(super) requests: usize,
    pub(super) bytes: usize,
    /// The last request that was sent and is not answered.
    pub(super) last: Option<&'a Ticket>,
}

impl PipelineLimit {
    pub(super) fn new(mode: Pipelining, limits: InFlight) -> Self {
        Self { mode, limits, waiting: VecDeque::new(), size: 0 }
    }

    /// Whether `ticket` may be sent now, behind everything that waits.
    #[inline]
    pub(super) fn admits(&self, ticket: &Ticket, load: Load<'_>) -> bool {
        self.waiting.is_empty() && self.lets_pass(ticket, load)
    }

    #[inline]
    fn lets_pass(&self, ticket: &Ticket, load: Load<'_>) -> bool {
        let Some(last) = load.last else { return true };
        match self.mode {
            Pipelining::Auto => load.requests < self.limits.requests && load.bytes < self.limits.bytes,
            Pipelining::Batch => last.session == ticket.session && last.since == ticket.since,
            Pipelining::Off => false,
        }
    }

    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.size += waiting.bytes.len();
        self.waiting.push_back(waiting);
    }

    /// The next that may be sent now.
    #[inline]
    pub(super) fn next(&mut self, load: Load<'_>) -> Option<Waiting> {
        let first = self.waiting.front()?;
        if !self.lets_pass(&first.ticket, load) {
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.size -= first.bytes.len();
        Some(first)
    }

    /// The next that has waited since before `moment`.
    pub(super) fn late(&mut self, moment: Instant) -> Option<Waiting> {
        let first = self.waiting.pop_front_if(|first| first.ticket.since < moment)?;
        self.size -= first.bytes.len();
        Some(first)
    }

    /// How many bytes wait.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Everything that waits.
    pub(super) fn take(&mut self) -> VecDeque<Waiting> {
        self.size = 0;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod test {
    use std::time::Instant;

    use super::*;
    use crate::ids::{MessageId, PathId, SessionId};

    fn ticket(session: u64, since: Instant) -> Ticket {
        Ticket {
            session: SessionId(session),
            sequence: 0,
            id: MessageId(1),
            count: 1,
            trail: PathId::NONE,
            since,
            part: 0,
        }
    }

    #[test]
    fn each_mode_lets_pass_what_it_says() {
        let now = Instant::now();
        let mine = ticket(1, now);
        let load = |requests| Load { requests, bytes: 10 * requests, last: (requests > 0).then_some(&mine) };
        let gate = |mode| PipelineLimit::new(mode, InFlight { requests: 2, bytes: 1000 });
        for (mode, requests, session, expected) in [
            (Pipelining::Off, 0, 1, true),
            (Pipelining::Off, 1, 1, false),
            (Pipelining::Batch, 1, 1, true),
            (Pipelining::Batch, 1, 2, false),
            (Pipelining::Auto, 1, 2, true),
            (Pipelining::Auto, 2, 2, false),
        ] {
            assert_eq!(gate(mode).admits(&ticket(session, now), load(requests)), expected, "{mode:?} {requests}");
        }
        let later = ticket(1, now + std::time::Duration::from_millis(1));
        assert!(!gate(Pipelining::Batch).admits(&later, load(1)), "what came later is another batch");
    }

    #[test]
    fn what_waits_goes_in_order_and_nothing_overtakes_it() {
        let now = Instant::now();
        let idle = Load { requests: 0, bytes: 0, last: None };
        let mut gate = PipelineLimit::new(Pipelining::Off, InFlight::default());
        for session in [1, 2] {
            gate.wait(Waiting { ticket: ticket(session, now), bytes: Bytes::from_static(b"x"), expect: Expect::One });
        }
        assert_eq!(gate.size(), 2);
        assert!(!gate.admits(&ticket(3, now), idle));
        assert_eq!(gate.next(idle).map(|first| first.ticket.session.0), Some(1));
        assert_eq!(gate.next(idle).map(|first| first.ticket.session.0), Some(2));
        assert!(gate.is_empty() && gate.size() == 0);
    }
}
