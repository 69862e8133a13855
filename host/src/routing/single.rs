//! `ValkeySinkSingle`: which connection to its one server a request takes, and when it waits.
//!
//! ```text
//!              a command that needs a connection of its own,
//!              everything before it answered                     granted, or none in front
//!   ┌────────┐ ──────────────────────────────► (in the queue) ─────────────────────────────► ┌───────────┐
//!   │ SHARED │                                                                               │ EXCLUSIVE │
//!   └────────┘ ◄──────────────────────────────────────────────────────────────────────────── └───────────┘
//!              not needed any more, everything answered: given back, and joined anew as who the session is now
//! ```
//!
//! Requests go in order, so one that waits holds back those behind it: behind a change of who the
//! session is until the server has agreed, before a change of connection until the old one has
//! answered. Who the session is to the server is the same on either side: a shared connection
//! belongs to all sessions that agree in it, an exclusive one is told when it is lent.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use sluice_commands::ConnectionNeed;

use super::answers::Answers;
use super::flow::{Flow, Links, Route};
use super::lease::Lease;
use super::need::is_exclusive;
use super::replies::{Progress, Replies};
use super::request::{Outgoing, QueuedRequest, RequestInfo};
use super::retell::retold;
use super::routes::Router;
use super::session_state::StateChange;
use super::sink::Sink;
use crate::chain::{Answer, Frame, Kind};
use crate::ids::Sequence;
use crate::upstream::{Failure, Identity, Introduction, Lost, Opening, Payload, Phase, Single, Subscriptions, Ticket};

/// What a session does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// It waits for replies, for a connection, or for requests.
    Rest,
    /// It sends the request.
    Send,
    /// It gets a connection of its own.
    Borrow,
    /// It gives the connection of its own back.
    Return,
}

/// The bytes of a request: copied, or passed on.
enum Piece<'a> {
    Seen(&'a [u8]),
    Kept(Bytes),
}

impl<R: Replies> Sink<R> for Single {
    fn begin(&self) -> Links {
        Links::Shared(self.join(&Self::identity(self)))
    }

    fn identity(&self) -> Rc<Identity> {
        Self::identity(self)
    }

    fn rewrites(&self) -> bool {
        self.rewrite().is_some()
    }

    fn takes_several(&self) -> bool {
        !self.sends_one_by_one()
    }

    fn send(&self, route: &mut Route, request: Outgoing<'_>, replies: &mut R) {
        Dispatch { single: self, route, replies }.send(request);
    }

    fn poll(&self, route: &mut Route, replies: &mut R) {
        Dispatch { single: self, route, replies }.go_on(false);
    }

    fn reply(&self, route: &mut Route, ticket: &Ticket, reply: Payload<'_>, kind: Kind, replies: &mut R) {
        let retold = retold(&route.flow, self.rewrite(), ticket, &reply, kind);
        let reply = retold.map_or(reply, Payload::Large);
        if route.confirm(ticket.sequence, reply.bytes(), || Self::identity(self)) {
            self.users_changed();
        }
        replies.reply(ticket, reply, kind);
    }

    fn failed(&self, route: &mut Route, ticket: &Ticket, failure: Failure, replies: &mut R) {
        Dispatch { single: self, route, replies }.failed(ticket, failure);
    }

    fn ended(&self, route: &mut Route, lost: Lost, replies: &mut R) {
        Dispatch { single: self, route, replies }.ended(lost);
    }

    fn flush(&self) -> bool {
        Self::flush(self);
        self.is_congested()
    }

    fn lend(&self, router: &mut Router<'_, R>) {
        self.settle();
        while let Some(session) = self.next_private() {
            if let Some(route) = router.routes.get(session) {
                route.flow.waiting = false;
                Dispatch { single: self, route, replies: router.replies }.go_on(true);
            }
        }
    }

    fn tend(&self, router: &mut Router<'_, R>) {
        let now = router.replies.now();
        Self::tend(self, now, router);
        while let Some(session) = self.late_private(now) {
            if let Some(route) = router.routes.get(session) {
                Dispatch { single: self, route, replies: router.replies }.denied();
            }
        }
        // What stood behind a request that was denied.
        Self::flush(self);
    }

    fn resubscribe(&self, route: &mut Route, replies: &mut R) {
        Dispatch { single: self, route, replies }.resubscribe();
    }

    fn leave(&self, route: &mut Route, replies: &mut R) {
        match &route.links {
            Links::Exclusive(lease) => lease.give_back().into_iter().for_each(|trail| replies.discard(trail)),
            Links::Shared(_) => Self::leave(self, &route.flow.identity()),
            Links::Nowhere | Links::Cluster(_) => {}
        }
    }
}

/// A session at work with its server.
struct Dispatch<'a, R> {
    single: &'a Single,
    route: &'a mut Route,
    replies: &'a mut R,
}

impl<R: Replies> Answers<R> for Dispatch<'_, R> {
    fn parts(&mut self) -> (&mut Flow, &mut R) {
        (&mut self.route.flow, self.replies)
    }

    fn hangs_up(&self) -> bool {
        self.single.hangs_up()
    }

    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind) {
        self.route.confirm(ticket.sequence, &answer.frame, || self.single.identity());
        self.replies.answer(ticket, answer, kind);
    }
}

impl<R: Replies> Dispatch<'_, R> {
    /// Sends a request that has come out of the chain, or lets it wait.
    fn send(&mut self, mut request: Outgoing<'_>) {
        let single = self.single;
        let strange = || single.is_strange();
        let mut info = RequestInfo::new(request.command, &request.arguments, single.commands(), strange);
        info.ask_for(request.change.take());
        let ticket = request.ticket;
        let next = Some((ticket.sequence, info.need));
        let progress = self.replies.progress(ticket.session);
        if !self.route.flow.queue.is_empty() || self.route.step(next, progress) != Step::Send {
            self.route.flow.queue.push_back(QueuedRequest::new(&request, info));
            return self.go_on(false);
        }
        let piece = match request.frame {
            Frame::Arena(range) => Piece::Seen(request.arena.get(range).unwrap_or_default()),
            Frame::Large(bytes) => Piece::Kept(bytes),
        };
        if let Err(failure) = self.route.send(ticket, piece, info, self.replies.now()) {
            self.failed(&ticket, failure);
        }
        self.note_doubt();
        self.replies.wake(ticket.session);
    }

    /// Lets the requests of the session that wait go on, as far as they can. `first`: the session is
    /// the first of those that wait for an exclusive connection.
    fn go_on(&mut self, first: bool) {
        self.send_waiting(first);
        self.note_doubt();
    }

    /// Notes what changes of who the session is wait for EXEC.
    fn note_doubt(&mut self) {
        let Route { flow, links } = &mut *self.route;
        flow.state.borrow_mut().foresee(links.leases().flat_map(Lease::queued_changes));
    }

    fn send_waiting(&mut self, mut first: bool) {
        let id = self.route.flow.id;
        loop {
            let next = self.route.flow.queue.front().map(|request| (request.ticket.sequence, request.info.need));
            match self.route.step(next, self.replies.progress(id)) {
                Step::Rest => return,
                Step::Send => {
                    let Some(request) = self.route.flow.queue.pop_front() else { return };
                    let QueuedRequest { ticket, frame, info, .. } = request;
                    if let Err(failure) = self.route.send(ticket, Piece::Kept(frame), info, self.replies.now()) {
                        self.failed(&ticket, failure);
                    }
                    self.replies.wake(id);
                }
                Step::Borrow => {
                    let Some(lease) = self.borrow(std::mem::take(&mut first)) else {
                        self.route.flow.waiting = true;
                        return;
                    };
                    self.single.leave(&self.route.flow.identity());
                    self.route.links = Links::Exclusive(Box::new(lease));
                }
                Step::Return => {
                    if let Links::Exclusive(lease) = &self.route.links {
                        // Nothing is in flight, so there are no trails.
                        let _ = lease.give_back();
                    }
                    if next.is_none() {
                        // The session listens no more, and has not asked to.
                        self.route.flow.pushes = None;
                    }
                    self.rejoin();
                }
            }
        }
    }

    /// An exclusive connection for the request whose turn it is; `None`: there is none now.
    fn borrow(&self, first: bool) -> Option<Lease> {
        let state = self.route.flow.state.borrow();
        let setup = self.route.flow.queue.front()?.info.setup(&state, &self.single.identity());
        let introduction = Introduction {
            session: self.route.flow.id,
            identity: &setup.identity,
            profile: &state.profile,
            ids: &self.route.flow.client.servers,
            ignore_handshake_errors: setup.ignore_handshake_errors,
            opening: Opening::Request,
        };
        let lent = if first { self.single.try_lend(introduction, None) } else { None };
        let connection = lent.or_else(|| self.single.lend(introduction, self.replies.now()))?;
        Some(Lease::new(connection, setup.once, &state))
    }

    /// The session has waited for an exclusive connection for too long.
    fn denied(&mut self) {
        self.route.flow.waiting = false;
        let Some(QueuedRequest { ticket, info, .. }) = self.route.flow.queue.pop_front() else { return };
        let decisive = info.change.is_some_and(|change| change.is_decisive());
        if decisive || matches!(info.need, ConnectionNeed::Multi | ConnectionNeed::Watch) {
            // What follows would be executed all the same: not in that database, not as that user,
            // not as the transaction that it was meant to be.
            self.dismiss(&ticket, Failure::NoConnection);
        } else {
            self.failed(&ticket, Failure::NoConnection);
            self.go_on(false);
        }
    }

    /// The exclusive connection of the session is over.
    fn ended(&mut self, lost: Lost) {
        let Links::Exclusive(lease) = &self.route.links else { return };
        let id = self.route.flow.id;
        match lost {
            Lost::Nothing if !lease.holds_state() => self.rejoin(),
            Lost::Subscriptions(subscriptions) if !lease.holds_state() && !self.hangs_up() => {
                self.rejoin();
                self.route.flow.lost_subscriptions = Some(Box::new(subscriptions));
                self.replies.resubscribe_later(id);
            }
            // What the server knew (a transaction, watched keys) is lost; the client must not go on
            // as if it were not.
            Lost::Nothing | Lost::Subscriptions(_) | Lost::More => self.end(Failure::NotSent),
        }
        self.replies.wake(id);
    }

    /// Subscribes the session again that has lost the connection that it was subscribed on.
    fn resubscribe(&mut self) {
        let id = self.route.flow.id;
        if let Links::Shared(connection) = &self.route.links {
            let (phase, refused) = (connection.borrow().phase(), connection.borrow().is_refused());
            if refused {
                return self.give_up(Failure::Refused);
            }
            if phase != Phase::Ready {
                // The connection knows when to try the server again.
                return self.replies.resubscribe_later(id);
            }
        }
        let Some(subscriptions) = self.route.flow.lost_subscriptions.take() else { return };
        match self.borrow_for(*subscriptions) {
            Some(lease) => {
                if let Links::Shared(_) = self.route.links {
                    self.single.leave(&self.route.flow.identity());
                }
                self.route.links = Links::Exclusive(Box::new(lease));
                self.go_on(false);
            }
            None => self.give_up(Failure::NoConnection),
        }
        self.replies.wake(id);
    }

    /// An exclusive connection that begins with these subscriptions.
    fn borrow_for(&self, subscriptions: Subscriptions) -> Option<Lease> {
        let state = self.route.flow.state.borrow();
        let of = Introduction {
            session: self.route.flow.id,
            identity: &state.identity,
            profile: &state.profile,
            ids: &self.route.flow.client.servers,
            ignore_handshake_errors: false,
            opening: Opening::Request,
        };
        self.single.try_lend(of, Some(subscriptions)).map(|lent| Lease::new(lent, false, &state))
    }

    /// Closes a subscriber that cannot be subscribed again.
    fn give_up(&mut self, failure: Failure) {
        let id = self.route.flow.id;
        tracing::warn!(session = %id, %failure, "a subscriber is closed: it cannot be subscribed again");
        self.route.flow.lost_subscriptions = None;
        self.end(failure);
    }

    /// Gives the exclusive connection of the session up, for one that it shares.
    fn rejoin(&mut self) {
        self.route.links = Links::Shared(self.single.join(&self.route.flow.identity()));
    }
}

impl Route {
    /// What the session does next, given the request whose turn it is.
    fn step(&self, next: Option<(Sequence, ConnectionNeed)>, progress: Progress) -> Step {
        let head = progress.head;
        if self.flow.waiting || self.flow.lost_subscriptions.is_some() || head < self.flow.barrier {
            return Step::Rest;
        }
        match (&self.links, next) {
            (Links::Nowhere | Links::Cluster(_), _) | (Links::Shared(_), None) => Step::Rest,
            (Links::Shared(_), Some((_, need))) if !is_exclusive(need) => Step::Send,
            (Links::Shared(_), Some((sequence, _))) if head == sequence => Step::Borrow,
            (Links::Exclusive(lease), Some((sequence, _))) if lease.is_spent() => {
                if head == sequence {
                    Step::Return
                } else {
                    Step::Rest
                }
            }
            (Links::Exclusive(lease), Some((_, need))) if is_exclusive(need) || lease.is_needed(head) => Step::Send,
            (Links::Exclusive(_), Some((sequence, _))) if head == sequence => Step::Return,
            (Links::Exclusive(lease), None) if progress.is_idle() && !lease.is_needed(head) => Step::Return,
            _ => Step::Rest,
        }
    }

    /// Sends a request on the connection that it has come to.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    fn send(&mut self, ticket: Ticket, piece: Piece<'_>, info: RequestInfo, now: Instant) -> Result<(), Failure> {
        let RequestInfo { need, change, expect, .. } = info;
        let connection = match &mut self.links {
            Links::Nowhere | Links::Cluster(_) => return Err(Failure::NotSent),
            Links::Shared(connection) => {
                self.flow.expect_change(ticket.sequence, change);
                connection
            }
            Links::Exclusive(lease) => {
                let alone = need == ConnectionNeed::State && !lease.in_transaction();
                let change = lease.sent(ticket.sequence, need, change);
                if alone || matches!(change, Some(StateChange::Exec(_))) {
                    self.flow.barrier = ticket.sequence + 1;
                }
                self.flow.expect_change(ticket.sequence, change);
                &mut lease.connection
            }
        };
        let mut connection = connection.borrow_mut();
        match piece {
            Piece::Seen(bytes) => connection.send(ticket, bytes, expect, now),
            Piece::Kept(bytes) => connection.send_bytes(ticket, bytes, expect, now),
        }
    }
}
