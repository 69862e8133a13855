//! Routing: which connection a request takes, and when.
//!
//! ```text
//!  chain ─► `run`: every request of a session ─► a sink ─► a connection (`upstream`)
//!                                                 │
//!                   `single`: one server          │  shared with other sessions, or leased by one (`lease`)
//!                   `cluster`: many nodes         │
//!                   `NullSink`: none              ▼
//!  worker ◄─ `Replies`: answer, wake, end ◄─ `receive`: what connections bring
//! ```
//!
//! A [`Route`] belongs to one session: who the session is to the server ([`session_state`]), the
//! requests that wait, and the connections that it uses. Routing knows no sockets of clients; it
//! speaks to the worker through one trait, [`Replies`], so a test can stand in for the worker.
//!
//! The rules of order:
//!
//! - Requests of a session for one server share a connection, which keeps them in order.
//! - Nothing is sent past a request that changes who the session is, until the server has agreed.
//! - A request that needs a connection of its own waits until everything before it is answered.
//! - In a cluster, a request that is retried holds back what came after it (`cluster`).

mod answers;
mod cluster;
mod flow;
mod lease;
mod need;
mod receive;
mod request;
mod rewrite_addresses;
mod run;
mod session_state;
mod single;
mod sink;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

pub(crate) use flow::Route;
pub(crate) use request::Pushes;
pub(crate) use run::Run;
pub(crate) use session_state::SharedState;
pub use sink::SinkPlan;
pub(crate) use sink::{Sink, sink};

use crate::chain::{Answer, Kind, Place};
use crate::ids::{Sequence, SessionId, TrailId};
use crate::upstream::{Payload, Ticket};

/// All that routing asks of the worker.
pub(crate) trait Replies {
    /// Releases the reply to the requests of `ticket`, in the order of their session.
    fn reply(&mut self, ticket: &Ticket, reply: Payload<'_>, kind: Kind);

    /// Releases an answer that no server gave, in the order of its session. It answers all requests
    /// of `ticket`.
    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind);

    /// Counts requests that no server could answer.
    fn failed(&mut self, count: u32);

    /// Hands a session what its server sent unasked. `pushes`: the transforms that watch it.
    fn push(&mut self, id: SessionId, frame: &[u8], pushes: Option<&Pushes>);

    /// Hands a session bytes that are no frames: replication.
    fn stream(&mut self, id: SessionId, bytes: &[u8]);

    /// Goes on past the requests of `ticket`, which get no response.
    fn skip(&mut self, ticket: &Ticket);

    /// Forgets what must happen to a response that will not come.
    fn discard(&mut self, trail: TrailId);

    /// The transforms that watch the response with this trail, each with its tag.
    fn watches(&self, trail: TrailId) -> Vec<(Place, u64)>;

    /// Reads no more from a session. Its requests in flight are still answered.
    fn end(&mut self, id: SessionId);

    /// Removes a session, whatever is in flight.
    fn remove(&mut self, id: SessionId);

    /// Has the turn poll a session before it ends.
    fn wake(&mut self, id: SessionId);

    /// Has a session subscribed again at the next tick.
    fn resubscribe_later(&mut self, id: SessionId);

    /// Gives the next `count` requests of a session their places; returns the first one.
    fn issue(&mut self, id: SessionId, count: u32) -> Sequence;

    /// How far the requests of a session have come.
    fn progress(&self, id: SessionId) -> Progress;

    /// Where the session's client has found the proxy; `None` for a Unix socket.
    fn found_at(&self, id: SessionId) -> Option<SocketAddr>;

    /// When this turn began.
    fn now(&self) -> Instant;
}

/// How far the requests of a session have come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// The first request without an answer.
    pub(crate) head: Sequence,
    /// The place of the next request.
    pub(crate) issued: Sequence,
}

impl Progress {
    /// Whether every request is answered.
    pub(crate) fn is_idle(self) -> bool {
        self.head == self.issued
    }
}

/// The routes of a worker's sessions, and the sinks of its sources.
pub(crate) struct Routes<R> {
    /// A route lies where its session lies in the worker's table.
    places: Vec<Option<Box<Route>>>,
    sinks: Vec<Rc<dyn Sink<R>>>,
}

impl<R: Replies> Routes<R> {
    /// Routes that leave by these sinks, one for each source.
    pub(crate) fn new(sinks: Vec<Rc<dyn Sink<R>>>) -> Self {
        Self { places: Vec::new(), sinks }
    }

    /// Adds the route of a new session of the source at this position. Returns who the session is.
    pub(crate) fn add(&mut self, id: SessionId, source: usize) -> SharedState {
        let route = Box::new(Route::new(id, source, &*self.sinks[source]));
        let state = route.flow.state.clone();
        if self.places.len() <= id.place() {
            self.places.resize_with(id.place() + 1, || None);
        }
        self.places[id.place()] = Some(route);
        state
    }

    /// The route of a session; `None`: it has gone.
    #[inline]
    pub(crate) fn get(&mut self, id: SessionId) -> Option<&mut Route> {
        self.places.get_mut(id.place())?.as_deref_mut().filter(|route| route.flow.id == id)
    }

    /// The sink of the source at this position.
    #[inline]
    pub(crate) fn sink(&self, source: usize) -> &Rc<dyn Sink<R>> {
        &self.sinks[source]
    }

    /// The session is over: gives back its connections, and forgets what waits.
    pub(crate) fn remove(&mut self, id: SessionId, replies: &mut R) {
        if self.get(id).is_none() {
            return;
        }
        if let Some(mut route) = self.places[id.place()].take() {
            self.sinks[route.flow.source].leave(&mut route, replies);
            route.flow.queue.drain(..).for_each(|request| replies.discard(request.ticket.trail));
        }
    }
}

/// The routes of a worker, with whom they answer to.
pub(crate) struct Router<'a, R> {
    pub(crate) routes: &'a mut Routes<R>,
    pub(crate) replies: &'a mut R,
}

impl<R: Replies> Router<'_, R> {
    /// Lets what a session has waiting go on, as far as it can, and writes it.
    pub(crate) fn poll(&mut self, id: SessionId) {
        let Some(route) = self.routes.get(id).filter(|route| route.needs_poll()) else { return };
        let source = route.flow.source;
        let sink = self.routes.sinks[source].clone();
        if let Some(route) = self.routes.get(id) {
            sink.poll(route, self.replies);
            route.links.flush();
        }
    }

    /// Subscribes a session again that has lost the connection that it was subscribed on.
    pub(crate) fn resubscribe(&mut self, id: SessionId) {
        self.with(id, |sink, route, replies| sink.resubscribe(route, replies));
    }

    /// Lets sessions that wait for a connection of their own have those that are free.
    pub(crate) fn lend(&mut self) {
        for at in 0..self.routes.sinks.len() {
            self.routes.sinks[at].clone().lend(self);
        }
    }

    /// Looks after the upstreams; to be called a few times a second.
    pub(crate) fn tend(&mut self) {
        for at in 0..self.routes.sinks.len() {
            self.routes.sinks[at].clone().tend(self);
        }
    }

    /// Does something with the route of a session and its sink, if the session is still there.
    fn with(&mut self, id: SessionId, act: impl FnOnce(&dyn Sink<R>, &mut Route, &mut R)) {
        let Some(source) = self.routes.get(id).map(|route| route.flow.source) else { return };
        let sink = self.routes.sinks[source].clone();
        if let Some(route) = self.routes.get(id) {
            act(&*sink, route, self.replies);
        }
    }
}
