//! The turn: one pass over everything that has become ready.

use std::time::Instant;

use super::session::Life;
use super::{TICKS_A_SECOND, Worker};
use crate::ids::SessionId;
use crate::routing::{Router, Run};
use crate::upstream::Phase;

impl Worker {
    /// Replies to their sessions, requests through their chains to the upstreams; then one write for
    /// each upstream and one for each client.
    pub(super) fn turn(&mut self) {
        let now = Instant::now();
        self.delivery.now = now;
        self.receive();
        self.mark_due();
        let sent = self.sent.take();
        sent.iter().for_each(|&source| self.requests(source));
        self.sent.give_back(sent);
        self.returns();
        self.poll_ready();
        // Sessions may have been answered while they were looked at: that goes through the
        // transforms too.
        while self.mark_answered() {
            self.returns();
            self.poll_ready();
        }
        self.delivery.metrics.turn(now);
    }

    /// Has the sessions looked at whose responses are still to go through the transforms. Returns
    /// whether there are any.
    fn mark_answered(&mut self) -> bool {
        let super::Delivery { sessions, staged, .. } = &mut self.delivery;
        staged.sessions().map(|session| sessions.mark_ready(session)).count() > 0
    }

    /// The routes of its sessions, with whom they answer to.
    fn router(&mut self) -> Router<'_, super::Delivery> {
        Router { routes: &mut self.routes, replies: &mut self.delivery }
    }

    /// Takes what the upstreams have brought.
    fn receive(&mut self) {
        let mut connections = std::mem::take(&mut self.received);
        self.ready.take(&mut connections);
        let mut router = self.router();
        let mut freed = false;
        for connection in &connections {
            let mut connection = connection.borrow_mut();
            connection.receive(&mut router);
            freed |= matches!(connection.phase(), Phase::Idle | Phase::Closed);
        }
        connections.clear();
        if freed {
            router.lend();
        }
        self.received = connections;
    }

    /// Looks at the sessions that wanted to wait for a while.
    fn mark_due(&mut self) {
        for session in self.ready.take_due() {
            self.delivery.sessions.mark_ready(session);
        }
    }

    /// Looks after what happens by itself, or does not: called a few times a second, and the turn
    /// after it.
    pub(super) fn tend(&mut self) {
        let now = Instant::now();
        self.delivery.now = now;
        self.router().tend();
        for session in self.delivery.sessions.take_later() {
            self.router().resubscribe(session);
        }
        self.router().lend();
        self.drop_retired();
        self.end_due();
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_A_SECOND) {
            self.delivery.sessions.supervise(now, &mut self.routes);
        }
        if self.delivery.sessions.has_ready() {
            self.turn_waker.wake();
        }
    }

    /// Carries what the clients of a source have sent through its chain, and sends it on.
    fn requests(&mut self, at: usize) {
        let source = &mut self.sources[at];
        if source.inbox.is_empty() {
            // Bytes of what had no arguments may be there all the same.
            source.inbox.clear();
            return;
        }
        self.delivery.metrics.vector(at, source.inbox.len());
        source.chain.requests(&mut source.inbox, &mut self.delivery.trails, &mut self.ids);
        self.route(at);
        // Upstreams first: they have work to do while the clients are written to.
        let congested = self.routes.sink(at).flush();
        self.sources[at].congested = congested;
        if congested {
            self.congested.add(at);
        }
    }

    /// Sends the requests of a vector on, and answers those that have ended. Empties the vector.
    fn route(&mut self, source: usize) {
        let mut vector = std::mem::take(&mut self.sources[source].inbox);
        let (sink, clients) = (self.routes.sink(source).clone(), self.routes.clients().clone());
        let (together, view) = (sink.takes_several(), sink.view());
        for run in vector.runs() {
            let requests = run.requests.start as usize..run.requests.end as usize;
            if let Some(route) = self.routes.get(run.session) {
                let (vector, sink, clients, view) = (&vector, &*sink, &*clients, view.as_ref());
                Run { vector, sink, clients, view, together, route, replies: &mut self.delivery }.route(requests);
            }
            if let Some(session) = self.delivery.sessions.get(run.session) {
                session.sent(run.bytes);
            }
            self.delivery.sessions.mark_ready(run.session);
        }
        vector.clear();
        self.sources[source].inbox = vector;
    }

    /// Carries watched responses back through the chains.
    fn returns(&mut self) {
        let busy = self.delivery.staged.take();
        for &at in &busy {
            let source = &mut self.sources[at];
            let super::Delivery { trails, staged, .. } = &mut self.delivery;
            // The oldest first: a transform that several chains have sees the responses of a
            // session in the order of its requests.
            for chain in source.retired.iter_mut().chain([&mut source.chain]) {
                chain.responses(staged.get(at), trails);
            }
            self.delivery.emit_staged(at);
        }
        self.delivery.staged.give_back(busy);
        self.relieve();
    }

    /// Lets sessions be read from again where a congested upstream has taken what there was.
    fn relieve(&mut self) {
        let congested = self.congested.take();
        for &at in &congested {
            let source = &mut self.sources[at];
            source.congested = self.routes.sink(at).flush();
            if source.congested {
                self.congested.add(at);
                continue;
            }
            for id in source.held.drain(..) {
                if let Some(session) = self.delivery.sessions.get(id) {
                    session.held = false;
                    session.wake();
                }
            }
        }
        self.congested.give_back(congested);
    }

    /// Writes to the sessions for which there is something, and sees what else has become of them.
    fn poll_ready(&mut self) {
        loop {
            let ready = self.delivery.sessions.take_ready();
            if ready.is_empty() {
                return self.delivery.sessions.give_back(ready);
            }
            for &id in &ready {
                self.poll(id);
            }
            self.delivery.sessions.give_back(ready);
        }
    }

    fn poll(&mut self, id: SessionId) {
        let Some(mut session) = self.delivery.sessions.get(id) else { return };
        session.ready = false;
        let could_read = session.may_read();
        session.settle_reads();
        session.flush();
        if let Some(route) = self.routes.get(id) {
            session.bound_output(route);
            if route.needs_poll() {
                self.router().poll(id);
                let Some(polled) = self.delivery.sessions.get(id) else { return };
                session = polled;
            }
        }
        session.settle();
        if session.finished
            && let Some(route) = self.routes.get(id)
        {
            route.depart();
        }
        if session.is_over() {
            self.remove(id);
        } else if !could_read && session.may_read() {
            session.wake();
        }
    }

    /// The session is over: forgets what it had, and lets its late replies find no session.
    fn remove(&mut self, id: SessionId) {
        // Its route first, which asks how far the session has come.
        self.routes.remove(id, &mut self.delivery);
        let Some(mut session) = self.delivery.sessions.remove(id) else { return };
        if session.life == Life::Gone {
            session.socket.abandon();
        }
        session.life = Life::Gone;
        session.wake();
        for parked in session.reply_queue.take_parked() {
            self.delivery.trails.discard(parked.ticket.trail);
        }
        self.directory.remove(id);
    }
}
