//! Subscriptions in a cluster: channels of shards where their slots are served, all others at one node.
//!
//! A session may be subscribed at several nodes, each by a connection of its own, and is told of one list of subscriptions. When a slot is
//! served elsewhere its old node ends the subscriptions to its channels; when a node dies, so do all that it had. Either is for the proxy to
//! mend: what is lost is subscribed to again where it is served now, and the client is told nothing. Until that is done, what else it asks
//! about subscriptions waits.

use std::rc::Rc;

use bytes::Bytes;

use super::super::need::ConnectionNeed;
use super::super::change::{StateChange, SessionState};
use super::super::deliver::Delivery;
use super::super::lease::Lease;
use super::super::session::{QueuedRequest, Route};
use super::super::sink::Sink;
use super::{ClusterRoute, NodeLease};
use crate::cluster::{Slot, Target};
use crate::ids::{MessageId, Sequence, SessionId, TrailId};
use crate::resp::{Protocol, reply};
use crate::upstream::ClusterNode;
use crate::upstream::{
    Cluster, Connection, ConnectionRef, Failure, Introduction, Lost, Opening, Phase, Subscriptions, Ticket, recounted,
    withdrawn,
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

    /// Whether a connection has been asked for more.
    pub(super) fn is_asked(&self, connection: &ConnectionRef) -> bool {
        self.asked.iter().any(|asked| Rc::ptr_eq(&asked.connection, connection))
    }
}

impl ClusterRoute {
    /// Whether the session is subscribed to anything, or will be again.
    pub(super) fn is_listening(&self) -> bool {
        self.listening.is_broken() || self.leases().any(|lease| lease.connection.borrow().is_engaged())
    }

    /// Whether a request is about subscriptions while some are being made again.
    pub(super) fn must_listen_first(&self, held: &QueuedRequest, protocol: Protocol) -> bool {
        let about = held.info.need == ConnectionNeed::Listen || protocol == Protocol::Resp2;
        about && self.listening.is_broken() && !matches!(held.info.change, Some(StateChange::Reset))
    }

    /// The connection that a request about subscriptions is for, among those that are subscribed. `node`: that of its channels.
    pub(super) fn listener(&self, held: &QueuedRequest, node: Option<&ClusterNode>) -> Option<usize> {
        let engaged = |lease: &NodeLease| lease.lease.connection.borrow().is_engaged();
        let of_no_shard = |lease: &NodeLease| lease.lease.connection.borrow().channels_of_no_shard() > 0;
        if let Target::To(_) = held.info.target {
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
        self.listening.confirming =
            (of_shards + of_no_shard > 0).then_some(Confirming { sequence, of_shards, of_no_shard });
    }

    /// The confirmations of a request, with the numbers that the client expects; `None`: as they are.
    pub(in super::super) fn recount(&self, ticket: &Ticket, replies: &[u8]) -> Option<Bytes> {
        let confirming = self.listening.confirming.filter(|confirming| confirming.sequence == ticket.sequence)?;
        let more = |shard: bool| if shard { confirming.of_shards } else { confirming.of_no_shard };
        recounted(replies, more).map(Bytes::from)
    }
}

impl Delivery<'_> {
    /// A private connection of a session in a cluster is over.
    pub(in super::super) fn tenure_ended(&mut self, id: SessionId, lost: Lost) {
        match lost {
            Lost::Nothing => self.sessions.note(id),
            Lost::Subscriptions(subscriptions) => self.subscribe_again(id, subscriptions),
            Lost::More => {
                tracing::warn!(session = %id, "closed: what its server sent it unasked cannot be had from another one");
                self.end(id, Failure::NotSent);
            }
        }
    }

    /// A frame has come by itself. Returns whether it is not for the client: its server has ended a subscription, because it does not
    /// serve the slot of the channel any more.
    pub(in super::super) fn is_withdrawn(&mut self, id: SessionId, frame: &[u8]) -> bool {
        let Some(channel) = withdrawn(frame) else { return false };
        self.subscribe_again(id, Subscriptions::of_shard(channel));
        true
    }

    /// The node has answered that it was asked to subscribe a session again.
    pub(super) fn own_answered(&mut self, ticket: &Ticket, failed: bool) {
        let Some(session) = self.sessions.get(ticket.session) else { return };
        let Route::Cluster(route) = &mut session.route else { return };
        let asked = &mut route.listening.asked;
        let Some(at) = asked.iter().position(|asked| asked.sequence == ticket.sequence) else { return };
        let channels = asked.swap_remove(at).channels;
        if failed {
            self.subscribe_again(ticket.session, channels);
        } else {
            self.sessions.note(ticket.session);
        }
    }

    fn subscribe_again(&mut self, id: SessionId, subscriptions: Subscriptions) {
        let Some(session) = self.sessions.get(id) else { return };
        let sink = self.sources[session.source].sink.clone();
        let (Sink::Cluster(cluster), Route::Cluster(route)) = (&*sink, &mut session.route) else { return };
        route.listening.lost.add(subscriptions);
        cluster.refresh(None);
        self.sessions.resubscribe_later(id);
        self.sessions.note(id);
    }
}

/// Subscribe a session again to what it has lost.
pub(in super::super) fn resubscribe(id: SessionId, cluster: &Cluster, delivery: &mut Delivery<'_>) {
    match try_again(id, cluster, delivery) {
        Ok(true) => {}
        Ok(false) => {
            cluster.refresh(None);
            delivery.sessions.resubscribe_later(id);
        }
        Err(failure) => {
            tracing::warn!(session = %id, "a subscriber is closed: no private connection is free to subscribe it again");
            return delivery.end(id, failure);
        }
    }
    delivery.sessions.note(id);
}

/// Returns whether nothing is left to do.
fn try_again(id: SessionId, cluster: &Cluster, delivery: &mut Delivery<'_>) -> Result<bool, Failure> {
    let now = delivery.now;
    let Some(session) = delivery.sessions.get(id) else { return Ok(true) };
    let Route::Cluster(route) = &mut session.route else { return Ok(true) };
    let Some(view) = cluster.view() else { return Ok(route.listening.lost.is_empty()) };
    if route.follow(&view, &session.state.identity) {
        // What is under target may be elsewhere by this map.
        session.barrier = session.barrier.max(session.order.issued());
    }
    let mut at_nodes: Vec<(u16, Subscriptions)> = Vec::new();
    for (slot, part) in std::mem::take(&mut route.listening.lost).by_slot() {
        match route.node_of_channels(slot) {
            None => route.listening.lost.add(part),
            Some(node) => match at_nodes.iter_mut().find(|(other, _)| *other == node) {
                Some((_, known)) => known.add(part),
                None => at_nodes.push((node, part)),
            },
        }
    }
    for (node, subscriptions) in at_nodes {
        let Some(node) = view.nodes().get(usize::from(node)) else { continue };
        let here = |lease: &&NodeLease| Rc::ptr_eq(&lease.node, node) && lease.lease.connection.borrow().is_engaged();
        if let Some(connection) = route.leases.iter().find(here).map(|lease| lease.lease.connection.clone()) {
            route.listening.ask(id, &connection, subscriptions, now);
            continue;
        }
        let lent = lend_again(id, &session.state, node, subscriptions).ok_or(Failure::NoConnection)?;
        let lease = Box::new(Lease::new(lent, false, &session.state));
        route.leases.push(NodeLease { node: node.clone(), lease });
    }
    Ok(route.listening.lost.is_empty())
}

impl ClusterRoute {
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
    fn ask(&mut self, id: SessionId, connection: &ConnectionRef, channels: Subscriptions, now: std::time::Instant) {
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

fn lend_again(
    session: SessionId,
    state: &SessionState,
    node: &ClusterNode,
    subscriptions: Subscriptions,
) -> Option<ConnectionRef> {
    let (identity, profile) = (&*state.identity, &state.profile);
    let of = Introduction { session, identity, profile, whatever: false, opening: Opening::Request };
    node.connections.try_lend(of, Some(subscriptions))
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
