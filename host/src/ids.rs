//! The numbers that things are known by. They are types, so that none can be taken for another.

use std::fmt;

/// What the host calls a request; its response carries the same. Unique within the process, never 0.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub u64);

/// What the host calls a session (one client connection). Unique within the process, never used again.
///
/// Bits 0–23 are its place in the table of its worker, bits 24–31 the worker, bits 32–63 count the sessions of that worker: a place
/// that is taken again gives another ID.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub u64);

impl SessionId {
    /// The most sessions that a worker may have at a time.
    pub const PLACES: usize = 1 << 24;

    /// No session: sessions are counted from 1.
    pub const NOBODY: Self = Self(0);

    /// The session at `place` of `worker`, the `count`th of that worker.
    pub fn new(worker: u8, place: usize, count: u32) -> Self {
        debug_assert!(place < Self::PLACES);
        Self(u64::from(count) << 32 | u64::from(worker) << 24 | place as u64)
    }

    /// Its place in the table of its worker.
    #[inline]
    pub fn place(self) -> usize {
        self.0 as usize & (Self::PLACES - 1)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Gives a worker's requests their message IDs.
#[derive(Debug)]
pub struct MessageIds {
    next: u64,
}

impl MessageIds {
    /// IDs that no other worker gives. The worker is in the upper 8 bits; 2^56 requests fit below.
    pub fn of_worker(worker: u8) -> Self {
        Self { next: u64::from(worker) << 56 | 1 }
    }

    /// The next one.
    #[inline]
    pub fn issue(&mut self) -> MessageId {
        let id = MessageId(self.next);
        self.next += 1;
        id
    }
}

/// Where a request stands among the requests that its session has in flight: responses are released in this order.
pub type Sequence = u64;

/// The trail of a request: what must happen to its response, as its chain has written it down. Most requests have none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PathId(u32);

impl PathId {
    /// Nothing: the response goes straight to its session.
    pub const NONE: Self = Self(0);

    /// The trail at a place of the table of trails.
    pub fn at(place: usize) -> Self {
        Self(place as u32 + 1)
    }

    /// Its place in the table, if it is one.
    pub fn place(self) -> Option<usize> {
        self.0.checked_sub(1).map(|place| place as usize)
    }

    /// Whether there is nothing to be done.
    #[inline]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}
