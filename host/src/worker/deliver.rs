//! From replies to clients: every response is released in the order of its session's requests.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::metrics::WorkerMetrics;
use super::reply_queue::{Parked, Stored};
use super::session::{Life, Session};
use super::sessions::Sessions;
use super::staged::Staged;
use crate::buffer::LARGE;
use crate::chain::{Answer, Kind, Place, ResponsePaths, Step};
use crate::ids::{MessageId, PathId, Sequence, SessionId};
use crate::resp::{Protocol, downgrade};
use crate::routing::{Progress, Pushes, Replies};
use crate::traffic::By;
use crate::upstream::{Payload, Ticket};

/// The parts of a worker that responses are delivered with.
pub(super) struct Delivery {
    pub(super) sessions: Sessions,
    pub(super) trails: ResponsePaths,
    pub(super) metrics: WorkerMetrics,
    /// Responses that go through the chain before they are released.
    pub(super) staged: Staged,
    /// When this turn began.
    pub(super) now: Instant,
}

impl Replies for Delivery {
    #[inline]
    fn reply(&mut self, ticket: &Ticket, reply: Payload<'_>, kind: Kind) {
        match &reply {
            Payload::Small(bytes) => self.deliver(ticket, &Body::Seen(bytes), kind, false),
            Payload::Large(bytes) => self.deliver(ticket, &Body::Kept(bytes), kind, false),
        }
    }

    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind) {
        if !ticket.trail.is_none() {
            self.trails.answered_by(ticket.trail, if answer.foreign { By::Transform } else { By::Proxy });
        }
        if ticket.count == 1 {
            return self.deliver(ticket, &Body::Kept(&answer.frame), kind, answer.foreign);
        }
        // A ticket of several requests has no trail, so their answers may go together.
        let answers = Bytes::from(answer.frame.repeat(ticket.count as usize));
        let kind = if kind == Kind::Last { kind } else { Kind::Several };
        self.deliver(ticket, &Body::Kept(&answers), kind, answer.foreign);
    }

    fn failed(&mut self, count: u32) {
        self.metrics.failed(count);
    }

    fn push(&mut self, id: SessionId, frame: &[u8], pushes: Option<&Pushes>) {
        let Some(session) = self.sessions.get(id) else { return };
        match pushes {
            Some(pushes) => {
                let trail = self.trails.watched_by(&pushes.watches);
                session.reply_queue.staged = true;
                self.staged.add(session.source).push(id, pushes.id, trail, Kind::Unasked, false, frame);
            }
            None if session.reply_queue.staged => {
                let responses = self.staged.add(session.source);
                responses.push(id, MessageId(0), PathId::NONE, Kind::Several, false, frame);
            }
            None => emit(session, &Body::Seen(frame), Kind::Several, false),
        }
        self.sessions.mark_ready(id);
    }

    fn stream(&mut self, id: SessionId, bytes: &[u8]) {
        self.push(id, bytes, None);
    }

    fn skip(&mut self, ticket: &Ticket) {
        self.trails.discard(ticket.trail);
        if let Some(session) = self.sessions.get(ticket.session) {
            session.reply_queue.release(ticket.count);
        }
        self.release_parked(ticket.session);
    }

    fn discard(&mut self, trail: PathId) {
        self.trails.discard(trail);
    }

    fn watches(&self, trail: PathId) -> Vec<(Place, u64)> {
        self.trails.watches(trail)
    }

    fn end(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get(id) {
            session.end();
        }
    }

    fn remove(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get(id) {
            session.life = Life::Gone;
        }
        self.sessions.mark_ready(id);
    }

    fn wake(&mut self, id: SessionId) {
        self.sessions.mark_ready(id);
    }

    fn resubscribe_later(&mut self, id: SessionId) {
        self.sessions.resubscribe_later(id);
    }

    #[inline]
    fn issue(&mut self, id: SessionId, count: u32) -> Sequence {
        self.sessions.get(id).map_or(0, |session| session.reply_queue.issue(count))
    }

    #[inline]
    fn progress(&self, id: SessionId) -> Progress {
        self.sessions.peek(id).map_or_else(Progress::default, |session| session.reply_queue.progress())
    }

    fn found_at(&self, id: SessionId) -> Option<SocketAddr> {
        self.sessions.peek(id)?.found_at()
    }

    fn now(&self) -> Instant {
        self.now
    }
}

impl Delivery {
    fn deliver(&mut self, ticket: &Ticket, body: &Body<'_>, kind: Kind, foreign: bool) {
        let Some(session) = self.sessions.get(ticket.session) else {
            // No session waits for it any more.
            return self.trails.discard(ticket.trail);
        };
        let head = session.reply_queue.head();
        if head != ticket.sequence {
            // One that was answered before is answered once.
            if ticket.sequence > head {
                let bytes = session.reply_queue.store(body.bytes(), body.kept());
                session.reply_queue.park(Parked { ticket: *ticket, bytes, kind, foreign });
            }
            return;
        }
        self.metrics.answered(session.source, ticket.count, self.now - ticket.since);
        release(session, &mut self.staged, ticket, body, kind, foreign);
        self.release_parked(ticket.session);
    }

    /// Releases the responses that have waited for the one that has just been released.
    fn release_parked(&mut self, session: SessionId) {
        let Some(session) = self.sessions.get(session) else { return };
        let mut stash = None;
        while let Some(parked) = session.reply_queue.unpark() {
            self.metrics.answered(session.source, parked.ticket.count, self.now - parked.ticket.since);
            let stash = stash.get_or_insert_with(|| session.reply_queue.take_stash());
            let body = match &parked.bytes {
                Stored::Stash(range) => Body::Seen(stash.get(range.clone()).unwrap_or_default()),
                Stored::Kept(bytes) => Body::Kept(bytes),
            };
            release(session, &mut self.staged, &parked.ticket, &body, parked.kind, parked.foreign);
        }
        if let Some(stash) = stash {
            session.reply_queue.give_back(stash);
        }
        let id = session.id;
        self.sessions.mark_ready(id);
    }

    /// Puts what has come back through the transforms of a source behind what waits to be written.
    pub(super) fn emit_staged(&mut self, source: usize) {
        let Self { sessions, trails, staged, .. } = self;
        let responses = staged.get(source);
        for response in responses.list() {
            let Some(session) = sessions.get(response.session) else {
                trails.discard(response.trail);
                continue;
            };
            session.reply_queue.staged = false;
            if response.kind == Kind::Consumed {
                continue;
            }
            let bytes = responses.bytes(response);
            if takes_last_steps(trails, response.trail, bytes, response.foreign) {
                if response.kind == Kind::Last {
                    session.last_word();
                }
                continue;
            }
            match responses.large(response) {
                Some(bytes) => emit(session, &Body::Kept(bytes), response.kind, response.foreign),
                None => emit(session, &Body::Seen(bytes), response.kind, response.foreign),
            }
        }
        responses.clear();
    }
}

/// Takes the steps that are left of a trail behind the transforms. Returns whether the client does
/// not want the response.
fn takes_last_steps(trails: &mut ResponsePaths, mut trail: PathId, bytes: &[u8], foreign: bool) -> bool {
    let mut silent = false;
    while let Some((step, below)) = trails.pop(trail) {
        trail = below;
        match step {
            Step::Silence => silent = true,
            Step::Log(entry) => entry.answered(bytes, foreign),
            // Steps of transforms are behind it already.
            Step::Watch { .. } | Step::Gather { .. } => {}
        }
    }
    silent
}

/// What is delivered: bytes to be copied, or to be kept.
enum Body<'a> {
    Seen(&'a [u8]),
    Kept(&'a Bytes),
}

impl Body<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Seen(bytes) => bytes,
            Self::Kept(bytes) => bytes,
        }
    }

    fn kept(&self) -> Option<&Bytes> {
        match self {
            Self::Seen(_) => None,
            Self::Kept(bytes) => Some(bytes),
        }
    }
}

/// The response of the oldest requests: straight to the client, or to the transforms that wait for it.
fn release(session: &mut Session, staged: &mut Staged, ticket: &Ticket, body: &Body<'_>, kind: Kind, foreign: bool) {
    session.reply_queue.release(ticket.count);
    if ticket.trail.is_none() && !session.reply_queue.staged {
        return emit(session, body, kind, foreign);
    }
    session.reply_queue.staged = true;
    let responses = staged.add(session.source);
    // A ticket of several requests has no trail: together they only wait for what is before them.
    let kind = if ticket.count > 1 && kind != Kind::Last { Kind::Several } else { kind };
    match body {
        Body::Seen(bytes) => responses.push(session.id, ticket.id, ticket.trail, kind, foreign, bytes),
        Body::Kept(bytes) => responses.push_bytes(session.id, ticket.id, ticket.trail, kind, foreign, (*bytes).clone()),
    }
}

/// Put a response behind those that wait to be written to the client.
fn emit(session: &mut Session, body: &Body<'_>, kind: Kind, foreign: bool) {
    if session.is_mute() {
        return;
    }
    let bytes = body.bytes();
    match body {
        _ if foreign && session.protocol() == Protocol::Resp2 => match downgrade::to_resp2(bytes) {
            Some(plain) => session.out.push(&plain),
            None => session.out.push(bytes),
        },
        Body::Kept(bytes) if bytes.len() >= LARGE => session.out.push_bytes((*bytes).clone()),
        _ => session.out.push(bytes),
    }
    if kind == Kind::Last {
        session.last_word();
    }
}
