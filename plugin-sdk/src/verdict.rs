//! Verdicts, written straight into the columns of the answer: nothing is allocated per request.

use crate::request::Arg;
use crate::{Reply, buffer};

/// Set in `kinds`: the response is watched.
pub(crate) const WATCHED: u8 = 0x80;
/// Set in `numbers`: an argument of the original request.
pub(crate) const ORIGINAL: u32 = 1 << 31;

/// What becomes of a request: the low bits of `kinds`.
pub(crate) mod kind {
    pub(crate) const FORWARD: u8 = 0;
    pub(crate) const REWRITE: u8 = 1;
    pub(crate) const REPLY: u8 = 2;
    pub(crate) const FAN_OUT: u8 = 3;
    pub(crate) const CLOSE: u8 = 4;
}

/// The answer to a batch of requests: see `requests-columns` in the contract.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) indices: Vec<u32>,
    pub(crate) kinds: Vec<u8>,
    pub(crate) tags: Vec<u64>,
    pub(crate) numbers: Vec<u32>,
    pub(crate) bytes: Vec<u8>,
}

impl Verdicts {
    /// Make room for the answer to the next batch.
    pub(crate) fn clear(&mut self) {
        self.indices.clear();
        self.kinds.clear();
        self.tags.clear();
        buffer::reset(&mut self.numbers);
        buffer::reset(&mut self.bytes);
    }
}

/// The verdict on one request. Left alone, it forwards the request; of several calls that say what becomes of it, the last one counts.
#[derive(Debug)]
pub struct Verdict<'a> {
    answer: &'a mut Verdicts,
    index: u32,
    arguments: u32,
    /// Whether the request is listed in the answer, where its numbers begin, and where its bytes begin.
    listed: Option<(usize, usize)>,
}

impl<'a> Verdict<'a> {
    #[inline]
    pub(crate) fn new(answer: &'a mut Verdicts, index: u32, arguments: u32) -> Self {
        Self { answer, index, arguments, listed: None }
    }

    /// The request goes on unchanged. This is what happens anyway; it takes back what was said before, but for a watch.
    pub fn forward(&mut self) {
        if self.listed.is_some() {
            self.begin(kind::FORWARD);
        }
    }

    /// The request goes on with other arguments: those that are pushed. Without any, it goes on unchanged.
    ///
    /// ```
    /// # use sluice_plugin::{Request, Verdict};
    /// # fn judge(request: &Request<'_>, verdict: &mut Verdict<'_>) {
    /// // SETNX key value → SET key value NX; neither the key nor the value is copied.
    /// verdict.rewrite().push(b"SET").keep_from(1).push(b"NX");
    /// # }
    /// ```
    pub fn rewrite(&mut self) -> Rewrite<'_> {
        self.begin(kind::REWRITE);
        Rewrite::new(self.answer, self.arguments, None)
    }

    /// The request goes no further: this is its reply.
    pub fn reply(&mut self, reply: &Reply<'_>) {
        self.frame(kind::REPLY, |bytes| reply.encode(bytes));
    }

    /// The request goes no further, and these bytes are its reply: exactly one complete RESP frame, which the host checks.
    pub fn reply_frame(&mut self, frame: &[u8]) {
        self.frame(kind::REPLY, |bytes| bytes.extend_from_slice(frame));
    }

    /// Several requests go on in its place, in the order in which they are added; their replies come back as one array. Without any, the
    /// request goes on unchanged.
    pub fn fan_out(&mut self) -> FanOut<'_> {
        self.begin(kind::FAN_OUT);
        let count = self.answer.numbers.len();
        self.answer.numbers.push(0);
        FanOut { answer: self.answer, arguments: self.arguments, count }
    }

    /// The session is closed once its earlier requests are answered.
    pub fn close(&mut self) {
        self.frame(kind::CLOSE, |_| ());
    }

    /// The same, with a last reply to this request.
    pub fn close_with(&mut self, reply: &Reply<'_>) {
        self.frame(kind::CLOSE, |bytes| reply.encode(bytes));
    }

    /// Hand the response to [`Transform::response`](crate::Transform::response), with this tag. Without effect where the request is
    /// replied to or the session is closed.
    pub fn watch(&mut self, tag: u64) {
        self.list();
        if let (Some(kind), Some(of)) = (self.answer.kinds.last_mut(), self.answer.tags.last_mut()) {
            *kind |= WATCHED;
            *of = tag;
        }
    }

    /// List the request in the answer, as forwarded, and say where its numbers and bytes begin.
    #[inline]
    fn list(&mut self) -> (usize, usize) {
        let answer = &mut *self.answer;
        *self.listed.get_or_insert_with(|| {
            answer.indices.push(self.index);
            answer.kinds.push(kind::FORWARD);
            answer.tags.push(0);
            (answer.numbers.len(), answer.bytes.len())
        })
    }

    /// Take back what was said and begin anew.
    #[inline]
    fn begin(&mut self, kind: u8) {
        let (numbers, bytes) = self.list();
        self.answer.numbers.truncate(numbers);
        self.answer.bytes.truncate(bytes);
        if let Some(last) = self.answer.kinds.last_mut() {
            *last = *last & WATCHED | kind;
        }
    }

    fn frame(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.begin(kind);
        let answer = &mut *self.answer;
        let start = answer.bytes.len();
        write(&mut answer.bytes);
        answer.numbers.push((answer.bytes.len() - start) as u32);
    }
}

impl Drop for Verdict<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((numbers, _)) = self.listed {
            self.settle(numbers);
        }
    }
}

impl Verdict<'_> {
    /// Make the last word a valid one: nothing to send means forward, and what is not sent on has no response to watch.
    fn settle(&mut self, numbers: usize) {
        let Some(last) = self.answer.kinds.last_mut() else { return };
        match *last & !WATCHED {
            kind::REPLY | kind::CLOSE => *last &= !WATCHED,
            kind::REWRITE | kind::FAN_OUT if self.answer.numbers.get(numbers) == Some(&0) => {
                *last = *last & WATCHED | kind::FORWARD;
                self.answer.numbers.truncate(numbers);
            }
            _ => {}
        }
        if *last == kind::FORWARD {
            self.answer.indices.pop();
            self.answer.kinds.pop();
            self.answer.tags.pop();
        }
    }
}

/// The arguments of a request that goes on in the place of the original one.
#[derive(Debug)]
pub struct Rewrite<'a> {
    answer: &'a mut Verdicts,
    /// How many arguments the original has.
    arguments: u32,
    /// Where the count of the arguments is kept.
    count: usize,
    /// Where the count of the requests is kept, in a fan-out. It rises with the first argument, so that an empty request is none.
    requests: Option<usize>,
}

impl<'a> Rewrite<'a> {
    fn new(answer: &'a mut Verdicts, arguments: u32, requests: Option<usize>) -> Self {
        let count = answer.numbers.len();
        answer.numbers.push(0);
        Self { answer, arguments, count, requests }
    }

    /// Add an argument.
    #[inline]
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.push_parts(&[bytes.as_ref()])
    }

    /// Add one argument that is made of several parts.
    #[inline]
    pub fn push_parts(&mut self, parts: &[&[u8]]) -> &mut Self {
        let start = self.answer.bytes.len();
        for part in parts {
            self.answer.bytes.extend_from_slice(part);
        }
        let len = self.answer.bytes.len() - start;
        self.number(len as u32)
    }

    /// Add an argument of the original request as it is, shown or not. It is not copied out.
    #[inline]
    pub fn keep(&mut self, arg: &Arg<'_>) -> &mut Self {
        self.number(ORIGINAL | arg.position)
    }

    /// Add all the arguments of the original request from this position on.
    pub fn keep_from(&mut self, position: usize) -> &mut Self {
        for position in position as u32..self.arguments {
            self.number(ORIGINAL | position);
        }
        self
    }

    #[inline]
    fn number(&mut self, number: u32) -> &mut Self {
        self.answer.numbers.push(number);
        if let Some(count) = self.answer.numbers.get_mut(self.count) {
            *count += 1;
            if *count == 1
                && let Some(requests) = self.requests
                && let Some(requests) = self.answer.numbers.get_mut(requests)
            {
                *requests += 1;
            }
        }
        self
    }
}

impl Drop for Rewrite<'_> {
    #[inline]
    fn drop(&mut self) {
        // In a fan-out, a request that got no arguments leaves nothing behind.
        if self.requests.is_some() && self.answer.numbers.get(self.count) == Some(&0) {
            self.answer.numbers.truncate(self.count);
        }
    }
}

/// The requests that go on in the place of one.
#[derive(Debug)]
pub struct FanOut<'a> {
    answer: &'a mut Verdicts,
    arguments: u32,
    count: usize,
}

impl FanOut<'_> {
    /// Add a request. One that gets no arguments is not added.
    pub fn request(&mut self) -> Rewrite<'_> {
        Rewrite::new(self.answer, self.arguments, Some(self.count))
    }
}
