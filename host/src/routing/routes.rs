//! The routes of a worker's sessions, found by session.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::clients::Clients;
use super::flow::{Beginning, Route};
use super::replies::Replies;
use super::session_state::{SessionState, SharedState};
use super::sink::Sink;
use crate::ids::SessionId;

/// The routes of a worker's sessions, and the sinks of its sources.
pub(crate) struct Routes<R> {
    /// A route lies where its session lies in the worker's table.
    places: Vec<Option<Box<Route>>>,
    sinks: Vec<Rc<dyn Sink<R>>>,
    /// The clients of all workers.
    clients: Arc<Clients>,
}

impl<R: Replies> Routes<R> {
    /// Routes that leave by these sinks, one for each source.
    pub(crate) fn new(sinks: Vec<Rc<dyn Sink<R>>>, clients: Arc<Clients>) -> Self {
        Self { places: Vec::new(), sinks, clients }
    }

    /// Adds the route of a new session of the source at this position, which `hang_up` disconnects.
    /// Returns who the session is.
    pub(crate) fn add(&mut self, id: SessionId, source: usize, hang_up: Box<dyn Fn() + Send + Sync>) -> SharedState {
        let sink = &self.sinks[source];
        let state = Rc::new(RefCell::new(SessionState::new(sink.identity())));
        let begins = Beginning { state: state.clone(), links: sink.begin(), rewrites: sink.rewrites() };
        let route = Box::new(Route::new(id, source, self.clients.add(hang_up), begins));
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

    /// The clients of all workers.
    pub(crate) fn clients(&self) -> &Arc<Clients> {
        &self.clients
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
            self.clients.remove(&route.flow.client);
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
    pub(super) fn with(&mut self, id: SessionId, act: impl FnOnce(&dyn Sink<R>, &mut Route, &mut R)) {
        let Some(source) = self.routes.get(id).map(|route| route.flow.source) else { return };
        let sink = self.routes.sinks[source].clone();
        if let Some(route) = self.routes.get(id) {
            act(&*sink, route, self.replies);
        }
    }
}
