//! The turn: one pass over everything that has become ready.

use std::time::Instant;

use super::deliver::{Delivery, emit_staged};
use super::route::route;
use super::session::Life;
use super::{TICKS_A_SECOND, Worker};
use crate::ids::SessionId;
use crate::upstream::Phase;

impl Worker {
    /// Replies to their sessions, requests through their chains to the upstreams; then one write for each upstream and one for each
    /// client.
    pub(super) fn turn(&mut self) {
        let now = Instant::now();
        self.receive(now);
        self.note_due();
        for source in 0..self.sources.len() {
            self.requests(source, now);
        }
        self.returns();
        self.look_at_noted(now);
        // Sessions may have been answered while they were looked at: that goes through the transforms too.
        while self.note_answered() {
            self.returns();
            self.look_at_noted(now);
        }
        self.meter.turn(now);
    }

    /// Have the sessions looked at whose responses are still to go through the transforms. Returns whether there are any.
    fn note_answered(&mut self) -> bool {
        let Self { sources, sessions, .. } = self;
        let staged = sources.iter().flat_map(|source| source.responses.list());
        staged.map(|response| sessions.note(response.session)).count() > 0
    }

    /// What responses are delivered with in this turn.
    fn delivery(&mut self, now: Instant) -> Delivery<'_> {
        let Self { sessions, sources, trails, meter, .. } = self;
        Delivery { sessions, sources, trails, meter, now }
    }

    /// Take what the upstreams have brought.
    fn receive(&mut self, now: Instant) {
        let mut connections = std::mem::take(&mut self.received);
        self.ready.take(&mut connections);
        let mut delivery = self.delivery(now);
        let mut freed = false;
        for connection in &connections {
            let mut connection = connection.borrow_mut();
            connection.receive(&mut delivery);
            freed |= matches!(connection.phase(), Phase::Idle | Phase::Closed);
        }
        connections.clear();
        self.received = connections;
        if freed {
            self.lend(now);
        }
    }

    /// Look at the sessions that wanted to wait for a while.
    fn note_due(&mut self) {
        for source in &self.sources {
            source.sink.take_due().into_iter().for_each(|session| self.sessions.note(session));
        }
    }

    /// Let sessions that wait for a private connection have those that are free.
    fn lend(&mut self, now: Instant) {
        for at in 0..self.sources.len() {
            let sink = self.sources[at].sink.clone();
            sink.lend(&mut self.delivery(now));
        }
    }

    /// Look after what happens by itself, or does not: to be called a few times a second, and the turn after it.
    pub(super) fn tend(&mut self) {
        let now = Instant::now();
        for at in 0..self.sources.len() {
            let sink = self.sources[at].sink.clone();
            sink.tend(now, &mut self.delivery(now));
        }
        for session in self.sessions.take_later() {
            let Some(source) = self.sessions.get(session).map(|session| session.source) else { continue };
            let sink = self.sources[source].sink.clone();
            sink.resubscribe(session, &mut self.delivery(now));
        }
        self.lend(now);
        self.drop_retired();
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_A_SECOND) {
            self.sessions.supervise(now);
        }
        if self.sessions.has_noted() {
            self.bell.ring();
        }
    }

    /// Carry what the clients of a source have sent through its chain, and send it on.
    fn requests(&mut self, at: usize, now: Instant) {
        let source = &mut self.sources[at];
        if source.inbox.is_empty() {
            // Bytes of what had no arguments may be there all the same.
            source.inbox.clear();
            return;
        }
        self.meter.vector(at, source.inbox.len());
        source.chain.requests(&mut source.inbox, &mut self.trails, &mut self.ids);
        let mut delivery = self.delivery(now);
        route(at, &mut delivery);
        let source = &mut self.sources[at];
        // Upstreams first: they have work to do while the clients are written to.
        source.congested = source.sink.flush();
        self.congested |= source.congested;
    }

    /// Carry watched responses back through the chains.
    fn returns(&mut self) {
        for source in &mut self.sources {
            if !source.responses.is_empty() {
                // The oldest first: a transform that several chains have sees the responses of a session in the order of its requests.
                for chain in source.retired.iter_mut().chain([&mut source.chain]) {
                    chain.responses(&mut source.responses, &mut self.trails);
                }
                emit_staged(&mut source.responses, &mut self.sessions, &mut self.trails, &self.directory);
            }
        }
        if self.congested {
            self.relieve();
        }
    }

    /// Let sessions be read from again where a congested upstream has taken what there was.
    fn relieve(&mut self) {
        self.congested = false;
        for source in &mut self.sources {
            source.congested = source.sink.flush();
            self.congested |= source.congested;
        }
        for id in self.sessions.ids() {
            if let Some(session) = self.sessions.get(id)
                && !self.sources[session.source].congested
            {
                session.wake();
            }
        }
    }

    /// Write to the sessions for which there is something, and see what else has become of them.
    fn look_at_noted(&mut self, now: Instant) {
        loop {
            let noted = self.sessions.take_noted();
            if noted.is_empty() {
                return self.sessions.give_back(noted);
            }
            for &id in &noted {
                self.look_at(id, now);
            }
            self.sessions.give_back(noted);
        }
    }

    fn look_at(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get(id) else { return };
        session.noted = false;
        let could_read = session.may_read();
        session.settle_reads();
        session.flush();
        if !session.held.is_empty() || session.route.wants_a_look() {
            let source = session.source;
            self.pass(id, source, now);
        }
        let Some(session) = self.sessions.get(id) else { return };
        session.depart();
        if session.is_over() {
            self.remove(id);
        } else if !could_read && session.may_read() {
            session.wake();
        }
    }

    /// Let what a session holds go on, and write what waits on the connection that it has to itself.
    fn pass(&mut self, id: SessionId, source: usize, now: Instant) {
        let sink = self.sources[source].sink.clone();
        sink.pass(id, &mut self.delivery(now));
        if let Some(session) = self.sessions.get(id) {
            session.route.flush();
        }
    }

    /// The session is over: forget what it had, and let its late replies find nobody.
    fn remove(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.remove(id) else { return };
        session.life = Life::Gone;
        session.wake();
        for parked in session.order.take_parked() {
            self.trails.discard(parked.ticket.trail);
        }
        session.held.drain(..).for_each(|held| self.trails.discard(held.ticket.trail));
        let sink = self.sources[session.source].sink.clone();
        sink.leave(&mut session, &mut self.delivery(Instant::now()));
        self.directory.remove(id);
        self.sources[session.source].sessions.leave(self.index);
    }
}
