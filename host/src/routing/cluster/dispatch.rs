//! A session at work with its cluster: what is planned for a request is done.

use std::rc::Rc;

use bytes::Bytes;
use sluice_commands::ConnectionNeed;

use super::super::answers::Answers;
use super::super::flow::{Flow, Links, Route};
use super::super::lease::Lease;
use super::super::replies::Replies;
use super::super::request::{Outgoing, QueuedRequest, RequestInfo};
use super::super::retell::retold;
use super::super::session_state::StateChange;
use super::local_reply::Client;
use super::plan::{Plan, plan};
use super::retry::{Retry, Verdict, unreachable};
use super::route::ClusterRoute;
use crate::chain::{Answer, Frame, Kind};
use crate::cluster::{Slot, Target};
use crate::ids::{PathId, Sequence, SessionId};
use crate::upstream::{Cluster, ClusterNode, Expect, Failure, NodeView, Payload, Ticket};

/// A session at work with its cluster.
pub(super) struct Dispatch<'a, R> {
    pub(super) cluster: &'a Cluster,
    pub(super) flow: &'a mut Flow,
    pub(super) route: &'a mut ClusterRoute,
    pub(super) replies: &'a mut R,
    /// The node where the session is the first of those that wait for an exclusive connection.
    pub(super) granted: Option<&'a Rc<ClusterNode>>,
}

impl<R: Replies> Answers<R> for Dispatch<'_, R> {
    fn parts(&mut self) -> (&mut Flow, &mut R) {
        (self.flow, self.replies)
    }

    fn is_sent_again(&mut self, ticket: &Ticket, failure: Failure) -> bool {
        self.route.will_move(ticket, failure)
    }

    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind) {
        if self.route.is_past(ticket, self.replies.progress(ticket.session).head) {
            return;
        }
        if ticket.part > 0 {
            return self.part_answered(ticket, answer.frame.clone());
        }
        self.confirm(ticket, &answer.frame);
        self.replies.answer(ticket, answer, kind);
    }
}

impl<'a, R: Replies> Dispatch<'a, R> {
    /// The session of this route at work; `None`: it has no cluster.
    pub(super) fn new(cluster: &'a Cluster, route: &'a mut Route, replies: &'a mut R) -> Option<Self> {
        let Route { flow, links: Links::Cluster(route) } = route else { return None };
        Some(Self { cluster, flow, route, replies, granted: None })
    }

    /// See [`Answers::failed`].
    pub(super) fn fail(&mut self, ticket: &Ticket, failure: Failure) {
        self.failed(ticket, failure);
    }

    /// The reply to a request has come: see [`Flow::confirm`].
    fn confirm(&mut self, ticket: &Ticket, frame: &[u8]) {
        let (sequence, cluster) = (ticket.sequence, self.cluster);
        let answered = |change: &StateChange, confirmed| self.route.answered(sequence, change, confirmed);
        if self.flow.confirm(sequence, frame, || cluster.identity(), answered) {
            cluster.users_changed();
        }
    }

    /// The reply to the requests of `ticket` is there.
    pub(super) fn replied(&mut self, ticket: &Ticket, reply: Payload<'_>, kind: Kind) {
        if self.route.is_past(ticket, self.head()) {
            return;
        }
        let reply = self.route.recount(ticket, reply.bytes()).map_or(reply, Payload::Large);
        if ticket.part > 0 {
            return self.part_answered(ticket, reply.into_bytes());
        }
        let reply = retold(self.flow, None, ticket, &reply, kind).map_or(reply, Payload::Large);
        self.confirm(ticket, reply.bytes());
        self.replies.reply(ticket, reply, kind);
    }

    /// Answers a request with a frame of the proxy's own.
    pub(super) fn reply(&mut self, ticket: &Ticket, frame: Bytes) {
        self.answer(ticket, &Answer { frame, foreign: false }, Kind::Single);
    }

    /// The first request of the session that is not answered.
    pub(super) fn head(&self) -> Sequence {
        self.replies.progress(self.flow.id).head
    }

    /// Sends a request that has just come out of the chain.
    pub(super) fn send(&mut self, request: Outgoing<'_>, info: RequestInfo) {
        if !info.slot().is_some_and(|slot| self.sends_straight(&request, slot, info.expect)) {
            self.flow.queue.push_back(QueuedRequest::new(&request, info));
            self.go_on();
        }
    }

    /// Sends a request that needs no connection of its own straight to the node of its slot, if
    /// nothing is in its way. Returns whether it was sent; what fails here fails in the same way once
    /// it is queued.
    pub(super) fn sends_straight(&mut self, request: &Outgoing<'_>, slot: Slot, expect: Expect) -> bool {
        let head = self.head();
        self.route.divided.retain(|(_, sequence)| *sequence >= head);
        if let Frame::Arena(range) = &request.frame
            && let Some(view) = self.cluster.view()
            && let Some(owner) = view.owner(slot)
            && self.flow.queue.is_empty()
            && !self.flow.waiting
            && !self.flow.dismissed
            && head >= self.flow.barrier
            && self.route.goes_straight(&view, &self.flow.identity())
            && let node = self.route.node_for(&view, owner, request.command, self.flow.id)
            && let Some(link) = self.route.link(node)
        {
            let bytes = request.arena.get(range.clone()).unwrap_or_default();
            return link.borrow_mut().send(request.ticket, bytes, expect, self.replies.now()).is_ok();
        }
        false
    }

    /// Lets the requests that wait go on, as far as they can.
    pub(super) fn go_on(&mut self) {
        self.send_waiting();
        self.flow.state.borrow_mut().foresee(self.route.leases().flat_map(Lease::queued_changes));
    }

    fn send_waiting(&mut self) {
        loop {
            self.tend_leases();
            if !self.replay() {
                return;
            }
            let Some(request) = self.flow.queue.pop_front() else { break };
            if let Some(request) = self.dispatch(request) {
                self.flow.queue.push_front(request);
                break;
            }
            self.replies.wake(self.flow.id);
        }
        self.give_back();
    }

    /// Does what is planned for a request; returned is one that waits.
    pub(super) fn dispatch(&mut self, mut request: QueuedRequest) -> Option<QueuedRequest> {
        let (now, head) = (self.replies.now(), self.head());
        // What had been issued before the barrier rose, but not sent, is below it: it waits for
        // what was issued before itself.
        let barrier = self.flow.barrier.min(request.ticket.sequence);
        let waits = request.retry.as_ref().map_or(head < barrier, |retry| self.route.waits(retry, head, now));
        if self.flow.waiting || waits {
            if let Some(retry) = request.retry.as_ref().filter(|retry| retry.due > now) {
                self.route.wake_at(retry.due, self.cluster, self.flow.id, now);
            }
            return Some(request);
        }
        let Some(view) = self.cluster.view() else {
            self.cluster.refresh(None);
            return self.before_map(request);
        };
        if self.route.follow(&view, &self.flow.identity()) && request.retry.is_none() {
            // What is under way may be elsewhere by this map.
            self.flow.hold_behind(request.ticket.sequence);
            if head < request.ticket.sequence {
                return Some(request);
            }
        }
        let plan = plan(&mut request, self.route, self.client());
        self.follow_plan(plan, request, &view)
    }

    fn follow_plan(&mut self, plan: Plan, request: QueuedRequest, view: &Rc<NodeView>) -> Option<QueuedRequest> {
        match plan {
            Plan::Wait => Some(request),
            Plan::Later => self.later(request),
            Plan::Reply(frame) => {
                self.reply(&request.ticket, frame);
                None
            }
            Plan::Begin => self.begin(request, view),
            Plan::Join => self.join(request, Some(view)),
            Plan::Exclusive(place) => self.send_exclusive(request, view, place),
            Plan::Each => self.send_to_each(request, view),
            Plan::FanOut => {
                self.ends_watch(request.info.need);
                self.take_apart(request, view);
                None
            }
            Plan::Shared => {
                self.ends_watch(request.info.need);
                self.share(request, view)
            }
        }
    }

    /// What ends a transaction or a watch that the server knows nothing of ends that it was lost.
    fn ends_watch(&mut self, need: ConnectionNeed) {
        if matches!(need, ConnectionNeed::Exec | ConnectionNeed::Discard | ConnectionNeed::Unwatch) {
            self.route.unwatched = false;
        }
    }

    /// What is known of the client.
    pub(super) fn client(&self) -> Client {
        let protocol = self.flow.state.borrow().identity.protocol;
        Client { id: self.flow.id, protocol, found_at: self.replies.found_at(self.flow.id), head: self.head() }
    }

    /// Sends a request to one node, on the connection that sessions share; returned is one that
    /// waits.
    pub(super) fn share(&mut self, request: QueuedRequest, view: &Rc<NodeView>) -> Option<QueuedRequest> {
        let id = self.flow.id;
        if request.ticket.part > 0 && self.route.is_gone(&request.ticket, view) {
            self.part_answered(&request.ticket, Bytes::new());
            return None;
        }
        let Some(mut node) = self.route.node_of(&request, view, id) else {
            self.cluster.refresh(None);
            return self.later(request);
        };
        // A retry goes to the primary.
        if request.retry.is_none() && matches!(request.info.target, Target::To(_)) {
            node = self.route.node_for(view, node, request.info.command, id);
        }
        match self.send_to(node, &request, view) {
            Ok(()) => {
                if let Target::To(slot) = request.info.target
                    && request.info.several
                {
                    self.route.divided.push((slot, request.ticket.sequence));
                }
                self.route.retried(request.retry);
                None
            }
            Err(Failure::NotSent) => {
                self.cluster.refresh(None);
                self.later(request)
            }
            Err(failure) => {
                self.failed(&request.ticket, failure);
                None
            }
        }
    }

    /// Sends a request on the connection to this node that sessions share, behind ASKING where the
    /// node is only about to get the slot.
    fn send_to(&mut self, node: u16, request: &QueuedRequest, view: &NodeView) -> Result<(), Failure> {
        let now = self.replies.now();
        let mut link = self.route.link(node).ok_or(Failure::NotSent)?.borrow_mut();
        if request.retry.as_ref().is_some_and(|retry| retry.asks(view)) {
            let own = Ticket { session: SessionId::NOBODY, trail: PathId::NONE, ..request.ticket };
            link.send(own, b"*1\r\n$6\r\nASKING\r\n", Expect::One, now)?;
        }
        link.send_bytes(request.ticket, request.frame.clone(), request.info.expect, now)
    }

    /// A request cannot be sent now: it is retried in a while, or answered.
    pub(super) fn later(&mut self, mut request: QueuedRequest) -> Option<QueuedRequest> {
        let now = self.replies.now();
        let otherwise = unreachable(&request.info.target, self.cluster);
        let retry = request.retry.get_or_insert_with(|| Box::new(Retry::new(&request.ticket, now)));
        match retry.later(otherwise, self.cluster, now) {
            Verdict::Answer(answer) => {
                if let Some(transaction) = &mut self.route.transaction {
                    transaction.spoil();
                }
                self.answer(&request.ticket, &answer, Kind::Single);
            }
            Verdict::Again => {
                retry.to = None;
                self.retry(request);
            }
        }
        None
    }
}
