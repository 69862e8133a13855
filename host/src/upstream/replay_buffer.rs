//! The bytes of requests, kept until they are answered: a server that may send a request elsewhere does not send its bytes back.
//!
//! They are kept as one stream in the order in which they were queued, found by the offset at which a request began. Keeping a small
//! one is a copy, letting answered ones go is a comparison.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use crate::buffer::LARGE;
use crate::resp::Scan;
use crate::resp::request::RequestScanner;

/// The requests of one connection that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct ReplayBuffer {
    /// What comes before `tail`, each with the offset of its first byte. No request lies in two of them.
    segments: VecDeque<(u64, Bytes)>,
    tail: BytesMut,
    /// The offset of the first byte of `tail`.
    begins: u64,
    /// Counts all requests that were ever kept, for the server.
    count: Rc<Cell<u64>>,
}

/// A tail of this many bytes is ended and a new one begun, so that its memory can be given back.
const TAIL: usize = 128 * 1024;

impl ReplayBuffer {
    /// Nothing yet. Requests that are kept are added to `count`.
    pub(super) fn counting(count: Rc<Cell<u64>>) -> Self {
        Self { count, ..Self::default() }
    }

    /// So many requests are kept.
    #[inline]
    pub(super) fn count(&self, requests: u32) {
        self.count.set(self.count.get() + u64::from(requests));
    }

    /// The same with nothing in it.
    pub(super) fn emptied(&self) -> Self {
        Self::counting(self.count.clone())
    }

    /// Keep a copy of `bytes`: whole requests.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.tail.len() > TAIL {
            self.end_tail();
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Keep `bytes`, whole requests, without a copy where they are many.
    pub(super) fn push_bytes(&mut self, bytes: &Bytes) {
        if bytes.len() < LARGE {
            return self.push(bytes);
        }
        self.end_tail();
        self.segments.push_back((self.begins, bytes.clone()));
        self.begins += bytes.len() as u64;
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            let begins = self.begins;
            self.begins += self.tail.len() as u64;
            self.segments.push_back((begins, self.tail.split().freeze()));
        }
    }

    /// What begins before `offset` is answered.
    #[inline]
    pub(super) fn answered(&mut self, offset: u64) {
        while self.segments.front().is_some_and(|(begins, bytes)| begins + bytes.len() as u64 <= offset) {
            self.segments.pop_front();
        }
        if self.begins + self.tail.len() as u64 <= offset {
            self.begins = offset;
            self.tail.clear();
        }
    }

    /// The requests from `offset` on, each with the offset behind it.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, Bytes)> + '_ {
        let mut at = offset;
        std::iter::from_fn(move || {
            let (rest, segment) = self.stretch(at)?;
            let request = lengths(rest).next().and_then(|range| rest.get(range))?;
            at += request.len() as u64;
            let bytes = segment.map_or_else(|| Bytes::copy_from_slice(request), |bytes| bytes.slice_ref(request));
            Some((at, bytes))
        })
    }

    /// What is kept from an offset on, and where it does not lie in the tail, the segment.
    fn stretch(&self, offset: u64) -> Option<(&[u8], Option<&Bytes>)> {
        if let Some(at) = offset.checked_sub(self.begins) {
            return Some((self.tail.get(at as usize..)?, None));
        }
        let (begins, bytes) = self.segments.iter().rev().find(|(begins, _)| *begins <= offset)?;
        Some((bytes.get((offset - begins) as usize..)?, Some(bytes)))
    }
}

/// The places of the whole requests that lie one behind the other.
fn lengths(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || match RequestScanner::default().scan(bytes.get(at..)?, &mut Vec::new()) {
        Ok(Scan::Complete(len)) if len > 0 => {
            at += len;
            Some(at - len..at)
        }
        _ => None,
    })
}

/// Requests that lie one behind the other, each by itself.
pub fn requests(bytes: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    lengths(bytes).map(|range| bytes.slice(range))
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::resp::encode;

    fn request(words: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        encode::request(&mut out, words.iter().copied());
        out
    }

    fn first(kept: &ReplayBuffer, offset: u64) -> Option<Bytes> {
        kept.from(offset).next().map(|(_, bytes)| bytes)
    }

    #[test]
    fn requests_are_found_until_they_are_answered() {
        let mut kept = ReplayBuffer::default();
        let mut places = Vec::new();
        let mut offset = 0;
        for round in 0..3000u32 {
            let value = vec![b'x'; if round % 100 == 7 { LARGE } else { 100 }];
            let frame = request(&[b"SET", round.to_string().as_bytes(), &value]);
            places.push((offset, frame.clone()));
            offset += frame.len() as u64;
            if frame.len() >= LARGE { kept.push_bytes(&frame.into()) } else { kept.push(&frame) }
        }
        for (offset, frame) in &places {
            assert!(first(&kept, *offset).unwrap() == frame);
        }
        assert!(kept.from(0).map(|(_, bytes)| bytes).eq(places.iter().map(|(_, frame)| frame)));
        kept.answered(places[2999].0);
        assert!(first(&kept, places[0].0).is_none());
        assert!(first(&kept, places[2999].0).unwrap() == places[2999].1);
        kept.answered(offset);
        assert!(kept.segments.is_empty() && kept.tail.is_empty());
        kept.push(&places[0].1);
        assert!(first(&kept, offset).unwrap() == places[0].1);
    }

    #[test]
    fn of_several_that_came_together_each_is_found() {
        let mut kept = ReplayBuffer::default();
        let frames: Vec<Vec<u8>> = (0..3u8).map(|number| request(&[b"GET", &[number]])).collect();
        kept.push(&frames.concat());
        let found: Vec<(u64, Bytes)> = kept.from(0).collect();
        assert!(found.iter().map(|(_, bytes)| bytes).eq(&frames));
        assert_eq!(kept.from(found[1].0).count(), 1);
        assert_eq!(found[2].0, frames.concat().len() as u64);
    }
}
