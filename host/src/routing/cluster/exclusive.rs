//! Requests that need a connection of their own: each goes alone, to the node that it concerns.
//!
//! Everything before it is answered when it is sent, and nothing follows until it is: that keeps
//! order between the connections of a session without looking at what the requests do.

use std::rc::Rc;

use sluice_commands::ConnectionNeed;

use super::super::answers::Answers;
use super::super::lease::Lease;
use super::super::replies::Replies;
use super::super::request::{QueuedRequest, RequestInfo};
use super::super::session_state::StateChange;
use super::dispatch::Dispatch;
use super::node_lease::{LeaseFor, NodeLease};
use crate::upstream::{ClusterNode, Failure, Introduction, NodeView, Opening, Phase};

impl<R: Replies> Dispatch<'_, R> {
    /// Sends a request on an exclusive connection; returned is one that waits.
    pub(super) fn send_exclusive(
        &mut self,
        request: QueuedRequest,
        view: &Rc<NodeView>,
        place: LeaseFor,
    ) -> Option<QueuedRequest> {
        if self.head() != request.ticket.sequence {
            return Some(request);
        }
        let at = match self.route.lease_for(place, &request, view, self.flow.id) {
            Some(at) => at,
            None => {
                let node = self.route.node_of(&request, view, self.flow.id);
                let Some(node) = node.and_then(|node| view.nodes().get(usize::from(node))) else {
                    self.cluster.refresh(None);
                    return self.later(request);
                };
                let asking = request.retry.as_ref().is_some_and(|retry| retry.asks(view));
                let opening = if asking { Opening::Asking } else { Opening::Request };
                match self.borrow(node, &request.info, opening) {
                    Some(lease) => self.route.keep(lease),
                    None => return Some(request),
                }
            }
        };
        self.send_on(at, request);
        None
    }

    /// Sends a request on the exclusive connection at this position.
    fn send_on(&mut self, mut at: usize, request: QueuedRequest) {
        let QueuedRequest { ticket, frame, info, retry } = request;
        let RequestInfo { need, change, expect, target, .. } = info;
        self.route.retried(retry);
        self.route.note_watch(need, &target);
        if matches!(change, Some(StateChange::Reset)) {
            // It leaves them all.
            self.route.forget_all_but(at).into_iter().for_each(|trail| self.replies.discard(trail));
            at = 0;
        }
        if need == ConnectionNeed::Listen {
            self.route.will_confirm(ticket.sequence, at);
        }
        let Some(lease) = self.route.leases.get_mut(at) else { return };
        let change = lease.lease.sent(ticket.sequence, need, change);
        let sent = lease.lease.connection.borrow_mut().send_bytes(ticket, frame, expect, self.replies.now());
        self.flow.hold_behind(ticket.sequence + 1);
        self.flow.expect_change(ticket.sequence, change);
        if let Err(failure) = sent {
            self.failed(&ticket, failure);
        }
    }

    /// Borrows a connection to a node; `None`: there is none now, and the session is in the queue.
    pub(super) fn borrow(&mut self, node: &Rc<ClusterNode>, info: &RequestInfo, opening: Opening) -> Option<NodeLease> {
        let state = self.flow.state.borrow();
        let setup = info.setup(&state, &self.cluster.identity());
        let of = Introduction {
            session: self.flow.id,
            identity: &setup.identity,
            profile: &state.profile,
            ids: &self.flow.client.servers,
            ignore_handshake_errors: setup.ignore_handshake_errors,
            opening,
        };
        let first = self.granted.is_some_and(|granted| Rc::ptr_eq(granted, node));
        let lent = if first { node.connections.try_lend(of, None) } else { None };
        let Some(connection) = lent.or_else(|| node.connections.lend(of, self.replies.now())) else {
            self.flow.waiting = true;
            return None;
        };
        Some(NodeLease { node: node.clone(), lease: Box::new(Lease::new(connection, setup.once, &state)) })
    }

    /// Sees what has become of the exclusive connections.
    pub(super) fn tend_leases(&mut self) {
        let is_gone = |lease: &NodeLease| lease.lease.connection.borrow().phase() == Phase::Closed;
        let route = &mut *self.route;
        if route.leases.iter().any(is_gone) {
            route.unwatched |= route.leases.iter().any(|lease| is_gone(lease) && lease.lease.is_watching());
            route.leases.retain(|lease| !is_gone(lease));
        }
    }

    /// Gives back what is not needed any more.
    pub(super) fn give_back(&mut self) {
        let head = self.head();
        let route = &mut *self.route;
        if route.leases.is_empty() {
            return;
        }
        let (needed, free) = std::mem::take(&mut route.leases)
            .into_iter()
            .partition(|lease| lease.lease.is_needed(head) || route.subscriptions.is_asked(&lease.lease.connection));
        route.leases = needed;
        for lease in free {
            lease.lease.give_back().into_iter().for_each(|trail| self.replies.discard(trail));
        }
    }

    /// The session has waited for an exclusive connection for too long.
    pub(super) fn denied(&mut self) {
        if self.route.transaction.as_mut().is_some_and(|transaction| transaction.denied()) {
            return self.go_on();
        }
        let Some(QueuedRequest { ticket, info, .. }) = self.flow.queue.pop_front() else { return };
        if info.change.is_some_and(|change| change.is_decisive()) || info.need == ConnectionNeed::Watch {
            // What follows would be executed all the same: not as that user, not as it was meant.
            self.dismiss(&ticket, Failure::NoConnection);
        } else {
            self.failed(&ticket, Failure::NoConnection);
            self.go_on();
        }
    }
}
