//! What stands in for the worker: the same order of replies, and a log of what became of them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use super::stage::text;
use crate::chain::{Answer, Kind, Place};
use crate::ids::{PathId, Sequence, SessionId};
use crate::resp::reply;
use crate::routing::{Progress, Pushes, Replies};
use crate::upstream::{Payload, Ticket};

/// The sessions of a worker, as far as routing is concerned.
#[derive(Debug)]
pub(super) struct FakeWorker {
    pub(super) now: Instant,
    sessions: HashMap<SessionId, Ledger>,
    /// Sessions that the turn is to look at.
    noted: Vec<SessionId>,
    /// Sessions that are to be subscribed again at the next tick.
    later: Vec<SessionId>,
    /// The trails that were forgotten.
    pub(super) discarded: Vec<PathId>,
    /// The transforms that watch responses.
    pub(super) watches: Vec<Place>,
    /// How many requests no server could answer.
    pub(super) failures: u32,
    /// Replies to what was answered already: the worker drops them.
    pub(super) late: Vec<String>,
    /// Where clients find the proxy.
    pub(super) found_at: Option<SocketAddr>,
}

/// The requests of one session and what it was told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    next: Sequence,
    head: Sequence,
    parked: BTreeMap<Sequence, (u32, Vec<String>)>,
    /// What the client has been told since this was last looked at, in order.
    told: Vec<String>,
    pub(super) ended: bool,
    pub(super) removed: bool,
}

impl FakeWorker {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now,
            sessions: HashMap::new(),
            noted: Vec::new(),
            later: Vec::new(),
            discarded: Vec::new(),
            watches: Vec::new(),
            failures: 0,
            late: Vec::new(),
            found_at: None,
        }
    }

    pub(super) fn add(&mut self, id: SessionId) {
        self.sessions.insert(id, Ledger::default());
    }

    pub(super) fn remove_session(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    pub(super) fn session(&self, id: SessionId) -> &Ledger {
        &self.sessions[&id]
    }

    pub(super) fn take_told(&mut self, id: SessionId) -> Vec<String> {
        self.sessions.get_mut(&id).map(|session| std::mem::take(&mut session.told)).unwrap_or_default()
    }

    pub(super) fn note(&mut self, id: SessionId) {
        if !self.noted.contains(&id) {
            self.noted.push(id);
        }
    }

    pub(super) fn take_noted(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.noted)
    }

    pub(super) fn take_later(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.later)
    }

    /// The rule of the worker: a response is released when all before it are, and none twice.
    fn deliver(&mut self, ticket: &Ticket, bytes: &[u8], kind: Kind) {
        let Some(session) = self.sessions.get_mut(&ticket.session) else {
            return self.discarded.push(ticket.trail);
        };
        let mut frames = frames(bytes);
        if kind == Kind::Last {
            frames.push("(end)".to_owned());
        }
        if ticket.sequence > session.head {
            session.parked.insert(ticket.sequence, (ticket.count, frames));
        } else if ticket.sequence == session.head {
            session.head += u64::from(ticket.count);
            session.told.extend(frames);
            session.release_parked();
            self.note(ticket.session);
        } else {
            self.late.extend(frames);
        }
    }
}

impl Ledger {
    fn release_parked(&mut self) {
        while let Some((count, frames)) = self.parked.remove(&self.head) {
            self.head += u64::from(count);
            self.told.extend(frames);
        }
    }
}

/// Each frame as a test writes it.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some(len) = reply::frame_length(bytes).ok().flatten().filter(|len| *len > 0) {
        frames.push(text(&bytes[..len]));
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "a client is told half a frame: {}", text(bytes));
    frames
}

impl Replies for FakeWorker {
    fn reply(&mut self, ticket: &Ticket, reply: Payload<'_>, kind: Kind) {
        self.deliver(ticket, reply.bytes(), kind);
    }

    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind) {
        self.deliver(ticket, &answer.frame.repeat(ticket.count as usize), kind);
    }

    fn failed(&mut self, count: u32) {
        self.failures += count;
    }

    fn push(&mut self, id: SessionId, frame: &[u8], pushes: Option<&Pushes>) {
        let watched = pushes.map_or(String::new(), |pushes| format!(", watched by {}", pushes.watches.len()));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.told.push(format!("push{watched}: {}", text(frame)));
        }
        self.note(id);
    }

    fn stream(&mut self, id: SessionId, bytes: &[u8]) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.told.push(format!("stream: {}", text(bytes)));
        }
    }

    fn skip(&mut self, ticket: &Ticket) {
        self.discarded.push(ticket.trail);
        if let Some(session) = self.sessions.get_mut(&ticket.session) {
            session.head += u64::from(ticket.count);
            session.release_parked();
        }
        self.note(ticket.session);
    }

    fn discard(&mut self, trail: PathId) {
        self.discarded.extend((!trail.is_none()).then_some(trail));
    }

    fn watches(&self, _: PathId) -> Vec<(Place, u64)> {
        self.watches.iter().map(|place| (place.clone(), 7)).collect()
    }

    fn end(&mut self, id: SessionId) {
        self.sessions.get_mut(&id).unwrap().ended = true;
    }

    fn remove(&mut self, id: SessionId) {
        self.sessions.get_mut(&id).unwrap().removed = true;
        self.note(id);
    }

    fn wake(&mut self, id: SessionId) {
        self.note(id);
    }

    fn resubscribe_later(&mut self, id: SessionId) {
        self.later.push(id);
    }

    fn issue(&mut self, id: SessionId, count: u32) -> Sequence {
        let session = self.sessions.get_mut(&id).unwrap();
        let first = session.next;
        session.next += u64::from(count);
        first
    }

    fn progress(&self, id: SessionId) -> Progress {
        let session = self.sessions.get(&id);
        session.map_or_else(Progress::default, |session| Progress { head: session.head, issued: session.next })
    }

    fn found_at(&self, _: SessionId) -> Option<SocketAddr> {
        self.found_at
    }

    fn now(&self) -> Instant {
        self.now
    }
}
