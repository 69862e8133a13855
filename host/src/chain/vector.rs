//! The requests that one turn carries through one chain.

use std::ops::Range;

use bytes::Bytes;
use sluice_commands::CommandId;

use super::names::{Names, Renamed};
use crate::buffer::{Arena, LARGE};
use crate::ids::{MessageId, MessageIds, PathId, SessionId};
use crate::resp::request::{Form, RequestScanner};
use crate::resp::{ProtocolError, Scan, Span, encode};

/// A vector of requests: flat lists, so that a turn of thousands of requests allocates nothing.
///
/// Requests are found by their position in `requests`; their bytes and those of their arguments lie in one [`Arena`] (or, for large
/// requests, apart). A request that is rewritten is written behind all others and pointed at there, so that what happens to be
/// unchanged still leaves as the bytes that came in.
#[derive(Debug, Default)]
pub struct Vector {
    arena: Arena,
    /// Large requests, apart: [`Body::Large`] is a position here.
    large: Vec<Bytes>,
    /// The bytes of `large`.
    large_size: usize,
    runs: Vec<Run>,
    requests: Vec<Request>,
    arguments: Vec<Span>,
    outcomes: Vec<Outcome>,
    names: Names,
}

/// Consecutive requests of one session.
#[derive(Clone, Debug)]
pub struct Run {
    /// The session that sent them.
    pub session: SessionId,
    /// Their positions.
    pub requests: Range<u32>,
    /// How many bytes the session sent for them.
    pub bytes: usize,
}

/// One request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Its message ID.
    pub id: MessageId,
    body: Body,
    arguments: (u32, u32),
    /// What must happen to its response.
    pub trail: PathId,
    /// Its command, as it is now.
    pub command: CommandId,
    /// 0 while it travels; otherwise 1 + its position in `outcomes`.
    outcome: u32,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Arena { start: u32, len: u32 },
    Large(u32),
}

/// The bytes of a request on their way to an upstream.
#[derive(Clone, Debug)]
pub enum Frame {
    /// In the vector's arena.
    Arena(Range<usize>),
    /// Apart.
    Large(Bytes),
}

/// How a request ended without an upstream.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is answered.
    Reply(Answer),
    /// It is answered, and the transaction that it is a part of fails.
    Spoil(Answer),
    /// The session ends, with a last reply or without one.
    Close(Option<Answer>),
}

/// A reply that no server gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// One whole frame.
    pub frame: Bytes,
    /// Who made it: a frame that a transform made may speak another protocol than the session.
    pub foreign: bool,
}

impl Answer {
    /// An error of the proxy's own: `text` begins with its code.
    pub fn error(text: &str) -> Self {
        Self { frame: encode::error(text).into(), foreign: false }
    }
}

impl Vector {
    /// A vector of requests to servers that have renamed some commands.
    pub fn with_names(renamed: Renamed) -> Self {
        Self { names: Names::new(renamed), ..Self::default() }
    }

    /// The command of a request with these arguments.
    #[inline]
    pub fn lookup(&self, arguments: &Arguments<'_>) -> CommandId {
        match lookup(arguments) {
            CommandId::UNKNOWN => self.lookup_renamed(arguments),
            command => command,
        }
    }

    #[cold]
    fn lookup_renamed(&self, arguments: &Arguments<'_>) -> CommandId {
        let name = arguments.get(0).unwrap_or_default();
        self.names.find(name, arguments.get(1))
    }

    /// The bytes of all requests that are not large.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Where to read more requests to.
    pub fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    /// The list that arguments are appended to while a request is scanned.
    pub fn arguments_mut(&mut self) -> &mut Vec<Span> {
        &mut self.arguments
    }

    /// How many requests there are, those that have ended included.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// How many bytes there are, those of large requests included.
    pub fn size(&self) -> usize {
        self.arena.len() + self.large_size
    }

    /// Whether there are no requests.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The runs, in order of arrival.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// All requests.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The request at a position. Positions come from this vector itself.
    pub fn request(&self, at: usize) -> &Request {
        &self.requests[at]
    }

    /// As [`Vector::request`].
    pub fn request_mut(&mut self, at: usize) -> &mut Request {
        &mut self.requests[at]
    }

    /// Find the end of the request that begins at `at` in the arena and lies before `end`; its arguments are appended to the list.
    ///
    /// # Errors
    ///
    /// As [`RequestScanner::scan`].
    #[inline]
    pub fn scan(&mut self, at: usize, end: usize) -> Result<(Scan, Form), ProtocolError> {
        let frame = self.arena.get(at..end);
        let scan = RequestScanner::default().scan(frame, &mut self.arguments)?;
        Ok((scan, RequestScanner::form(frame)))
    }

    /// The arguments from the `first` one of the list on, of the request that lies at `frame` in the arena.
    #[inline]
    pub fn arguments_at(&self, frame: Range<usize>, first: usize) -> Arguments<'_> {
        Arguments { frame: self.arena.get(frame), spans: &self.arguments[first..] }
    }

    /// The arguments of a large frame, from the `first` one of the list on.
    pub fn arguments_of<'a>(&'a self, frame: &'a [u8], first: usize) -> Arguments<'a> {
        Arguments { frame, spans: &self.arguments[first..] }
    }

    /// Begin a run. What is pushed from now on belongs to it.
    pub fn begin_run(&mut self, session: SessionId) {
        let at = self.requests.len() as u32;
        self.runs.push(Run { session, requests: at..at, bytes: 0 });
    }

    /// End the run: `bytes` is what the session sent for it. Returns how many of them are in flight from now on: none for a run
    /// without requests, which is forgotten.
    pub fn end_run(&mut self, bytes: usize) -> usize {
        let end = self.requests.len() as u32;
        let Some(run) = self.runs.last_mut() else { return 0 };
        run.requests.end = end;
        run.bytes = bytes;
        if run.requests.is_empty() {
            self.runs.pop();
            return 0;
        }
        bytes
    }

    /// Add a request whose bytes lie in the arena. Its arguments are those pushed to [`Vector::arguments_mut`] since there were
    /// `first_argument` of them.
    #[inline]
    pub fn push(
        &mut self,
        id: MessageId,
        frame: Range<usize>,
        first_argument: usize,
        command: CommandId,
        trail: PathId,
    ) {
        let body = Body::Arena { start: frame.start as u32, len: frame.len() as u32 };
        self.push_body(id, body, first_argument, command, trail);
    }

    /// Add a large request: the arguments as in [`Vector::push`].
    pub fn push_large(
        &mut self,
        id: MessageId,
        frame: Bytes,
        first_argument: usize,
        command: CommandId,
        trail: PathId,
    ) {
        let body = self.keep_large(frame);
        self.push_body(id, body, first_argument, command, trail);
    }

    /// Add a request that is written here from its arguments (at least one). Returns its command.
    pub fn push_words(&mut self, id: MessageId, words: &[Vec<u8>]) -> CommandId {
        let first_argument = self.arguments.len();
        let empty = Request {
            id,
            body: Body::Arena { start: 0, len: 0 },
            arguments: (first_argument as u32, 0),
            trail: PathId::NONE,
            command: CommandId::UNKNOWN,
            outcome: 0,
        };
        self.requests.push(empty);
        let at = self.requests.len() - 1;
        let request = self.write(at, words.iter().map(|word| NewArgument::Literal(word)));
        self.requests[at] = request;
        request.command
    }

    /// Add a request that has ended already: it does not travel.
    pub fn push_ended(&mut self, id: MessageId, outcome: Outcome, trail: PathId) {
        self.push(id, 0..0, self.arguments.len(), CommandId::UNKNOWN, trail);
        self.end(self.requests.len() - 1, outcome);
    }

    #[inline]
    fn push_body(&mut self, id: MessageId, body: Body, first_argument: usize, command: CommandId, trail: PathId) {
        let arguments = (first_argument as u32, (self.arguments.len() - first_argument) as u32);
        self.requests.push(Request { id, body, arguments, trail, command, outcome: 0 });
    }

    /// End a request here: it travels no further.
    pub fn end(&mut self, at: usize, outcome: Outcome) {
        self.outcomes.push(outcome);
        self.requests[at].outcome = self.outcomes.len() as u32;
    }

    /// How a request ended, or `None` while it travels.
    #[inline]
    pub fn outcome(&self, request: &Request) -> Option<&Outcome> {
        if request.outcome == 0 { None } else { self.outcomes.get(request.outcome as usize - 1) }
    }

    /// The bytes of a request.
    #[inline]
    pub fn frame(&self, request: &Request) -> Frame {
        match request.body {
            Body::Arena { start, len } => Frame::Arena(start as usize..(start + len) as usize),
            Body::Large(at) => Frame::Large(self.large[at as usize].clone()),
        }
    }

    /// Where the bytes of a request lie in the arena; `None` for a large one.
    #[inline]
    pub fn place(&self, request: &Request) -> Option<Range<usize>> {
        match request.body {
            Body::Arena { start, len } => Some(start as usize..(start + len) as usize),
            Body::Large(_) => None,
        }
    }

    /// The bytes of a request, to look at.
    pub fn bytes(&self, request: &Request) -> &[u8] {
        match request.body {
            Body::Arena { start, len } => self.arena.get(start as usize..(start + len) as usize),
            Body::Large(at) => &self.large[at as usize],
        }
    }

    /// The arguments of a request, the command's name first.
    #[inline]
    pub fn spans(&self, request: &Request) -> &[Span] {
        &self.arguments[request.arguments.0 as usize..(request.arguments.0 + request.arguments.1) as usize]
    }

    /// The arguments of a request with their bytes.
    pub fn arguments(&self, request: &Request) -> Arguments<'_> {
        Arguments { frame: self.bytes(request), spans: self.spans(request) }
    }

    /// Write a request from arguments: each a part of the request at `original`, or new. Returns the new request; its ID, trail and
    /// outcome are those of the original.
    pub fn write<'a>(&mut self, original: usize, arguments: impl Iterator<Item = NewArgument<'a>> + Clone) -> Request {
        let original = self.requests[original];
        let first_argument = self.arguments.len();
        let length = |vector: &Self, argument: &NewArgument<'_>| match argument {
            NewArgument::Original(at) => vector.spans(&original).get(*at as usize).map_or(0, |span| span.len as usize),
            NewArgument::Literal(bytes) => bytes.len(),
        };
        let (count, size) =
            arguments.clone().fold((0, 16), |(count, size), argument| (count + 1, size + length(self, &argument) + 16));
        let body = if size < LARGE {
            self.write_small(&original, count, arguments)
        } else {
            self.write_large(&original, size, count, arguments)
        };
        let arguments = (first_argument as u32, (self.arguments.len() - first_argument) as u32);
        let mut request = Request { body, arguments, ..original };
        request.command = self.lookup(&self.arguments(&request));
        request
    }

    fn write_small<'a>(
        &mut self,
        original: &Request,
        count: usize,
        arguments: impl Iterator<Item = NewArgument<'a>>,
    ) -> Body {
        let start = self.arena.len();
        header(&mut self.arena, b'*', count);
        for argument in arguments {
            let range = match argument {
                NewArgument::Literal(bytes) => {
                    header(&mut self.arena, b'$', bytes.len());
                    let at = self.arena.append(bytes);
                    at..at + bytes.len()
                }
                NewArgument::Original(at) => {
                    let span = self.spans(original).get(at as usize).copied().unwrap_or(Span { start: 0, len: 0 });
                    header(&mut self.arena, b'$', span.len as usize);
                    let at = self.arena.len();
                    match original.body {
                        Body::Arena { start, .. } => {
                            let from = (start + span.start) as usize;
                            self.arena.append_within(from..from + span.len as usize);
                        }
                        Body::Large(large) => {
                            self.arena.append(span.of(&self.large[large as usize]));
                        }
                    }
                    at..at + span.len as usize
                }
            };
            self.arena.append(b"\r\n");
            self.arguments.push(Span { start: (range.start - start) as u32, len: range.len() as u32 });
        }
        Body::Arena { start: start as u32, len: (self.arena.len() - start) as u32 }
    }

    fn write_large<'a>(
        &mut self,
        original: &Request,
        size: usize,
        count: usize,
        arguments: impl Iterator<Item = NewArgument<'a>>,
    ) -> Body {
        let mut frame = Vec::with_capacity(size);
        encode::header(&mut frame, b'*', count);
        for argument in arguments {
            let bytes = match argument {
                NewArgument::Literal(bytes) => bytes,
                NewArgument::Original(at) => self.arguments(original).get(at as usize).unwrap_or_default(),
            };
            encode::bulk(&mut frame, bytes);
            let start = frame.len() - bytes.len() - 2;
            self.arguments.push(Span { start: start as u32, len: bytes.len() as u32 });
        }
        self.keep_large(frame.into())
    }

    fn keep_large(&mut self, frame: Bytes) -> Body {
        self.large_size += frame.len();
        self.large.push(frame);
        Body::Large(self.large.len() as u32 - 1)
    }

    /// Put other requests in the place of some: `replacements` are positions, rising, each with the requests that take its place.
    pub fn replace(&mut self, mut replacements: Vec<(usize, Vec<Request>)>, ids: &mut MessageIds) {
        if replacements.is_empty() {
            return;
        }
        let mut replacements = replacements.drain(..).peekable();
        let old = std::mem::take(&mut self.requests);
        for run in &mut self.runs {
            let start = self.requests.len() as u32;
            for at in run.requests.clone() {
                match replacements.next_if(|(replaced, _)| *replaced == at as usize) {
                    Some((_, new)) => {
                        self.requests.extend(new.into_iter().map(|request| Request { id: ids.issue(), ..request }));
                    }
                    None => self.requests.push(old[at as usize]),
                }
            }
            run.requests = start..self.requests.len() as u32;
        }
    }

    /// Forget everything; keep the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.large.clear();
        self.large_size = 0;
        self.runs.clear();
        self.requests.clear();
        self.arguments.clear();
        self.outcomes.clear();
    }
}

/// An argument of a request that is being written.
#[derive(Clone, Copy, Debug)]
pub enum NewArgument<'a> {
    /// An argument of the original request, by its position; one that it does not have is empty.
    Original(u32),
    /// Other bytes.
    Literal(&'a [u8]),
}

/// The arguments of one request.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    frame: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Arguments<'a> {
    /// The arguments of a request by itself, found anew: `spans` is what they are kept in. Of what is no whole request there are those
    /// that are whole.
    pub fn of(frame: &'a [u8], spans: &'a mut Vec<Span>) -> Self {
        spans.clear();
        let _ = RequestScanner::default().scan(frame, spans);
        Self { frame, spans }
    }

    /// Arguments at `spans` of `frame`.
    pub fn new(frame: &'a [u8], spans: &'a [Span]) -> Self {
        Self { frame, spans }
    }

    /// The argument at a position.
    pub fn get(&self, at: usize) -> Option<&'a [u8]> {
        self.spans.get(at).map(|span| span.of(self.frame))
    }
}

impl sluice_commands::Args for Arguments<'_> {
    fn count(&self) -> usize {
        self.spans.len()
    }

    fn arg(&self, index: usize) -> &[u8] {
        self.get(index).unwrap_or_default()
    }
}

/// The command of a request with these arguments.
#[inline]
pub fn lookup(arguments: &Arguments<'_>) -> CommandId {
    sluice_commands::lookup(arguments.get(0).unwrap_or_default(), || arguments.get(1))
}

fn header(arena: &mut Arena, kind: u8, length: usize) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(length).as_bytes();
    let room = arena.spare(digits.len() + 3);
    room[0] = kind;
    room[1..=digits.len()].copy_from_slice(digits);
    room[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
    arena.commit(digits.len() + 3);
}
