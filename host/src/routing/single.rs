//! Which connection a request takes, and when it has to wait.
//!
//! ```text
//!              a command that needs a connection of its own,
//!              everything before it answered                     granted, or nobody in front
//!   ┌────────┐ ──────────────────────────────► (in the queue) ─────────────────────────────► ┌─────────┐
//!   │ SHARED │                                                                               │ PRIVATE │
//!   └────────┘ ◄──────────────────────────────────────────────────────────────────────────── └─────────┘
//!              not needed any more, everything answered: given back, and joined anew as who the session is now
//! ```
//!
//! Requests go in order, so one that has to wait holds those behind it up: behind a change of state until the server has agreed, before
//! a change of connection until the old one has answered. What the session is to the server ([`SessionState`]) is
//! the same on either side: a shared connection belongs to all sessions that agree in it, a private one is told when it is lent.

use std::time::Instant;

use super::change::{StateChange, SessionState};
use super::deliver::Delivery;
use super::session::{RequestInfo, QueuedRequest, Route, Session};
use crate::ids::{Sequence, SessionId};
use crate::upstream::{Expect, Failure, Introduction, Opening, Phase, Receiver, Single, Ticket};

use super::need::ConnectionNeed;
use super::lease::Lease;

/// What a session is to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Wait for replies, for a connection, or for requests.
    Rest,
    /// Send the request.
    Send,
    /// Get a connection of its own.
    Borrow,
    /// Give the connection of its own back.
    Return,
}

/// The bytes of a request: to be copied, or to be passed on.
pub(super) enum Piece<'a> {
    Seen(&'a [u8]),
    Kept(bytes::Bytes),
}

impl Session {
    /// What to do, given the request whose turn it is.
    pub(super) fn step(&self, next: Option<(Sequence, ConnectionNeed)>) -> Step {
        let head = self.order.head();
        if self.queued || self.resubscribe.is_some() || head < self.barrier {
            return Step::Rest;
        }
        match (&self.route, next) {
            (Route::Nowhere | Route::Cluster(_), _) | (Route::Shared(_), None) => Step::Rest,
            (Route::Shared(_), Some((_, need))) if !need.needs_private() => Step::Send,
            (Route::Shared(_), Some((sequence, _))) if head == sequence => Step::Borrow,
            (Route::Private(lease), Some((sequence, _))) if lease.is_spent() => {
                if head == sequence {
                    Step::Return
                } else {
                    Step::Rest
                }
            }
            (Route::Private(lease), Some((_, need))) if need.needs_private() || lease.is_needed(head) => {
                Step::Send
            }
            (Route::Private(_), Some((sequence, _))) if head == sequence => Step::Return,
            (Route::Private(lease), None) if self.order.is_idle() && !lease.is_needed(head) => Step::Return,
            _ => Step::Rest,
        }
    }

    /// Send a request on the connection that it has come to.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    pub(super) fn send(
        &mut self,
        ticket: Ticket,
        piece: Piece<'_>,
        info: RequestInfo,
        now: Instant,
    ) -> Result<(), Failure> {
        let RequestInfo { need, change, expect, .. } = info;
        let connection = match &mut self.route {
            Route::Nowhere | Route::Cluster(_) => return Err(Failure::NotSent),
            Route::Shared(connection) => {
                self.changes.extend(change.map(|change| (ticket.sequence, change)));
                connection
            }
            Route::Private(lease) => {
                let alone = need == ConnectionNeed::State && !lease.in_transaction();
                let change = lease.sent(ticket.sequence, need, change);
                if alone || matches!(change, Some(StateChange::Exec(_))) {
                    self.barrier = ticket.sequence + 1;
                }
                self.changes.extend(change.map(|change| (ticket.sequence, change)));
                &mut lease.connection
            }
        };
        let mut connection = connection.borrow_mut();
        match piece {
            Piece::Seen(bytes) => connection.send(ticket, bytes, expect, now),
            Piece::Kept(bytes) => connection.send_bytes(ticket, bytes, expect, now),
        }
    }

    /// Let the server know of a client that will send no more and waits in a blocking command. Whether that is the end of it, or its
    /// reply is on its target already, only the server can tell; it does what it would do for the client itself.
    pub(super) fn depart(&mut self) {
        if self.finished && !self.departed {
            self.departed = self.route.leases().any(|lease| lease.connection.borrow_mut().finish());
        }
    }

    /// Give its connection up, for the one that it shares.
    pub(super) fn join(&mut self, sink: &Single) {
        self.route = Route::Shared(sink.join(&self.state.identity));
    }
}

/// Let the requests of a session that wait go on, as far as they can.
pub(super) fn pass(id: SessionId, sink: &Single, delivery: &mut Delivery<'_>) {
    go_on(id, sink, delivery, false);
}

/// `first`: the session is the first of those that wait for a private connection.
fn go_on(id: SessionId, sink: &Single, delivery: &mut Delivery<'_>, mut first: bool) {
    loop {
        let Some(session) = delivery.sessions.get(id) else { return };
        let next = session.held.front().map(|held| (held.ticket.sequence, held.info.need));
        match session.step(next) {
            Step::Rest => return,
            Step::Send => {
                let Some(QueuedRequest { ticket, frame, info, .. }) = session.held.pop_front() else { return };
                if let Err(failure) = session.send(ticket, Piece::Kept(frame), info, delivery.now) {
                    delivery.failed(&ticket, failure);
                }
                delivery.sessions.note(id);
            }
            Step::Borrow => {
                let Some(first_held) = session.held.front() else { return };
                let (identity, stranger, passing) = first_held.info.introduction(&session.state, &sink.identity());
                let introduction = Introduction {
                    session: id,
                    identity: &identity,
                    profile: &session.state.profile,
                    whatever: stranger,
                    opening: Opening::Request,
                };
                let lent = if std::mem::take(&mut first) { sink.try_lend(introduction, None) } else { None };
                let Some(connection) = lent.or_else(|| sink.lend(introduction, delivery.now)) else {
                    session.queued = true;
                    return;
                };
                sink.leave(&session.state.identity);
                session.route = Route::Private(Box::new(Lease::new(connection, passing, &session.state)));
            }
            Step::Return => {
                if let Route::Private(lease) = &session.route {
                    // Nothing is in flight, so there are no trails.
                    let _ = lease.give_back();
                }
                if next.is_none() {
                    // It listens no more, and has not asked to: nothing comes by itself that the transforms of its subscription would see.
                    session.pushes = None;
                }
                session.join(sink);
            }
        }
    }
}

/// A session has come out of the queue for private connections, because one is there.
pub(super) fn granted(id: SessionId, sink: &Single, delivery: &mut Delivery<'_>) {
    if let Some(session) = delivery.sessions.get(id) {
        session.queued = false;
        go_on(id, sink, delivery, true);
    }
}

/// A session has come out of the queue for private connections, because it has waited for too long.
pub(super) fn denied(id: SessionId, sink: &Single, delivery: &mut Delivery<'_>) {
    let Some(session) = delivery.sessions.get(id) else { return };
    session.queued = false;
    let Some(QueuedRequest { ticket, info, .. }) = session.held.pop_front() else { return };
    let decisive = info.change.is_some_and(|change| change.is_decisive());
    if decisive || matches!(info.need, ConnectionNeed::Multi | ConnectionNeed::Watch) {
        // What follows would be executed all the same: not in that database, not as that user, not as the transaction that it was meant to be.
        delivery.dismiss(&ticket, Failure::NoConnection);
    } else {
        delivery.failed(&ticket, Failure::NoConnection);
        pass(id, sink, delivery);
    }
}

/// Subscribe a session again that has lost the connection that it was subscribed on.
pub(super) fn resubscribe(id: SessionId, sink: &Single, delivery: &mut Delivery<'_>) {
    let Some(session) = delivery.sessions.get(id) else { return };
    if let Route::Shared(connection) = &session.route {
        let (phase, refused) = (connection.borrow().phase(), connection.borrow().is_refused());
        if refused {
            return give_up(id, delivery, Failure::Refused);
        }
        if phase != Phase::Ready {
            // It knows when to try the server again; until it is there, nobody else need.
            return delivery.sessions.resubscribe_later(id);
        }
    }
    let Some(subscriptions) = session.resubscribe.take() else { return };
    let SessionState { identity, profile, .. } = &session.state;
    let introduction = Introduction { session: id, identity, profile, whatever: false, opening: Opening::Request };
    match sink.try_lend(introduction, Some(*subscriptions)) {
        Some(connection) => {
            if let Route::Shared(_) = session.route {
                sink.leave(&session.state.identity);
            }
            session.route = Route::Private(Box::new(Lease::new(connection, false, &session.state)));
            pass(id, sink, delivery);
        }
        None => give_up(id, delivery, Failure::NoConnection),
    }
}

/// Close a subscriber that cannot be subscribed again.
fn give_up(id: SessionId, delivery: &mut Delivery<'_>, failure: Failure) {
    let Some(session) = delivery.sessions.get(id) else { return };
    tracing::warn!(session = %id, %failure, "a subscriber is closed: it cannot be subscribed again");
    session.resubscribe = None;
    delivery.end(id, failure);
}

/// What a server sends for a request.
pub(super) fn expectation(need: ConnectionNeed, command: sluice_commands::CommandId, arguments: usize) -> Expect {
    match need {
        ConnectionNeed::Blocking => Expect::Eventually,
        ConnectionNeed::Nodes => Expect::Apart,
        _ => Expect::of(command, arguments),
    }
}
