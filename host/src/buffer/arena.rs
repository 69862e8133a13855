//! The bytes of one vector: what was read in this turn, and what the transforms made of it.

use std::ops::Range;

/// A growing piece of memory that is used again for every turn, so that reading neither allocates
/// nor counts references.
///
/// Everything in it is found by its offset. Cleared after each turn.
#[derive(Debug, Default)]
pub struct Arena {
    /// All of it is initialised; what lies behind `filled` is spare room.
    bytes: Vec<u8>,
    filled: usize,
}

/// An arena that has grown beyond this in one turn is given back after it, in bytes.
const KEEP: usize = 4 * 1024 * 1024;

impl Arena {
    /// How many bytes are in use.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether nothing is in use.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The bytes in use.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// The bytes of a range; empty where it reaches beyond what is in use.
    pub fn get(&self, range: Range<usize>) -> &[u8] {
        self.bytes().get(range).unwrap_or_default()
    }

    /// At least `len` bytes of spare room, to be read into. They count only after
    /// [`Arena::commit`].
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        let wanted = self.filled + len;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.next_power_of_two(), 0);
        }
        &mut self.bytes[self.filled..]
    }

    /// Counts `len` bytes of the spare room as used; at most as many as there are.
    pub fn commit(&mut self, len: usize) {
        self.filled = (self.filled + len).min(self.bytes.len());
    }

    /// Gives up everything from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.filled = self.filled.min(len);
    }

    /// Appends a copy of `bytes`; returns where it begins.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let start = self.filled;
        self.spare(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        start
    }

    /// Appends a copy of a part of itself. `range` lies within what is in use.
    pub fn append_within(&mut self, range: Range<usize>) {
        let (start, len) = (self.filled, range.len());
        self.spare(len);
        self.bytes.copy_within(range, start);
        self.filled += len;
    }

    /// Forgets everything; keeps the memory, unless it has become unusually large.
    pub fn clear(&mut self) {
        self.filled = 0;
        if self.bytes.len() > KEEP {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_stays_where_it_is_while_the_arena_grows() {
        let mut arena = Arena::default();
        arena.spare(4)[..4].copy_from_slice(b"abcd");
        arena.commit(4);
        let at = arena.append(&[7; 100_000]);
        arena.append_within(1..3);
        assert_eq!((arena.get(0..4), at, arena.get(100_004..100_006)), (&b"abcd"[..], 4, &b"bc"[..]));
        arena.truncate(4);
        assert_eq!((arena.bytes(), arena.get(2..9)), (&b"abcd"[..], &b""[..]));
    }

    #[test]
    fn an_arena_that_grew_large_is_given_back() {
        let mut arena = Arena::default();
        arena.append(&vec![0; KEEP + 1]);
        arena.clear();
        assert_eq!(arena.bytes.capacity(), 0);
    }
}
