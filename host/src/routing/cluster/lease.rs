//! Requests that need a connection of their own: each goes alone, to the node that it concerns.
//!
//! Everything before it is answered when it is sent, and nothing follows until it is: that keeps order between the connections of a
//! session without looking at what the requests do.

use std::rc::Rc;

use super::super::need::ConnectionNeed;
use super::super::change::StateChange;
use super::super::deliver::Delivery;
use super::super::lease::Lease;
use super::super::session::{RequestInfo, QueuedRequest, Route, Session};
use super::send::{later, pass};
use super::{ClusterRoute, NodeLease};
use crate::cluster::Target;
use crate::ids::{Sequence, SessionId, TrailId};
use crate::upstream::{Cluster, Failure, Introduction, Opening, Phase, Receiver};
use crate::upstream::{ClusterNode, NodeView};

/// Which of the private connections a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Where {
    /// One to the node of its keys.
    Any,
    /// The one on which keys are watched.
    Watching,
    /// The one that is subscribed.
    SubscriptionState,
}

/// Which connection a request is for that needs a private one.
pub(super) fn place(held: &QueuedRequest) -> Where {
    match (held.info.need, &held.info.change) {
        (ConnectionNeed::Listen, _) | (_, Some(StateChange::Reset)) => Where::SubscriptionState,
        (ConnectionNeed::Watch, _) => Where::Watching,
        _ => Where::Any,
    }
}

/// Send a request on a private connection; returned is one that has to wait.
pub(super) fn go(
    id: SessionId,
    cluster: &Cluster,
    view: &Rc<NodeView>,
    held: QueuedRequest,
    place: Where,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<QueuedRequest> {
    let session = delivery.sessions.get(id)?;
    if session.order.head() != held.ticket.sequence {
        return Some(held);
    }
    let Route::Cluster(route) = &mut session.route else { return None };
    let mut at = match route.lease(place, &held, view, id) {
        Some(at) => at,
        None => {
            let Some(node) = route.target(&held, view, id).and_then(|node| view.nodes().get(usize::from(node))) else {
                cluster.refresh(None);
                return later(cluster, held, delivery);
            };
            let asking = held.retry.as_ref().is_some_and(|retry| retry.asks(view));
            let opening = if asking { Opening::Asking } else { Opening::Request };
            match borrow(session, cluster, node, &held.info, opening, granted) {
                Some(lease) => {
                    let Route::Cluster(route) = &mut session.route else { return None };
                    route.leases.push(lease);
                    route.leases.len() - 1
                }
                None => return Some(held),
            }
        }
    };
    let Route::Cluster(route) = &mut session.route else { return None };
    let QueuedRequest { ticket, frame, info: RequestInfo { need, change, expect, target, .. }, retry } = held;
    let slot = if let Target::To(slot) = target { Some(slot) } else { None };
    if let Some(retry) = retry {
        route.tried(*retry);
    }
    match need {
        ConnectionNeed::Exec | ConnectionNeed::Discard | ConnectionNeed::Unwatch => (route.unwatched, route.watched) = (false, None),
        ConnectionNeed::Watch => route.watched = slot,
        _ => {}
    }
    if matches!(change, Some(StateChange::Reset)) {
        // It leaves them all.
        route.forget_all_but(at).into_iter().for_each(|trail| delivery.trails.discard(trail));
        at = 0;
    }
    if need == ConnectionNeed::Listen {
        route.will_confirm(ticket.sequence, at);
    }
    let lease = route.leases.get_mut(at)?;
    let change = lease.lease.sent(ticket.sequence, need, change);
    let sent = lease.lease.connection.borrow_mut().send_bytes(ticket, frame, expect, delivery.now);
    session.barrier = session.barrier.max(ticket.sequence + 1);
    session.changes.extend(change.map(|change| (ticket.sequence, change)));
    if let Err(failure) = sent {
        delivery.failed(&ticket, failure);
    }
    None
}

/// Borrow a connection to a node; `None`: there is none now, and the session is in the queue.
pub(super) fn borrow(
    session: &mut Session,
    cluster: &Cluster,
    node: &Rc<ClusterNode>,
    info: &RequestInfo,
    opening: Opening,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<NodeLease> {
    let (identity, whatever, passing) = info.introduction(&session.state, &cluster.identity());
    let of = Introduction {
        session: session.id,
        identity: &identity,
        profile: &session.state.profile,
        whatever,
        opening,
    };
    let first = granted.is_some_and(|granted| Rc::ptr_eq(granted, node));
    let lent = if first { node.connections.try_lend(of, None) } else { None };
    let Some(connection) = lent.or_else(|| node.connections.lend(of, std::time::Instant::now())) else {
        session.queued = true;
        return None;
    };
    Some(NodeLease { node: node.clone(), lease: Box::new(Lease::new(connection, passing, &session.state)) })
}

impl ClusterRoute {
    /// Whether a server watches keys for the session, or has lost them.
    pub(super) fn is_watching(&self) -> bool {
        self.leases.iter().any(|lease| lease.lease.is_watching())
    }

    /// The private connection that a request is for, if there is one.
    fn lease(&self, place: Where, held: &QueuedRequest, view: &NodeView, id: SessionId) -> Option<usize> {
        let target = || self.target(held, view, id).and_then(|node| view.nodes().get(usize::from(node)));
        let redirected = held.retry.as_ref().is_some_and(|retry| retry.to.is_some());
        match place {
            Where::Watching => self.leases.iter().position(|lease| lease.lease.is_watching()),
            Where::SubscriptionState => self.listener(held, target().map(|node| &**node)),
            Where::Any if redirected => None,
            Where::Any => self.tenure_at(target()?),
        }
    }

    /// A private connection to this node that is free for any request.
    pub(super) fn tenure_at(&self, node: &Rc<ClusterNode>) -> Option<usize> {
        self.leases.iter().position(|NodeLease { node: other, lease }| {
            Rc::ptr_eq(node, other) && !lease.connection.borrow().is_engaged() && !lease.is_spent()
        })
    }

    /// A WATCH was not executed, because its slot is elsewhere. What was watched there before is lost.
    pub(super) fn unwatch(&mut self, sequence: Sequence) {
        for lease in &mut self.leases {
            lease.lease.answered(sequence, &StateChange::Watch, false);
            if lease.lease.is_watching() {
                self.unwatched = true;
                lease.lease.watch_nothing();
            }
        }
    }

    /// Give up all private connections but this one, which becomes the first.
    fn forget_all_but(&mut self, at: usize) -> Vec<TrailId> {
        self.leases.swap(0, at);
        (self.unwatched, self.watched) = (false, None);
        self.listening.forget();
        self.leases.drain(1..).flat_map(|lease| lease.lease.give_back()).collect()
    }
}

/// See what has become of the private connections. Returns whether the session is still there.
pub(super) fn look_after(id: SessionId, delivery: &mut Delivery<'_>) -> bool {
    let Some(session) = delivery.sessions.get(id) else { return false };
    let Route::Cluster(route) = &mut session.route else { return false };
    let is_gone = |lease: &NodeLease| lease.lease.connection.borrow().phase() == Phase::Closed;
    if route.leases.iter().any(is_gone) {
        route.unwatched |= route.leases.iter().any(|lease| is_gone(lease) && lease.lease.is_watching());
        route.leases.retain(|lease| !is_gone(lease));
    }
    true
}

/// Give back what is not needed any more.
pub(super) fn give_back(id: SessionId, delivery: &mut Delivery<'_>) {
    let Some(session) = delivery.sessions.get(id) else { return };
    let head = session.order.head();
    let Route::Cluster(route) = &mut session.route else { return };
    if route.leases.is_empty() {
        return;
    }
    let (needed, free) = std::mem::take(&mut route.leases)
        .into_iter()
        .partition(|lease| lease.lease.is_needed(head) || route.listening.is_asked(&lease.lease.connection));
    route.leases = needed;
    for lease in free {
        lease.lease.give_back().into_iter().for_each(|trail| delivery.trails.discard(trail));
    }
}

/// A session has come out of the queue for private connections to a node, because one is there.
pub(in super::super) fn granted(id: SessionId, cluster: &Cluster, node: &Rc<ClusterNode>, delivery: &mut Delivery<'_>) {
    if let Some(session) = delivery.sessions.get(id) {
        session.queued = false;
        pass(id, cluster, delivery, Some(node));
    }
}

/// A session has come out of the queue for private connections, because it has waited for too long.
pub(in super::super) fn denied(id: SessionId, cluster: &Cluster, delivery: &mut Delivery<'_>) {
    let Some(session) = delivery.sessions.get(id) else { return };
    session.queued = false;
    let transaction = match &mut session.route {
        Route::Cluster(route) => route.transaction.as_mut(),
        _ => None,
    };
    if transaction.is_some_and(|transaction| transaction.denied()) {
        return pass(id, cluster, delivery, None);
    }
    let Some(QueuedRequest { ticket, info, .. }) = session.held.pop_front() else { return };
    if info.change.is_some_and(|change| change.is_decisive()) || info.need == ConnectionNeed::Watch {
        // What follows would be executed all the same: not as that user, not as it was meant to be.
        delivery.dismiss(&ticket, Failure::NoConnection);
    } else {
        delivery.failed(&ticket, Failure::NoConnection);
        pass(id, cluster, delivery, None);
    }
}
