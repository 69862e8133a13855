//! Bytes that wait to be written to one connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// Frames of this many bytes and more are kept apart and passed on without a copy; smaller ones are
/// copied to where they are written together. 32 KiB takes about a microsecond to copy: the price
/// of one system call.
pub const LARGE: usize = 32 * 1024;

/// A queue of bytes for one socket: small pieces are copied together, so that a turn ends in one
/// write; large ones are passed on as they are.
///
/// Holds no memory while it is empty (but see [`Outbox::keeping`]): an idle connection costs
/// nothing here.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What comes before `tail`. Pieces of at least [`LARGE`] bytes, and what was copied together
    /// before them.
    segments: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
    /// The capacity of the tail that is kept while nothing waits.
    keep: usize,
}

/// How far a write came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flush {
    /// Everything was written.
    Done,
    /// The socket takes no more for now.
    Blocked,
}

/// How many pieces one system call may take.
const PIECES: usize = 32;

/// A tail of this many bytes is ended and a new one begun, so that what was written of it can be
/// given back.
const TAIL: usize = 256 * 1024;

impl Outbox {
    /// An outbox for a busy connection: it keeps up to `keep` bytes of memory while it is empty.
    pub fn keeping(keep: usize) -> Self {
        Self { keep, ..Self::default() }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if self.tail.len() > TAIL {
            self.end_tail();
        }
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends `bytes`: without a copy if they are many.
    pub fn push_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < LARGE {
            return self.push(&bytes);
        }
        self.end_tail();
        self.len += bytes.len();
        self.segments.push_back(bytes);
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.segments = VecDeque::new();
        self.tail.clear();
        if self.tail.capacity() > self.keep {
            self.tail = BytesMut::new();
        }
        self.len = 0;
    }

    /// Hand what waits to `write` (a vectored, non-blocking write) until all is written or the
    /// socket takes no more. How many bytes were written is added to `total`, in case of an error
    /// too.
    ///
    /// # Errors
    ///
    /// What `write` returned, but for [`io::ErrorKind::WouldBlock`] and
    /// [`io::ErrorKind::Interrupted`].
    pub fn flush(
        &mut self,
        total: &mut u64,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Flush> {
        while self.len > 0 {
            let result = if self.segments.is_empty() {
                write(&[IoSlice::new(&self.tail)])
            } else {
                let mut pieces = [IoSlice::new(&[]); PIECES];
                let mut count = 0;
                for piece in self.segments.iter().map(|segment| &segment[..]).chain([&self.tail[..]]).take(PIECES) {
                    pieces[count] = IoSlice::new(piece);
                    count += 1;
                }
                write(&pieces[..count])
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    *total += written as u64;
                    self.advance(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flush::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Flush::Done)
    }

    /// Forgets the first `count` bytes that wait.
    pub fn skip(&mut self, count: usize) {
        self.advance(count.min(self.len));
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push_back(self.tail.split().freeze());
        }
        self.tail = BytesMut::new();
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        if self.len == 0 {
            return self.clear();
        }
        while let Some(first) = self.segments.front_mut() {
            if written < first.len() {
                return first.advance(written);
            }
            written -= first.len();
            self.segments.pop_front();
        }
        self.tail.advance(written);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Takes `at_most` bytes a call, and no more than `room` in all.
    fn sink<'a>(
        taken: &'a mut Vec<u8>,
        at_most: usize,
        room: usize,
    ) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> + 'a {
        move |pieces| {
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
            let count = bytes.len().min(at_most).min(room - taken.len());
            taken.extend_from_slice(&bytes[..count]);
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }
    }

    #[test]
    fn small_and_large_pieces_leave_in_the_order_in_which_they_came() {
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        for round in 0..20u8 {
            outbox.push(&[round; 10]);
            expected.extend([round; 10]);
            outbox.push_bytes(vec![round; LARGE + usize::from(round)].into());
            expected.extend(vec![round; LARGE + usize::from(round)]);
        }
        assert_eq!(outbox.len(), expected.len());
        let mut taken = Vec::new();
        let mut total = 0;
        assert_eq!(outbox.flush(&mut total, sink(&mut taken, 7_001, 300_000)).unwrap(), Flush::Blocked);
        assert_eq!(total, 300_000);
        outbox.push(b"end");
        expected.extend(b"end");
        let mut rest = Vec::new();
        assert_eq!(outbox.flush(&mut total, sink(&mut rest, 50_000, usize::MAX)).unwrap(), Flush::Done);
        assert_eq!(total, expected.len() as u64);
        taken.extend(rest);
        assert!(taken == expected);
        assert!(outbox.is_empty() && outbox.tail.capacity() == 0);
    }

    #[test]
    fn a_socket_that_takes_nothing_is_an_error_not_a_loop() {
        let mut outbox = Outbox::default();
        outbox.push(b"x");
        assert_eq!(outbox.flush(&mut 0, |_| Ok(0)).unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn what_was_written_before_an_error_counts() {
        let mut outbox = Outbox::default();
        outbox.push(b"written, lost");
        let mut results = [Ok(7), Err(io::ErrorKind::ConnectionReset.into())].into_iter();
        let mut total = 5;
        assert!(outbox.flush(&mut total, |_| results.next().unwrap()).is_err());
        assert_eq!((total, outbox.len()), (12, 6));
    }
}
