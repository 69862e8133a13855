//! Subscriptions in a cluster: channels of shards where their slots are served, all others at one
//! node.
//!
//! A session may be subscribed at several nodes, each by a connection of its own, and is told of one
//! list of subscriptions. When a slot is served elsewhere its old node ends the subscriptions to its
//! channels; when a node dies, all that it had end too. The proxy mends both: it subscribes again
//! where the channels are served now, and tells the client nothing. Until that is done, other
//! requests about subscriptions wait.

use std::rc::Rc;

use super::super::answers::Answers;
use super::super::lease::Lease;
use super::super::replies::Replies;
use super::dispatch::Dispatch;
use super::node_lease::NodeLease;
use crate::upstream::{ClusterNode, Failure, Introduction, Lost, Opening, Subscriptions, Ticket, withdrawn};

impl<R: Replies> Dispatch<'_, R> {
    /// An exclusive connection of the session is over.
    pub(super) fn lease_ended(&mut self, lost: Lost) {
        let id = self.flow.id;
        match lost {
            Lost::Nothing => self.replies.wake(id),
            Lost::Subscriptions(subscriptions) => self.subscribe_again(subscriptions),
            Lost::More => {
                tracing::warn!(
                    session = %id,
                    "closing session: lost its connection to the node, and what the node would have pushed \
                     (MONITOR, client tracking) cannot be restored"
                );
                self.end(Failure::NotSent);
            }
        }
    }

    /// A frame has come by itself. Returns whether it is not for the client: its server has ended a
    /// subscription, because it does not serve the slot of the channel any more.
    pub(super) fn is_withdrawn(&mut self, frame: &[u8]) -> bool {
        let Some(channel) = withdrawn(frame) else { return false };
        self.subscribe_again(Subscriptions::of_shard(channel));
        true
    }

    /// The node has answered that it was asked to subscribe the session again.
    pub(super) fn own_answered(&mut self, ticket: &Ticket, failed: bool) {
        let asked = &mut self.route.subscriptions.asked;
        let Some(at) = asked.iter().position(|asked| asked.sequence == ticket.sequence) else { return };
        let channels = asked.swap_remove(at).channels;
        if failed {
            self.subscribe_again(channels);
        } else {
            self.replies.wake(ticket.session);
        }
    }

    fn subscribe_again(&mut self, subscriptions: Subscriptions) {
        self.route.subscriptions.lost.add(subscriptions);
        self.cluster.refresh(None);
        self.replies.resubscribe_later(self.flow.id);
        self.replies.wake(self.flow.id);
    }

    /// Subscribes the session again to what it has lost.
    pub(super) fn resubscribe(&mut self) {
        let id = self.flow.id;
        match self.try_subscribing() {
            Ok(true) => {}
            Ok(false) => {
                self.cluster.refresh(None);
                self.replies.resubscribe_later(id);
            }
            Err(failure) => {
                tracing::warn!(session = %id, "a subscriber is closed: no private connection is free to subscribe it again");
                return self.end(failure);
            }
        }
        self.replies.wake(id);
    }

    /// Returns whether nothing is left to do.
    fn try_subscribing(&mut self) -> Result<bool, Failure> {
        let (id, now) = (self.flow.id, self.replies.now());
        let Some(view) = self.cluster.view() else { return Ok(self.route.subscriptions.lost.is_empty()) };
        if self.route.follow(&view, &self.flow.identity()) {
            // What is under way may be elsewhere by this map.
            self.flow.hold_behind(self.replies.progress(id).issued);
        }
        for (node, subscriptions) in self.route.lost_by_node() {
            let Some(node) = view.nodes().get(usize::from(node)) else { continue };
            let here =
                |lease: &&NodeLease| Rc::ptr_eq(&lease.node, node) && lease.lease.connection.borrow().is_engaged();
            if let Some(connection) = self.route.leases.iter().find(here).map(|lease| lease.lease.connection.clone()) {
                self.route.subscriptions.ask(id, &connection, subscriptions, now);
                continue;
            }
            let lease = self.lend_again(node, subscriptions).ok_or(Failure::NoConnection)?;
            self.route.keep(lease);
        }
        Ok(self.route.subscriptions.lost.is_empty())
    }

    fn lend_again(&self, node: &Rc<ClusterNode>, subscriptions: Subscriptions) -> Option<NodeLease> {
        let state = self.flow.state.borrow();
        let of = Introduction {
            session: self.flow.id,
            identity: &state.identity,
            profile: &state.profile,
            ids: &self.flow.client.servers,
            ignore_handshake_errors: false,
            opening: Opening::Request,
        };
        let connection = node.connections.try_lend(of, Some(subscriptions))?;
        Some(NodeLease { node: node.clone(), lease: Box::new(Lease::new(connection, false, &state)) })
    }
}
