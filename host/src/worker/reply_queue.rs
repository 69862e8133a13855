//! The order in which the responses of a session are released: that of its requests, whichever came first.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use crate::chain::Kind;
use crate::ids::Sequence;
use crate::routing::Progress;
use crate::upstream::Ticket;

/// Releases the responses of a session in the order of its requests.
#[derive(Debug, Default)]
pub(super) struct ReplyQueue {
    /// The sequence of the next request.
    next: Sequence,
    /// The sequence of the next response to be released.
    head: Sequence,
    /// Responses that came before their turn: from `head` on, by their place.
    parked: VecDeque<Option<Parked>>,
    /// The bytes of small ones among them.
    stash: Vec<u8>,
    /// How many there are.
    count: usize,
    /// Whether responses of this session wait for the transforms in this turn: those behind them must wait too.
    pub(super) staged: bool,
}

/// A response that came before its turn.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) ticket: Ticket,
    pub(super) bytes: Stored,
    pub(super) kind: Kind,
    pub(super) foreign: bool,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Stored {
    /// In the stash of its session.
    Stash(Range<usize>),
    /// By themselves.
    Kept(Bytes),
}

/// The most bytes of a stash: more are kept by themselves.
const STASH: usize = 16 * 1024;

/// For so many responses an idle session keeps the memory.
const KEEP: usize = 8;

impl ReplyQueue {
    /// The sequence of the next request, and of so many behind it.
    #[inline]
    pub(super) fn issue(&mut self, count: u32) -> Sequence {
        let first = self.next;
        self.next += u64::from(count);
        first
    }

    /// The sequence behind that of the last request.
    pub(super) fn issued(&self) -> Sequence {
        self.next
    }

    /// The first request whose response has not been released.
    #[inline]
    pub(super) fn head(&self) -> Sequence {
        self.head
    }

    /// How far its requests have come.
    #[inline]
    pub(super) fn progress(&self) -> Progress {
        Progress { head: self.head, issued: self.next }
    }

    /// Whether nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.head == self.next
    }

    /// The response of the oldest requests is released.
    #[inline]
    pub(super) fn release(&mut self, count: u32) {
        self.head += u64::from(count);
        if !self.parked.is_empty() {
            self.parked.drain(..self.parked.len().min(count as usize));
        }
    }

    /// Keep the bytes of a response that is to be parked: a copy, unless they are kept already.
    pub(super) fn store(&mut self, seen: &[u8], kept: Option<&Bytes>) -> Stored {
        if self.stash.len() + seen.len() > STASH {
            return Stored::Kept(kept.cloned().unwrap_or_else(|| Bytes::copy_from_slice(seen)));
        }
        let start = self.stash.len();
        self.stash.extend_from_slice(seen);
        Stored::Stash(start..self.stash.len())
    }

    /// Keep a response until those before it are released.
    pub(super) fn park(&mut self, parked: Parked) {
        let place = parked.ticket.sequence.saturating_sub(self.head) as usize;
        if self.parked.len() <= place {
            if self.parked.capacity() == 0 {
                self.parked.reserve(self.next.saturating_sub(self.head) as usize);
            }
            self.parked.resize_with(place + 1, || None);
        }
        self.count += 1;
        self.parked[place] = Some(parked);
    }

    /// The response that waits for nothing but to be released.
    #[inline]
    pub(super) fn unpark(&mut self) -> Option<Parked> {
        let parked = self.parked.front_mut()?.take()?;
        self.count -= 1;
        Some(parked)
    }

    /// The bytes that responses were stored in, until they are given back.
    pub(super) fn take_stash(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stash)
    }

    /// Give them back.
    pub(super) fn give_back(&mut self, mut stash: Vec<u8>) {
        if self.count > 0 {
            self.stash = stash;
            return;
        }
        if self.is_idle() && self.parked.capacity() > KEEP {
            self.parked = VecDeque::new();
            return;
        }
        stash.clear();
        self.stash = stash;
    }

    /// All responses that wait.
    pub(super) fn take_parked(&mut self) -> impl Iterator<Item = Parked> + use<> {
        self.count = 0;
        std::mem::take(&mut self.parked).into_iter().flatten()
    }
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;
    use crate::ids::{MessageId, PathId, SessionId};

    fn parked(queue: &mut ReplyQueue, sequence: Sequence, count: u32, bytes: &[u8]) {
        let since = Instant::now();
        let (session, id, trail) = (SessionId(1), MessageId(1), PathId::NONE);
        let ticket = Ticket { session, sequence, id, count, trail, since, part: 0 };
        let bytes = queue.store(bytes, None);
        queue.park(Parked { ticket, bytes, kind: Kind::Single, foreign: false });
    }

    #[test]
    fn responses_wait_for_those_before_them() {
        let mut queue = ReplyQueue::default();
        assert_eq!((queue.issue(3), queue.issue(2)), (0, 3));
        parked(&mut queue, 3, 2, b"four and five");
        parked(&mut queue, 1, 1, &vec![b'x'; STASH]);
        assert!(queue.unpark().is_none());
        queue.release(1);
        let second = queue.unpark().unwrap();
        assert!(matches!(&second.bytes, Stored::Kept(bytes) if bytes.len() == STASH));
        queue.release(1);
        assert!(queue.unpark().is_none());
        queue.release(1);
        let last = queue.unpark().unwrap();
        let stash = queue.take_stash();
        assert!(matches!(&last.bytes, Stored::Stash(range) if &stash[range.clone()] == b"four and five"));
        queue.give_back(stash);
        queue.release(2);
        assert!(queue.is_idle() && queue.parked.is_empty() && queue.stash.is_empty());
    }
}
