//! `ValkeySinkCluster`: what a cluster is as a sink.

use std::rc::Rc;

use bytes::Bytes;

use super::super::flow::{Links, Route};
use super::super::replies::Replies;
use super::super::request::{Outgoing, RequestInfo};
use super::super::routes::Router;
use super::super::sink::Sink;
use super::dispatch::Dispatch;
use super::route::ClusterRoute;
use crate::chain::Kind;
use crate::cluster::Target;
use crate::ids::SessionId;
use crate::upstream::{
    Cause, Cluster, ClusterNode, Expect, Failure, Identity, Lost, NodeView, Payload, Ticket, requests,
};

impl<R: Replies> Sink<R> for Cluster {
    fn begin(&self) -> Links {
        Links::Cluster(Box::new(ClusterRoute::new(Self::identity(self))))
    }

    fn identity(&self) -> Rc<Identity> {
        Self::identity(self)
    }

    fn takes_several(&self) -> bool {
        !self.sends_one_by_one()
    }

    fn view(&self) -> Option<Rc<NodeView>> {
        Self::view(self)
    }

    fn send(&self, route: &mut Route, mut request: Outgoing<'_>, replies: &mut R) {
        let Some(mut dispatch) = Dispatch::new(self, route, replies) else { return };
        // The ordinary case, of which nothing else need be known.
        if request.command.effect().is_plain()
            && let Some(slot) = Target::straight(request.command, &request.arguments)
            && dispatch.sends_straight(&request, slot, Expect::One)
        {
            return;
        }
        let mut info = RequestInfo::in_cluster(request.command, &request.arguments, self);
        info.ask_for(request.change.take());
        if !request.servers.is_empty() {
            info.target = Target::Named(std::mem::take(&mut request.servers));
        }
        dispatch.send(request, info);
    }

    fn not_sent(&self, route: &mut Route, mut ticket: Ticket, bytes: &[u8], failure: Failure, replies: &mut R) {
        let Some(mut dispatch) = Dispatch::new(self, route, replies) else { return };
        if failure != Failure::NotSent {
            return dispatch.fail(&ticket, failure);
        }
        self.refresh(None);
        for request in requests(&Bytes::copy_from_slice(bytes)) {
            dispatch.come_back(&ticket.split(1), request, Cause::NotSent);
        }
    }

    fn poll(&self, route: &mut Route, replies: &mut R) {
        if let Some(mut dispatch) = Dispatch::new(self, route, replies) {
            dispatch.go_on();
        }
    }

    fn reply(&self, route: &mut Route, ticket: &Ticket, reply: Payload<'_>, kind: Kind, replies: &mut R) {
        if let Some(mut dispatch) = Dispatch::new(self, route, replies) {
            dispatch.replied(ticket, reply, kind);
        }
    }

    fn failed(&self, route: &mut Route, ticket: &Ticket, failure: Failure, replies: &mut R) {
        if let Some(mut dispatch) = Dispatch::new(self, route, replies) {
            dispatch.fail(ticket, failure);
        }
    }

    fn sent_back(&self, route: &mut Route, ticket: &Ticket, request: Bytes, cause: Cause<'_>, replies: &mut R) {
        if let Some(mut dispatch) = Dispatch::new(self, route, replies) {
            dispatch.come_back(ticket, request, cause);
        }
    }

    fn ended(&self, route: &mut Route, lost: Lost, replies: &mut R) {
        if let Some(mut dispatch) = Dispatch::new(self, route, replies) {
            dispatch.lease_ended(lost);
        }
    }

    fn withholds(&self, route: &mut Route, frame: &[u8], replies: &mut R) -> bool {
        Dispatch::new(self, route, replies).is_some_and(|mut dispatch| dispatch.is_withdrawn(frame))
    }

    fn flush(&self) -> bool {
        Self::flush(self);
        self.is_congested()
    }

    fn lend(&self, router: &mut Router<'_, R>) {
        for node in self.nodes() {
            node.connections.settle();
            while let Some(session) = node.connections.next_private() {
                self.granted(session, &node, router);
            }
        }
    }

    fn tend(&self, router: &mut Router<'_, R>) {
        let now = router.replies.now();
        Self::tend(self, now, router);
        for node in self.nodes() {
            while let Some(session) = node.connections.late_private(now) {
                self.denied(session, router);
            }
        }
        Self::flush(self);
    }

    fn resubscribe(&self, route: &mut Route, replies: &mut R) {
        if let Some(mut dispatch) = Dispatch::new(self, route, replies) {
            dispatch.resubscribe();
        }
    }

    fn leave(&self, route: &mut Route, replies: &mut R) {
        let head = replies.progress(route.flow.id).head;
        if let Links::Cluster(cluster) = &mut route.links {
            cluster.leave(head).into_iter().for_each(|trail| replies.discard(trail));
        }
    }
}

impl Cluster {
    /// A session has come out of the queue for exclusive connections to a node: one is there.
    fn granted<R: Replies>(&self, session: SessionId, node: &Rc<ClusterNode>, router: &mut Router<'_, R>) {
        let Some(route) = router.routes.get(session) else { return };
        route.flow.waiting = false;
        if let Some(mut dispatch) = Dispatch::new(self, route, router.replies) {
            dispatch.granted = Some(node);
            dispatch.go_on();
        }
    }

    /// A session has come out of the queue for exclusive connections: it has waited for too long.
    fn denied<R: Replies>(&self, session: SessionId, router: &mut Router<'_, R>) {
        let Some(route) = router.routes.get(session) else { return };
        route.flow.waiting = false;
        if let Some(mut dispatch) = Dispatch::new(self, route, router.replies) {
            dispatch.denied();
        }
    }
}
