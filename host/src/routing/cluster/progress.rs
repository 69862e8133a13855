//! What a route in a cluster knows of the requests that are under way.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use sluice_commands::{CommandId, ConnectionNeed, Flags};

use super::super::request::QueuedRequest;
use super::super::session_state::StateChange;
use super::fan_out::{Merged, Place};
use super::node_lease::{LeaseFor, NodeLease};
use super::retry::Retry;
use super::route::ClusterRoute;
use super::subscriptions::Confirming;
use crate::cluster::{Slot, Target};
use crate::ids::{PathId, Sequence, SessionId};
use crate::resp::Protocol;
use crate::upstream::{ClusterNode, Connection, Failure, NodeView, Phase, Subscriptions, Ticket, recounted};

impl ClusterRoute {
    /// The node for a request to the slots of a primary.
    #[inline]
    pub(in super::super) fn node_for(
        &mut self,
        view: &NodeView,
        primary: u16,
        command: CommandId,
        id: SessionId,
    ) -> u16 {
        if view.reads_elsewhere() && only_reads(command) { self.read_from(view, primary, id) } else { primary }
    }

    /// Whether a request of several keys is under way to a slot of this one. It may have to be
    /// retried, though this one need not.
    pub(super) fn must_wait(&self, request: &QueuedRequest, head: Sequence) -> bool {
        let before = head..request.ticket.sequence;
        let mut in_flight = self.divided.iter().filter(|(_, sequence)| before.contains(sequence)).map(|(slot, _)| slot);
        match &request.info.target {
            Target::To(slot) => in_flight.any(|divided| divided == slot),
            Target::Parts(parts) if !self.divided.is_empty() => {
                let slots: HashSet<Slot> = parts.iter().map(|part| part.slot).collect();
                in_flight.any(|divided| slots.contains(divided))
            }
            _ => false,
        }
    }

    /// The node that a request goes to; `None`: no node serves its slot.
    pub(super) fn node_of(&self, request: &QueuedRequest, view: &NodeView, id: SessionId) -> Option<u16> {
        let redirected = request.retry.as_ref().and_then(|retry| retry.to.as_deref()).and_then(|to| view.at(to));
        redirected.or_else(|| match request.info.target {
            Target::To(slot) => view.owner(slot),
            _ => self.node_of_part(&request.ticket, view).or_else(|| {
                // A session keeps to one node while that works, so that what has no keys stays in
                // order too.
                let pauses = request.retry.as_ref().map_or(0, |retry| retry.pauses as usize);
                let primaries = view.primaries();
                primaries.get((id.place() + pauses) % primaries.len().max(1)).copied()
            }),
        })
    }
}

impl ClusterRoute {
    /// What has come of this request so far.
    pub(super) fn retry_of(&mut self, ticket: &Ticket, now: Instant) -> Retry {
        self.retries.remove(&(ticket.sequence, ticket.part)).unwrap_or_else(|| Retry::new(ticket, now))
    }

    /// Whether a request is not to be retried yet. What a node could not execute may be refused
    /// again, while what comes behind it is executed: from the first of those on, they go one by
    /// one.
    pub(super) fn waits(&self, retry: &Retry, head: Sequence, now: Instant) -> bool {
        let of = retry.of.0;
        let one_by_one = || retry.pauses > 0 || self.retries.range(..(of, 0)).any(|(_, other)| other.pauses > 0);
        retry.due > now || (head < of && one_by_one())
    }

    /// A request is in flight, perhaps not for the first time.
    pub(super) fn retried(&mut self, retry: Option<Box<Retry>>) {
        self.retries.extend(retry.map(|retry| (retry.of, *retry)));
    }

    /// A reply has come. Returns whether no request waits for it: the request was answered before,
    /// or is sent again with its transaction. `head`: the first request that is not answered.
    pub(super) fn is_past(&mut self, ticket: &Ticket, head: Sequence) -> bool {
        if ticket.sequence < head || self.transaction.as_ref().is_some_and(|own| own.is_moving() && own.has(ticket)) {
            return true;
        }
        if !self.retries.is_empty() {
            let answered = ticket.sequence..ticket.sequence + u64::from(ticket.count);
            answered.for_each(|sequence| drop(self.retries.remove(&(sequence, ticket.part))));
        }
        false
    }

    /// A request has failed. Returns whether that makes its transaction move, of which nothing was
    /// executed.
    pub(super) fn will_move(&mut self, ticket: &Ticket, failure: Failure) -> bool {
        let own = self.transaction.as_mut().filter(|own| own.has(ticket));
        own.is_some_and(|transaction| transaction.failed(failure))
    }
}

impl ClusterRoute {
    /// Where a part of a request goes that was taken apart.
    pub(super) fn target_of_part(&self, ticket: &Ticket) -> Option<Target> {
        Some(self.place_of_part(ticket)?.target())
    }

    /// The node that a part of a request is for, where it is for one node; `None` where that is no
    /// node any more.
    pub(super) fn node_of_part(&self, ticket: &Ticket, view: &NodeView) -> Option<u16> {
        match self.place_of_part(ticket)? {
            Place::Node(address) => view.at(address),
            Place::Slot(_) => None,
        }
    }

    fn place_of_part(&self, ticket: &Ticket) -> Option<&Place> {
        self.fan_outs.get(&ticket.sequence)?.place(ticket.part)
    }

    /// Whether a part of a request is for a node that is none any more.
    pub(super) fn is_gone(&self, ticket: &Ticket, view: &NodeView) -> bool {
        matches!(self.place_of_part(ticket), Some(Place::Node(address)) if view.at(address).is_none())
    }

    /// A part is answered; where its node is none any more, with nothing. Returns the whole request
    /// with its answer, when that was the last one.
    pub(super) fn merge(&mut self, ticket: &Ticket, reply: Bytes) -> Option<Merged> {
        if !self.fan_outs.get_mut(&ticket.sequence)?.takes(ticket.part, reply)? {
            return None;
        }
        Some(self.fan_outs.remove(&ticket.sequence)?.merged(self.view.as_deref()))
    }
}

impl ClusterRoute {
    /// Adds an exclusive connection; returns its position.
    pub(super) fn keep(&mut self, lease: NodeLease) -> usize {
        self.leases.push(lease);
        self.leases.len() - 1
    }

    /// Whether the session keeps a connection for good to the node that a request goes to: what it
    /// did there may matter to every request.
    pub(super) fn keeps_connection_for(&self, request: &QueuedRequest, id: SessionId) -> bool {
        let kept = |lease: &NodeLease| lease.lease.is_pinned();
        let whole = request.ticket.part == 0 && matches!(request.info.target, Target::To(_) | Target::Anywhere);
        whole && self.leases.iter().any(kept) && {
            let node = self.view.as_ref().and_then(|view| self.lease_for(LeaseFor::Any, request, view, id));
            node.and_then(|at| self.leases.get(at)).is_some_and(kept)
        }
    }

    /// A request that begins or ends a watch is sent.
    pub(super) fn note_watch(&mut self, need: ConnectionNeed, target: &Target) {
        match need {
            ConnectionNeed::Exec | ConnectionNeed::Discard | ConnectionNeed::Unwatch => {
                (self.unwatched, self.watched) = (false, None);
            }
            ConnectionNeed::Watch => self.watched = if let Target::To(slot) = target { Some(*slot) } else { None },
            _ => {}
        }
    }

    /// Whether a server watches keys for the session, or has lost them.
    pub(super) fn is_watching(&self) -> bool {
        self.leases.iter().any(|lease| lease.lease.is_watching())
    }

    /// The exclusive connection that a request is for, if there is one.
    pub(super) fn lease_for(
        &self,
        place: LeaseFor,
        request: &QueuedRequest,
        view: &NodeView,
        id: SessionId,
    ) -> Option<usize> {
        let target = || self.node_of(request, view, id).and_then(|node| view.nodes().get(usize::from(node)));
        let redirected = request.retry.as_ref().is_some_and(|retry| retry.to.is_some());
        match place {
            LeaseFor::Watching => self.leases.iter().position(|lease| lease.lease.is_watching()),
            LeaseFor::Listening => self.listener(request, target().map(|node| &**node)),
            LeaseFor::Any if redirected => None,
            LeaseFor::Any => self.lease_at(target()?),
        }
    }

    /// An exclusive connection to this node that is free for any request.
    pub(super) fn lease_at(&self, node: &Rc<ClusterNode>) -> Option<usize> {
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

    /// Gives up all exclusive connections but this one, which becomes the first.
    pub(super) fn forget_all_but(&mut self, at: usize) -> Vec<PathId> {
        self.leases.swap(0, at);
        (self.unwatched, self.watched) = (false, None);
        self.subscriptions.forget();
        self.leases.drain(1..).flat_map(|lease| lease.lease.give_back()).collect()
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

impl ClusterRoute {
    /// What is subscribed to again, by the node that serves it; what no node serves stays lost.
    pub(super) fn lost_by_node(&mut self) -> Vec<(u16, Subscriptions)> {
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

/// Whether a command may be executed by a replica.
fn only_reads(command: CommandId) -> bool {
    command.get().is_some_and(|command| command.flags().contains(Flags::READONLY))
}
