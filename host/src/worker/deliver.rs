//! From replies to clients: every response is released in the order of its session's requests.

use std::time::Instant;

use bytes::Bytes;

use super::Source;
use super::directory::Directory;
use super::meter::Meter;
use super::order::{Parked, Stored};
use super::session::{Life, Route, Session};
use super::sessions::Sessions;
use super::sink::Sink;
use crate::buffer::LARGE;
use crate::chain::{Answer, Effect, Kind, Responses, Step, Trails};
use crate::ids::{MessageId, SessionId, TrailId};
use crate::resp::{Protocol, downgrade, encode, reply};
use crate::traffic::By;
use crate::upstream::{Cause, Failure, Lost, Payload, Receiver, Ticket};

/// The parts of a worker that responses are delivered with.
pub(super) struct Delivery<'a> {
    pub(super) sessions: &'a mut Sessions,
    pub(super) sources: &'a mut [Source],
    pub(super) trails: &'a mut Trails,
    pub(super) meter: &'a mut Meter,
    pub(super) now: Instant,
}

impl Delivery<'_> {
    /// An answer that no server gave.
    pub(super) fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind) {
        if !ticket.trail.is_none() {
            self.trails.answered_by(ticket.trail, if answer.foreign { By::Transform } else { By::Proxy });
        }
        self.deliver(ticket, &Body::Kept(&answer.frame), kind, answer.foreign);
    }

    /// Read no more from a session, and answer what it has waiting with a failure.
    pub(super) fn end(&mut self, id: SessionId, failure: Failure) {
        let Some(session) = self.sessions.get(id) else { return };
        session.end();
        for held in std::mem::take(&mut session.held) {
            self.failed(&held.ticket, failure);
        }
        self.sessions.note(id);
    }

    /// A request has failed without which those behind it may mean something else: it is the last one that the session is answered.
    pub(super) fn dismiss(&mut self, ticket: &Ticket, failure: Failure) {
        let error = Answer::error(&failure.to_string());
        self.last(ticket, &Answer { frame: error.frame.repeat(ticket.count as usize).into(), ..error });
    }

    /// This is the last answer of a session.
    fn last(&mut self, ticket: &Ticket, answer: &Answer) {
        if let Some(session) = self.sessions.get(ticket.session) {
            session.dismissed = true;
            for held in std::mem::take(&mut session.held) {
                self.trails.discard(held.ticket.trail);
            }
        }
        self.meter.failed(ticket.count);
        self.answer(ticket, answer, Kind::Last);
    }

    /// The reply to a request, made of those of several servers.
    pub(super) fn put_together(&mut self, ticket: &Ticket, frame: Bytes) {
        self.deliver(ticket, &Body::Kept(&frame), Kind::Single, false);
    }

    fn deliver(&mut self, ticket: &Ticket, body: &Body<'_>, kind: Kind, foreign: bool) {
        let Some(session) = self.sessions.get(ticket.session) else {
            // Nobody waits for it any more.
            return self.trails.discard(ticket.trail);
        };
        let rewritten = session.readdress(&self.sources[session.source].sink, ticket, body.bytes(), kind);
        let rewritten = rewritten.as_ref().map(Body::Kept);
        let body = rewritten.as_ref().unwrap_or(body);
        if let Route::Cluster(route) = &mut session.route {
            if route.is_past(ticket, session.order.head()) {
                return;
            }
            if ticket.part > 0 {
                return self.part_answered(ticket, body.keep());
            }
        }
        if !session.changes.is_empty() {
            let sink = &self.sources[session.source].sink;
            if session.confirm(ticket.sequence, body.bytes(), &sink.identity()) {
                sink.users_changed();
            }
        }
        if session.order.head() != ticket.sequence {
            let bytes = session.order.store(body.bytes(), body.kept());
            session.order.park(Parked { ticket: *ticket, bytes, kind, foreign });
            return;
        }
        self.meter.answered(session.source, ticket.count, self.now - ticket.since);
        release(session, &mut self.sources[session.source].responses, ticket, body, kind, foreign);
        self.release_parked(ticket.session);
    }

    /// The responses that have waited for the one that has just been released.
    fn release_parked(&mut self, session: SessionId) {
        let Some(session) = self.sessions.get(session) else { return };
        let mut stash = None;
        while let Some(parked) = session.order.unpark() {
            self.meter.answered(session.source, parked.ticket.count, self.now - parked.ticket.since);
            let responses = &mut self.sources[session.source].responses;
            let stash = stash.get_or_insert_with(|| session.order.take_stash());
            let body = match &parked.bytes {
                Stored::Stash(range) => Body::Seen(stash.get(range.clone()).unwrap_or_default()),
                Stored::Kept(bytes) => Body::Kept(bytes),
            };
            release(session, responses, &parked.ticket, &body, parked.kind, parked.foreign);
        }
        if let Some(stash) = stash {
            session.order.give_back(stash);
        }
        let id = session.id;
        self.sessions.note(id);
    }
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

    fn keep(&self) -> Bytes {
        match self {
            Self::Seen(bytes) => Bytes::copy_from_slice(bytes),
            Self::Kept(bytes) => (*bytes).clone(),
        }
    }
}

/// The response of the oldest requests: straight to the client, or to the transforms that wait for it.
fn release(
    session: &mut Session,
    responses: &mut Responses,
    ticket: &Ticket,
    body: &Body<'_>,
    kind: Kind,
    foreign: bool,
) {
    session.order.release(ticket.count);
    if ticket.trail.is_none() && !session.order.staged {
        return emit(session, body, kind, foreign);
    }
    session.order.staged = true;
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
        _ if foreign && session.protocol == Protocol::Resp2 => match downgrade::to_resp2(bytes) {
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

/// Put what has come back through the transforms behind what waits to be written.
pub(super) fn emit_staged(
    responses: &mut Responses,
    sessions: &mut Sessions,
    trails: &mut Trails,
    directory: &Directory,
) {
    for response in responses.list() {
        let Some(session) = sessions.get(response.session) else {
            trails.discard(response.trail);
            continue;
        };
        session.order.staged = false;
        if response.kind == Kind::Consumed {
            continue;
        }
        let bytes = responses.bytes(response);
        let mut silent = false;
        let mut trail = response.trail;
        while let Some((step, below)) = trails.pop(trail) {
            trail = below;
            match step {
                Step::Settle(Effect::Silence) => silent = true,
                Step::Settle(effect) if took_effect(&effect, bytes) => {
                    session.protocol = match effect {
                        Effect::Hello(Some(protocol), _) => protocol,
                        Effect::Reset => Protocol::Resp2,
                        _ => session.protocol,
                    };
                    directory.settle(response.session, &effect);
                }
                Step::Log(entry) => entry.answered(bytes, response.foreign),
                // Steps of transforms are behind it already.
                Step::Settle(_) | Step::Watch { .. } | Step::Gather { .. } => {}
            }
        }
        if silent {
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

/// Whether the reply says that the command was executed. In a transaction it is only queued.
fn took_effect(effect: &Effect, reply: &[u8]) -> bool {
    match effect {
        Effect::Hello(..) => !reply::is_error(reply) && reply != encode::QUEUED,
        Effect::Reset => reply.starts_with(b"+RESET"),
        Effect::Auth(_) | Effect::Select(_) => reply == encode::OK,
        Effect::Silence => true,
    }
}

impl Receiver for Delivery<'_> {
    fn reply(&mut self, ticket: &Ticket, replies: Payload<'_>, whole: bool) {
        let kind = if whole { Kind::Single } else { Kind::Several };
        match replies {
            Payload::Small(bytes) => self.deliver(ticket, &Body::Seen(bytes), kind, false),
            Payload::Large(bytes) => self.deliver(ticket, &Body::Kept(&bytes), kind, false),
        }
    }

    fn unasked(&mut self, session: SessionId, frame: &[u8]) {
        let Some(entry) = self.sessions.get(session) else { return };
        if matches!(entry.route, Route::Cluster(_)) && self.is_withdrawn(session, frame) {
            return;
        }
        let Some(entry) = self.sessions.get(session) else { return };
        let responses = &mut self.sources[entry.source].responses;
        match &entry.pushes {
            Some(pushes) => {
                let trail = self.trails.watched_by(&pushes.watches);
                entry.order.staged = true;
                responses.push(session, pushes.id, trail, Kind::Unasked, false, frame);
            }
            None if entry.order.staged => {
                responses.push(session, MessageId(0), TrailId::NONE, Kind::Several, false, frame);
            }
            None => emit(entry, &Body::Seen(frame), Kind::Several, false),
        }
        self.sessions.note(session);
    }

    fn stream(&mut self, session: SessionId, bytes: &[u8]) {
        let Some(entry) = self.sessions.get(session) else { return };
        if entry.order.staged {
            let responses = &mut self.sources[entry.source].responses;
            responses.push(session, MessageId(0), TrailId::NONE, Kind::Several, false, bytes);
        } else {
            emit(entry, &Body::Seen(bytes), Kind::Several, false);
        }
        self.sessions.note(session);
    }

    fn unanswered(&mut self, ticket: &Ticket) {
        self.trails.discard(ticket.trail);
        if let Some(session) = self.sessions.get(ticket.session) {
            session.order.release(ticket.count);
        }
        self.release_parked(ticket.session);
    }

    fn failed(&mut self, ticket: &Ticket, failure: Failure) {
        if let Some(session) = self.sessions.get(ticket.session) {
            if session.departed {
                // The server has let go of the client that waited, and that was to be.
                session.life = Life::Gone;
                self.sessions.note(ticket.session);
                return self.trails.discard(ticket.trail);
            }
            if let Route::Cluster(route) = &mut session.route
                && route.will_move(ticket, failure)
            {
                return self.sessions.note(ticket.session);
            }
            let unconfirmed = session.unconfirmed(ticket);
            if failure.is_of_server() && self.sources[session.source].sink.hangs_up() {
                return self.last(ticket, &Answer { frame: Bytes::new(), foreign: false });
            }
            if unconfirmed {
                return self.dismiss(ticket, failure);
            }
        }
        self.meter.failed(ticket.count);
        let answer = Answer::error(&failure.to_string());
        if ticket.count == 1 {
            return self.answer(ticket, &answer, Kind::Single);
        }
        // A ticket of several requests has no trail, so their answers may go together.
        let answers = Bytes::from(answer.frame.repeat(ticket.count as usize));
        self.deliver(ticket, &Body::Kept(&answers), Kind::Several, false);
    }

    fn sent_back(&mut self, ticket: &Ticket, request: Bytes, cause: Cause<'_>) {
        self.come_back(ticket, request, cause);
    }

    fn ended(&mut self, session: SessionId, lost: Lost) {
        let Some(entry) = self.sessions.get(session) else { return };
        if let Route::Cluster(_) = entry.route {
            return self.tenure_ended(session, lost);
        }
        let Route::Private(lease) = &entry.route else { return };
        let Sink::Single(sink) = &*self.sources[entry.source].sink else { return };
        match lost {
            Lost::Nothing if !lease.holds_state() => entry.join(sink),
            Lost::Subscriptions(subscriptions) if !lease.holds_state() && !sink.hangs_up() => {
                entry.join(sink);
                entry.resubscribe = Some(Box::new(subscriptions));
                self.sessions.resubscribe_later(session);
            }
            // What the server knew (a transaction, watched keys) is lost; the client must not go on as if it were not.
            Lost::Nothing | Lost::Subscriptions(_) | Lost::More => {
                self.end(session, Failure::NotSent);
            }
        }
        self.sessions.note(session);
    }
}
