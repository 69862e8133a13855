//! Subscriptions in a cluster: channels of shards where their slots are served, all others at one
//! node.
//!
//! A session may be subscribed at several nodes, each by a connection of its own, and is told of one
//! list of subscriptions. When a slot is served elsewhere its old node ends the subscriptions to its
//! channels; when a node dies, all that it had end too. The proxy mends both: it subscribes again
//! where the channels are served now, and tells the client nothing. Until that is done, other
//! requests about subscriptions wait.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use sluice_commands::ConnectionNeed;

use super::super::Replies;
use super::super::answers::Answers;
use super::super::lease::Lease;
use super::super::request::QueuedRequest;
use super::super::session_state::StateChange;
use super::dispatch::Dispatch;
use super::{ClusterRoute, NodeLease};
use crate::cluster::{Slot, Target};
use crate::ids::{MessageId, Sequence, SessionId, TrailId};
use crate::resp::{Protocol, reply};
use crate::upstream::{
    ClusterNode, Connection, ConnectionRef, Failure, Introduction, Lost, Opening, Phase, Subscriptions, Ticket,
    recounted, withdrawn,
};

/// The part of a request that stands for one of the proxy's own, by which it subscribes a session again. No request has so many.
pub(super) const OWN: u16 = u16::MAX;

/// Where the numbers of such requests begin: no session comes so far.
const OWN_FROM: Sequence = 1 << 62;

/// The subscriptions of a session, beside what its connections know of them.
#[derive(Debug, Default)]
pub(super) struct SubscriptionState {
    /// What is to be subscribed to again.
    lost: Subscriptions,
    /// What connections that are subscribed already have been asked for besides.
    asked: Vec<Asked>,
    /// How many times.
    count: Sequence,
    /// How the confirmations of the request that is being answered are to be counted.
    confirming: Option<Confirming>,
}

#[derive(Debug)]
struct Asked {
    sequence: Sequence,
    connection: ConnectionRef,
    channels: Subscriptions,
}

#[derive(Clone, Copy, Debug)]
struct Confirming {
    sequence: Sequence,
    /// How many subscriptions other connections have.
    of_shards: usize,
    of_no_shard: usize,
}

impl SubscriptionState {
    /// Whether subscriptions are being made again.
    pub(super) fn is_broken(&self) -> bool {
        !self.lost.is_empty() || !self.asked.is_empty()
    }

    /// RESET: there are none any more.
    pub(super) fn forget(&mut self) {
        (self.lost, self.confirming) = (Subscriptions::default(), None);
        self.asked.clear();
    }

    /// Whether the confirmations of a request are counted anew.
    pub(super) fn is_confirming(&self) -> bool {
        self.confirming.is_some()
    }

    /// Whether a connection has been asked for more.
    pub(super) fn is_asked(&self, connection: &ConnectionRef) -> bool {
        self.asked.iter().any(|asked| Rc::ptr_eq(&asked.connection, connection))
    }
}

impl ClusterRoute {
    /// Whether the session is subscribed to anything, or will be again.
    pub(super) fn is_listening(&self) -> bool {
        self.subscriptions.is_broken() || self.leases().any(|lease| lease.connection.borrow().is_engaged())
    }

    /// Whether a request is about subscriptions while some are being made again.
    pub(super) fn must_subscribe_first(&self, request: &QueuedRequest, protocol: Protocol) -> bool {
        let about = request.info.need == ConnectionNeed::Listen || protocol == Protocol::Resp2;
        about && self.subscriptions.is_broken() && !matches!(request.info.change, Some(StateChange::Reset))
    }

    /// The connection that a request about subscriptions is for, among those that are subscribed. `node`: that of its channels.
    pub(super) fn listener(&self, request: &QueuedRequest, node: Option<&ClusterNode>) -> Option<usize> {
        let engaged = |lease: &NodeLease| lease.lease.connection.borrow().is_engaged();
        let of_no_shard = |lease: &NodeLease| lease.lease.connection.borrow().channels_of_no_shard() > 0;
        if let Target::To(_) = request.info.target {
            // Channels of a shard are where their slot is.
            let there = |lease: &NodeLease| node.is_some_and(|node| std::ptr::eq(node, &*lease.node));
            return self.leases.iter().position(|lease| engaged(lease) && there(lease));
        }
        // All others are together.
        self.leases.iter().position(of_no_shard).or_else(|| self.leases.iter().position(engaged))
    }

    /// The nodes where a session is subscribed to channels of shards.
    pub(super) fn listeners_of_shards(&self) -> Vec<usize> {
        let of_shards = |at: &usize| self.leases[*at].lease.connection.borrow().channels_of_shards() > 0;
        (0..self.leases.len()).filter(of_shards).collect()
    }

    /// A request about subscriptions is sent on one of the private connections: its confirmations are to count those of the others too.
    pub(super) fn will_confirm(&mut self, sequence: Sequence, at: usize) {
        let others = || self.leases.iter().enumerate().filter(|(place, _)| *place != at);
        let count =
            |of: fn(&Connection) -> usize| others().map(|(_, lease)| of(&lease.lease.connection.borrow())).sum();
        let of_shards = count(Connection::channels_of_shards);
        let of_no_shard = count(Connection::channels_of_no_shard);
        self.subscriptions.confirming =
            (of_shards + of_no_shard > 0).then_some(Confirming { sequence, of_shards, of_no_shard });
    }

    /// The confirmations of a request, with the numbers that the client expects; `None`: as they are.
    pub(super) fn recount(&self, ticket: &Ticket, replies: &[u8]) -> Option<Bytes> {
        let confirming = self.subscriptions.confirming.filter(|confirming| confirming.sequence == ticket.sequence)?;
        let more = |shard: bool| if shard { confirming.of_shards } else { confirming.of_no_shard };
        recounted(replies, more).map(Bytes::from)
    }
}

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
            whatever: false,
            opening: Opening::Request,
        };
        let connection = node.connections.try_lend(of, Some(subscriptions))?;
        Some(NodeLease { node: node.clone(), lease: Box::new(Lease::new(connection, false, &state)) })
    }
}

impl ClusterRoute {
    /// What is subscribed to again, by the node that serves it; what no node serves stays lost.
    fn lost_by_node(&mut self) -> Vec<(u16, Subscriptions)> {
        let mut at_nodes: Vec<(u16, Subscriptions)> = Vec::new();
        for (slot, part) in std::mem::take(&mut self.subscriptions.lost).by_slot() {
            match self.node_of_channels(slot) {
                None => self.subscriptions.lost.add(part),
                Some(node) => match at_nodes.iter_mut().find(|(other, _)| *other == node) {
                    Some((_, known)) => known.add(part),
                    None => at_nodes.push((node, part)),
                },
            }
        }
        at_nodes
    }

    /// Where to subscribe to the channels of a slot, or to those of none; `None`: nowhere at the moment.
    fn node_of_channels(&mut self, slot: Option<Slot>) -> Option<u16> {
        let view = self.view.clone()?;
        let mut works = |node: &u16| self.link(*node).is_some_and(|link| link.borrow().phase() == Phase::Ready);
        match slot {
            Some(slot) => view.owner(slot).filter(|node| works(node)),
            // Any node will do that works.
            None => view.primaries().iter().copied().find(|node| works(node)),
        }
    }
}

impl SubscriptionState {
    /// Have a connection that is subscribed already subscribed to more.
    fn ask(&mut self, id: SessionId, connection: &ConnectionRef, channels: Subscriptions, now: Instant) {
        for (_, part) in channels.by_slot() {
            for (request, expect) in part.requests() {
                self.count += 1;
                let sequence = OWN_FROM + self.count;
                let (trail, message) = (TrailId::NONE, MessageId(0));
                let ticket = Ticket { session: id, sequence, id: message, count: 1, trail, since: now, part: OWN };
                if connection.borrow_mut().send_bytes(ticket, request.into(), expect, now).is_ok() {
                    self.asked.push(Asked { sequence, connection: connection.clone(), channels: part.clone() });
                } else {
                    self.lost.add(part.clone());
                }
            }
        }
    }
}

/// The confirmations that several nodes have given, one behind the other, counted as if one node had.
pub(super) fn confirmations(replies: &[&[u8]]) -> Vec<u8> {
    let sound: Vec<&[u8]> = replies.iter().copied().filter(|reply| !reply::is_error(reply)).collect();
    let Some(first) = replies.first().filter(|_| sound.is_empty()) else {
        let mut left = sound.iter().map(|reply| frames(reply)).sum::<usize>();
        let told = sound.into_iter().filter_map(|reply| {
            // Each node counts its own only.
            left -= frames(reply);
            recounted(reply, |_| left)
        });
        return told.flatten().collect();
    };
    first.to_vec()
}

/// How many frames lie one behind the other.
fn frames(mut bytes: &[u8]) -> usize {
    let next = || {
        let len = reply::frame_length(bytes).ok().flatten().filter(|len| *len > 0)?;
        bytes = bytes.get(len..)?;
        Some(())
    };
    std::iter::from_fn(next).count()
}
