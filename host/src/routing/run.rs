//! From the chain to the upstreams: every request that is still on its target is sent where its session's requests go.

use std::rc::Rc;

use sluice_commands::CommandId;

use super::need::{ConnectionNeed, is_from_a_browser};
use super::cluster::{self, info_of};
use super::deliver::Delivery;
use super::passage::{Piece, Step, pass};
use super::session::{RequestInfo, QueuedRequest, Pushes, Route, Session};
use super::sink::Sink;
use crate::chain::vector::Request;
use crate::chain::{Answer, Frame, Kind, Outcome, Vector};
use crate::cluster::Target;
use crate::ids::SessionId;
use crate::resp::encode;
use crate::upstream::NodeView;
use crate::upstream::{Expect, Receiver, Single, Ticket};

/// Send the requests of a vector on, and answer those that have ended. Empties the vector.
pub(super) fn route(source: usize, delivery: &mut Delivery<'_>) {
    let mut vector = std::mem::take(&mut delivery.sources[source].inbox);
    let sink = delivery.sources[source].sink.clone();
    let together = sink.takes_several();
    let view = match &*sink {
        Sink::Cluster(cluster) => cluster.view(),
        Sink::Single(_) | Sink::Null => None,
    };
    for run in vector.runs() {
        let requests = run.requests.start as usize..run.requests.end as usize;
        let view = view.as_ref();
        Run { session: run.session, vector: &vector, sink: &sink, view, together, delivery }.route(requests);
        if let Some(session) = delivery.sessions.get(run.session) {
            session.sent(run.bytes);
        }
        delivery.sessions.note(run.session);
    }
    vector.clear();
    delivery.sources[source].inbox = vector;
}

struct Run<'a, 'd> {
    session: SessionId,
    vector: &'a Vector,
    sink: &'a Sink,
    /// The cluster, where it is known.
    view: Option<&'a Rc<NodeView>>,
    /// Whether requests that lie side by side may leave as one.
    together: bool,
    delivery: &'a mut Delivery<'d>,
}

/// Consecutive requests that leave together: their bytes lie side by side, and nothing must happen to their responses.
struct Stretch {
    ticket: Ticket,
    /// The position of the node, where there are several.
    node: u16,
    bytes: std::ops::Range<usize>,
}

impl Run<'_, '_> {
    fn route(&mut self, requests: std::ops::Range<usize>) {
        let mut stretch: Option<Stretch> = None;
        for at in requests {
            let request = self.vector.request(at);
            // The ordinary case, side by side: everything else ends the stretch.
            if self.vector.outcome(request).is_none()
                && request.trail.is_none()
                && let Some(place) = self.vector.place(request)
                && ConnectionNeed::of(request.command) == ConnectionNeed::Shared
                && request.command != CommandId::UNKNOWN
                && let Some(session) = self.delivery.sessions.get(self.session)
                && let Some(node) = session.straight(self.view, request, self.vector)
            {
                let sequence = session.order.issue(1);
                match &mut stretch {
                    Some(stretch) if stretch.bytes.end == place.start && stretch.node == node && self.together => {
                        stretch.bytes.end = place.end;
                        stretch.ticket.count += 1;
                    }
                    _ => {
                        self.leave(stretch.take());
                        let ticket = self.ticket(request, sequence);
                        stretch = Some(Stretch { ticket, node, bytes: place });
                    }
                }
                continue;
            }
            self.leave(stretch.take());
            self.one(request);
        }
        self.leave(stretch);
    }

    fn ticket(&self, request: &Request, sequence: u64) -> Ticket {
        let since = self.delivery.now;
        Ticket { session: self.session, sequence, id: request.id, count: 1, trail: request.trail, since, part: 0 }
    }

    /// A stretch to the shared connection.
    fn leave(&mut self, stretch: Option<Stretch>) {
        let Some(Stretch { ticket, node, bytes }) = stretch else { return };
        let Some(session) = self.delivery.sessions.get(self.session) else { return };
        let connection = match &mut session.route {
            Route::Shared(connection) => Some(&*connection),
            Route::Cluster(route) => route.link(node),
            Route::Private(_) | Route::Nowhere => None,
        };
        let Some(connection) = connection else { return };
        let bytes = self.vector.arena().get(bytes);
        let sent = connection.borrow_mut().send(ticket, bytes, Expect::One, self.delivery.now);
        let Err(failure) = sent else { return };
        match self.sink {
            Sink::Cluster(cluster) => cluster::not_sent(cluster, ticket, bytes, failure, self.delivery),
            Sink::Single(_) | Sink::Null => self.delivery.failed(&ticket, failure),
        }
    }

    /// A request that needs a closer look.
    fn one(&mut self, request: &Request) {
        let Some(session) = self.delivery.sessions.get(self.session).filter(|session| !session.dismissed) else {
            return self.delivery.trails.discard(request.trail);
        };
        let sequence = session.order.issue(1);
        let ticket = self.ticket(request, sequence);
        match self.vector.outcome(request) {
            None => {}
            Some(Outcome::Reply(answer)) => return self.delivery.answer(&ticket, answer, Kind::Single),
            Some(Outcome::Close(answer)) => {
                let nothing = Answer { frame: bytes::Bytes::new(), foreign: false };
                return self.dismiss(&ticket, answer.as_ref().unwrap_or(&nothing));
            }
        }
        let arguments = self.vector.arguments(request);
        if request.command == CommandId::UNKNOWN && arguments.get(0).is_some_and(is_from_a_browser) {
            // It would end a connection that others use.
            tracing::warn!(session = %self.session, "closed: its client sends HTTP");
            let nothing = Answer { frame: bytes::Bytes::new(), foreign: false };
            return self.dismiss(&ticket, &nothing);
        }
        let need = ConnectionNeed::of(request.command).with(&arguments);
        let ok = Answer { frame: bytes::Bytes::from_static(encode::OK), foreign: false };
        self.watch_pushes(&ticket, need);
        match (need, self.sink) {
            (ConnectionNeed::Quit, _) => self.dismiss(&ticket, &ok),
            (ConnectionNeed::ClientReply, Sink::Single(_) | Sink::Cluster(_))
                if is_client_reply(arguments.get(2), arguments.get(3)) =>
            {
                self.delivery.answer(&ticket, &ok, Kind::Single);
            }
            (_, Sink::Null) => {
                let name = String::from_utf8_lossy(arguments.get(0).unwrap_or_default()).into_owned();
                let text = format!(
                    "ERR '{}' was answered by no transform, and the chain ends in NullSink",
                    name.escape_debug()
                );
                self.delivery.answer(&ticket, &Answer::error(&text), Kind::Single);
            }
            (_, Sink::Single(sink)) => {
                let info = info_of(request.command, &arguments, false);
                self.send(sink, ticket, self.vector.frame(request), info);
            }
            (_, Sink::Cluster(sink)) => {
                let info = info_of(request.command, &arguments, true);
                cluster::send(
                    sink,
                    ticket,
                    self.vector.frame(request),
                    self.vector.arena().bytes(),
                    info,
                    self.delivery,
                );
            }
        }
    }

    /// The last answer of the session: what it has sent since is not looked at.
    fn dismiss(&mut self, ticket: &Ticket, answer: &Answer) {
        if let Some(session) = self.delivery.sessions.get(self.session) {
            session.dismissed = true;
            session.end();
        }
        self.delivery.answer(ticket, answer, Kind::Last);
    }

    /// What a server will send by itself is watched by those who watch the request for it.
    fn watch_pushes(&mut self, ticket: &Ticket, need: ConnectionNeed) {
        if matches!(need, ConnectionNeed::Listen | ConnectionNeed::Tracking) && !ticket.trail.is_none() {
            let watches = self.delivery.trails.watches(ticket.trail);
            if let Some(session) = self.delivery.sessions.get(self.session).filter(|_| !watches.is_empty()) {
                session.pushes = Some(Box::new(Pushes { id: ticket.id, watches }));
            }
        }
    }

    fn send(&mut self, sink: &Single, ticket: Ticket, frame: Frame, info: RequestInfo) {
        let Some(session) = self.delivery.sessions.get(self.session) else { return };
        let arena = self.vector.arena().bytes();
        if !session.held.is_empty() || session.step(Some((ticket.sequence, info.need))) != Step::Send {
            session.held.push_back(QueuedRequest::new(ticket, frame, arena, info));
            return pass(self.session, sink, self.delivery);
        }
        let piece = match frame {
            Frame::Arena(range) => Piece::Seen(arena.get(range).unwrap_or_default()),
            Frame::Large(bytes) => Piece::Kept(bytes),
        };
        if let Err(failure) = session.send(ticket, piece, info, self.delivery.now) {
            self.delivery.failed(&ticket, failure);
        }
        self.delivery.sessions.note(self.session);
    }
}

impl Session {
    /// Whether a request with nothing special about it may leave at once; if so, to which node, where there are several.
    #[inline]
    fn straight(&mut self, view: Option<&Rc<NodeView>>, request: &Request, vector: &Vector) -> Option<u16> {
        match (&self.route, view) {
            (Route::Shared(_), _) => {
                (self.held.is_empty() && self.resubscribe.is_none() && !self.dismissed).then_some(0)
            }
            (Route::Cluster(_), Some(view)) if self.goes_straight(view) => {
                let slot = Target::straight(request.command, &vector.arguments(request))?;
                let (owner, id) = (view.owner(slot)?, self.id);
                let Route::Cluster(route) = &mut self.route else { return None };
                Some(route.node_for(view, owner, request.command, id))
            }
            _ => None,
        }
    }
}

/// Whether the arguments of CLIENT REPLY are those that the server knows.
fn is_client_reply(mode: Option<&[u8]>, more: Option<&[u8]>) -> bool {
    more.is_none()
        && mode.is_some_and(|mode| [&b"ON"[..], b"OFF", b"SKIP"].iter().any(|known| mode.eq_ignore_ascii_case(known)))
}
