//! The requests of one session on their way from the chain to their sink.
//!
//! Most requests need nothing special: those that lie side by side leave as one write. Everything
//! else is looked at one by one.

use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use sluice_commands::{CommandId, ConnectionNeed};

use super::aims::{Aimed, aimed};
use super::clients::Clients;
use super::flow::{Links, Route};
use super::need::is_from_a_browser;
use super::replies::{Pushes, Replies};
use super::request::Outgoing;
use super::session_state::StateChange;
use super::sink::Sink;
use crate::chain::vector::{Arguments, Request};
use crate::chain::{Answer, Frame, Kind, Outcome, Vector};
use crate::cluster::Target;
use crate::ids::Sequence;
use crate::resp::encode;
use crate::upstream::{Expect, NodeView, Ticket};

/// The requests of one session that one turn carries.
pub(crate) struct Run<'a, R> {
    pub(crate) vector: &'a Vector,
    pub(crate) sink: &'a dyn Sink<R>,
    /// The clients of all workers.
    pub(crate) clients: &'a Clients,
    /// The nodes behind the sink, where it is a cluster that is known.
    pub(crate) view: Option<&'a Rc<NodeView>>,
    /// Whether requests that lie side by side may leave as one.
    pub(crate) together: bool,
    pub(crate) route: &'a mut Route,
    pub(crate) replies: &'a mut R,
}

/// Consecutive requests that leave together: their bytes lie side by side, and nothing must happen
/// to their responses.
struct Stretch {
    /// The first one.
    first: Request,
    count: u32,
    /// The position of the node, where there are several.
    node: u16,
    bytes: Range<usize>,
}

impl<R: Replies> Run<'_, R> {
    /// Sends the requests at these positions of the vector, and answers those that have ended.
    pub(crate) fn route(mut self, requests: Range<usize>) {
        let mut stretch: Option<Stretch> = None;
        let mut straight = self.goes_straight();
        for at in requests {
            let request = self.vector.request(at);
            // The ordinary case, side by side: everything else ends the stretch.
            if straight
                && self.vector.outcome(request).is_none()
                && request.trail.is_none()
                && let Some(place) = self.vector.place(request)
                && request.command.effect().is_plain()
                && let Some(node) = self.node_of(request)
            {
                match &mut stretch {
                    Some(stretch) if stretch.bytes.end == place.start && stretch.node == node && self.together => {
                        stretch.bytes.end = place.end;
                        stretch.count += 1;
                    }
                    _ => {
                        self.leave(stretch.take());
                        stretch = Some(Stretch { first: *request, count: 1, node, bytes: place });
                    }
                }
                continue;
            }
            self.leave(stretch.take());
            self.one(request);
            straight = self.goes_straight();
        }
        self.leave(stretch);
    }

    /// Whether requests with nothing special about them may leave at once: nothing is in their way.
    fn goes_straight(&self) -> bool {
        let flow = &self.route.flow;
        if !flow.queue.is_empty() || flow.dismissed || flow.waiting {
            return false;
        }
        match (&self.route.links, self.view) {
            (Links::Shared(_), _) => flow.lost_subscriptions.is_none(),
            (Links::Cluster(route), Some(view)) => {
                route.goes_straight(view, &flow.identity()) && self.replies.progress(flow.id).head >= flow.barrier
            }
            _ => false,
        }
    }

    /// The node that a request goes to; `None`: it takes a closer look. 0 where there is one server.
    #[inline]
    fn node_of(&mut self, request: &Request) -> Option<u16> {
        let (Links::Cluster(route), Some(view)) = (&mut self.route.links, self.view) else { return Some(0) };
        let slot = Target::straight(request.command, &self.vector.arguments(request))?;
        Some(route.node_for(view, view.owner(slot)?, request.command, self.route.flow.id))
    }

    fn ticket(&self, request: &Request, sequence: Sequence, count: u32) -> Ticket {
        let (session, since) = (self.route.flow.id, self.replies.now());
        Ticket { session, sequence, id: request.id, count, trail: request.trail, since, part: 0 }
    }

    /// Sends a stretch on its shared connection.
    fn leave(&mut self, stretch: Option<Stretch>) {
        let Some(Stretch { first, count, node, bytes }) = stretch else { return };
        let sequence = self.replies.issue(self.route.flow.id, count);
        let ticket = self.ticket(&first, sequence, count);
        let connection = match &mut self.route.links {
            Links::Shared(connection) => Some(&*connection),
            Links::Cluster(route) => route.link(node),
            Links::Exclusive(_) | Links::Nowhere => None,
        };
        let Some(connection) = connection else { return };
        let bytes = self.vector.arena().get(bytes);
        let sent = connection.borrow_mut().send(ticket, bytes, Expect::One, ticket.since);
        if let Err(failure) = sent {
            self.sink.not_sent(self.route, ticket, bytes, failure, self.replies);
        }
    }

    /// A request that needs a closer look.
    fn one(&mut self, request: &Request) {
        if self.route.flow.dismissed {
            return self.replies.discard(request.trail);
        }
        let sequence = self.replies.issue(self.route.flow.id, 1);
        let ticket = self.ticket(request, sequence, 1);
        match self.vector.outcome(request) {
            None => {}
            Some(Outcome::Reply(answer)) => {
                self.settle_nowhere(request, answer);
                return self.replies.answer(&ticket, answer, Kind::Single);
            }
            Some(Outcome::Spoil(answer)) => return self.spoil(ticket, answer),
            Some(Outcome::Close(answer)) => return self.dismiss(&ticket, answer.as_ref().unwrap_or(&nothing())),
        }
        let arguments = self.vector.arguments(request);
        if request.command == CommandId::UNKNOWN && arguments.get(0).is_some_and(is_from_a_browser) {
            // It would end a connection that others use.
            tracing::warn!(session = %self.route.flow.id, "closed: its client sends HTTP");
            return self.dismiss(&ticket, &nothing());
        }
        let need = request.command.need_with(&arguments);
        self.watch_pushes(&ticket, need);
        let ok = Answer { frame: Bytes::from_static(encode::OK), foreign: false };
        match need {
            ConnectionNeed::Quit => self.dismiss(&ticket, &ok),
            ConnectionNeed::ClientReply
                if !matches!(self.route.links, Links::Nowhere)
                    && is_client_reply(arguments.get(2), arguments.get(3)) =>
            {
                self.replies.answer(&ticket, &ok, Kind::Single);
            }
            _ => {
                let (frame, arena) = (self.vector.frame(request), self.vector.arena().bytes());
                let (command, change, servers) = (request.command, None, Vec::new());
                self.send(Outgoing { ticket, command, arguments, change, servers, frame, arena });
            }
        }
    }

    /// Where there is no server, the chain says who a session is.
    fn settle_nowhere(&mut self, request: &Request, answer: &Answer) {
        if matches!(self.route.links, Links::Nowhere) {
            let arguments = self.vector.arguments(request);
            let need = request.command.need_with(&arguments);
            if let Some(change) = StateChange::of(request.command, need, &arguments)
                && change.is_confirmed_by(&answer.frame)
            {
                self.route.flow.state.borrow_mut().apply(change, &self.sink.identity());
            }
        }
    }

    /// A request was refused that is a part of a transaction: what is sent in its place, which no
    /// server knows, makes the server fail the transaction.
    fn spoil(&mut self, ticket: Ticket, answer: &Answer) {
        let change = Some(StateChange::Refused(answer.frame.clone()));
        let mut spans = Vec::new();
        let arguments = Arguments::of(REFUSED, &mut spans);
        let (command, servers, frame) = (CommandId::UNKNOWN, Vec::new(), Frame::Large(Bytes::from_static(REFUSED)));
        let request = Outgoing { ticket, command, arguments, change, servers, frame, arena: &[] };
        self.sink.send(self.route, request, self.replies);
    }

    /// Sends a request to the sink, with the servers' own IDs of the clients that it names.
    fn send(&mut self, mut request: Outgoing<'_>) {
        let aims = request.command.effect().aims;
        match aimed(aims, &request.arguments, self.clients, &self.route.flow.client) {
            None => {}
            Some(Aimed::Refused(error)) => {
                let answer = Answer { frame: error.into(), foreign: false };
                return self.replies.answer(&request.ticket, &answer, Kind::Single);
            }
            Some(Aimed::Sent(frame, change)) => (request.frame, request.change) = (Frame::Large(frame), change),
            Some(Aimed::ToServers(servers, change)) => {
                request.change = change;
                if let Some((_, frame)) = servers.first() {
                    request.frame = Frame::Large(frame.clone());
                }
                request.servers = servers;
            }
        }
        self.sink.send(self.route, request, self.replies);
    }

    /// The last answer of the session: what it has sent since is not looked at.
    fn dismiss(&mut self, ticket: &Ticket, answer: &Answer) {
        self.route.flow.dismissed = true;
        self.replies.end(ticket.session);
        self.replies.answer(ticket, answer, Kind::Last);
    }

    /// The transforms that watch the request watch what the server will send by itself, too.
    fn watch_pushes(&mut self, ticket: &Ticket, need: ConnectionNeed) {
        if matches!(need, ConnectionNeed::Listen | ConnectionNeed::Tracking) && !ticket.trail.is_none() {
            let watches = self.replies.watches(ticket.trail);
            if !watches.is_empty() {
                self.route.flow.pushes = Some(Box::new(Pushes { id: ticket.id, watches }));
            }
        }
    }
}

/// A request that no server knows.
const REFUSED: &[u8] = b"*1\r\n$14\r\nsluice.refused\r\n";

fn nothing() -> Answer {
    Answer { frame: Bytes::new(), foreign: false }
}

/// Whether the arguments of CLIENT REPLY are those that the server knows.
fn is_client_reply(mode: Option<&[u8]>, more: Option<&[u8]>) -> bool {
    more.is_none()
        && mode.is_some_and(|mode| [&b"ON"[..], b"OFF", b"SKIP"].iter().any(|known| mode.eq_ignore_ascii_case(known)))
}
