//! A request on its target: to the node of its keys, or to wait.

use std::collections::HashSet;
use std::rc::Rc;

use bytes::Bytes;
use sluice_commands::{CommandId, Flags};

use super::super::need::ConnectionNeed;
use super::super::change::StateChange;
use super::super::deliver::Delivery;
use super::super::passage::expectation;
use super::super::session::{RequestInfo, QueuedRequest, Route, Session};
use super::lease::{self, Where};
use super::own::{self, Own};
use super::retry::{Retry, Verdict, unreachable};
use super::{ClusterRoute, parts, transaction};
use crate::chain::vector::{Arguments, lookup};
use crate::chain::{Answer, Frame, Kind};
use crate::cluster::{Slot, Target};
use crate::ids::{Sequence, SessionId};
use crate::resp::Protocol;
use crate::upstream::{Cause, Cluster, Expect, Failure, Receiver, Subscription, Ticket, requests};
use crate::upstream::{ClusterNode, NodeView};

impl Session {
    /// Whether a request of this session may go straight to the node of its key, with this map: nothing is in its target.
    #[inline]
    pub(in super::super) fn goes_straight(&self, view: &Rc<NodeView>) -> bool {
        match &self.route {
            Route::Cluster(route) => {
                self.held.is_empty()
                    && !self.queued
                    && !self.dismissed
                    && self.order.head() >= self.barrier
                    && route.leases.is_empty()
                    && route.divided.is_empty()
                    && route.transaction.is_none()
                    && route.view.as_ref().is_some_and(|known| Rc::ptr_eq(known, view))
                    && Rc::ptr_eq(&route.identity, &self.state.identity)
            }
            _ => false,
        }
    }
}

/// Send a request that has just come out of the chain.
pub(in super::super) fn send(
    cluster: &Cluster,
    ticket: Ticket,
    frame: Frame,
    arena: &[u8],
    info: RequestInfo,
    delivery: &mut Delivery<'_>,
) {
    let Some(session) = delivery.sessions.get(ticket.session) else { return };
    let head = session.order.head();
    if let Route::Cluster(route) = &mut session.route
        && !route.divided.is_empty()
    {
        route.divided.retain(|(_, sequence)| *sequence >= head);
    }
    if info.need == ConnectionNeed::Shared
        && !info.several
        && let Target::To(slot) = info.target
        && let Frame::Arena(range) = &frame
        && let Some(view) = cluster.view()
        && let Some(owner) = view.owner(slot)
        && session.goes_straight(&view)
        && let Route::Cluster(route) = &mut session.route
        && let node = route.node_for(&view, owner, info.command, ticket.session)
        && let Some(link) = route.link(node)
    {
        // Whatever fails here fails in the same target below.
        let bytes = arena.get(range.clone()).unwrap_or_default();
        if link.borrow_mut().send(ticket, bytes, info.expect, delivery.now).is_ok() {
            return;
        }
    }
    session.held.push_back(QueuedRequest::new(ticket, frame, arena, info));
    pass(ticket.session, cluster, delivery, None);
}

/// Requests could not be sent: they are tried again.
pub(in super::super) fn not_sent(
    cluster: &Cluster,
    mut ticket: Ticket,
    bytes: &[u8],
    failure: Failure,
    delivery: &mut Delivery<'_>,
) {
    if failure != Failure::NotSent {
        return delivery.failed(&ticket, failure);
    }
    cluster.refresh(None);
    for request in requests(&Bytes::copy_from_slice(bytes)) {
        delivery.sent_back(&ticket.split(1), request, Cause::NotSent);
    }
}

/// Let the requests of a session that wait go on, as far as they can. `granted`: the session is the first of those that wait for a private
/// connection to this node.
pub(in super::super) fn pass(
    id: SessionId,
    cluster: &Cluster,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) {
    loop {
        if !lease::look_after(id, delivery) || !transaction::replay(id, cluster, delivery, granted) {
            return;
        }
        let Some(session) = delivery.sessions.get(id) else { return };
        let Some(held) = session.held.pop_front() else { break };
        if let Some(held) = go(id, cluster, held, delivery, granted) {
            if let Some(session) = delivery.sessions.get(id) {
                session.held.push_front(held);
            }
            break;
        }
        delivery.sessions.note(id);
    }
    lease::give_back(id, delivery);
}

/// Send a request; returned is one that has to wait.
pub(super) fn go(
    id: SessionId,
    cluster: &Cluster,
    mut held: QueuedRequest,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<QueuedRequest> {
    let now = delivery.now;
    let session = delivery.sessions.get(id)?;
    let head = session.order.head();
    // What had been issued before the barrier rose, but not sent, is below it: it waits for what was issued before itself.
    let barrier = session.barrier.min(held.ticket.sequence);
    let Route::Cluster(route) = &mut session.route else { return None };
    let waits = held.retry.as_ref().map_or(head < barrier, |retry| route.waits(retry, head, now));
    if session.queued || waits {
        if let Some(retry) = held.retry.as_ref().filter(|retry| retry.due > now) {
            route.wake_at(retry.due, cluster, id, now);
        }
        return Some(held);
    }
    let Some(view) = cluster.view() else {
        cluster.refresh(None);
        return transaction::before_map(id, cluster, held, delivery, granted);
    };
    held.look_up(&view, cluster);
    let Route::Cluster(route) = &mut session.route else { return None };
    if route.follow(&view, &session.state.identity) && held.retry.is_none() {
        // What is under target may be elsewhere by this map.
        session.barrier = session.barrier.max(held.ticket.sequence);
        if head < held.ticket.sequence {
            return Some(held);
        }
    }
    if held.retry.is_none() && route.must_wait(&held, head) {
        return Some(held);
    }
    if route.transaction.is_some() {
        return transaction::go(id, cluster, Some(&view), held, delivery, granted);
    }
    match own::answer(session, &held) {
        Some(Own::Reply(frame)) => {
            delivery.answer(&held.ticket, &Answer { frame, foreign: false }, Kind::Single);
            return None;
        }
        Some(Own::To(slot)) => held.info.target = Target::To(slot),
        None => {}
    }
    let Route::Cluster(route) = &mut session.route else { return None };
    if route.must_listen_first(&held, session.protocol) {
        return later(cluster, held, delivery);
    }
    let modal = session.protocol == Protocol::Resp2 && route.is_listening();
    if modal && let Some(frame) = own::out_of_mode(&held.info) {
        delivery.answer(&held.ticket, &Answer { frame: frame.into(), foreign: false }, Kind::Single);
        return None;
    }
    match held.info.need {
        // A subscriber may say little; the server knows what.
        _ if modal && !is_from_all_shards(&held) => {
            lease::go(id, cluster, &view, held, Where::SubscriptionState, delivery, granted)
        }
        ConnectionNeed::Multi => transaction::begin(id, cluster, &view, held, delivery, granted),
        ConnectionNeed::Exec | ConnectionNeed::Discard | ConnectionNeed::Unwatch if route.is_watching() => {
            lease::go(id, cluster, &view, held, Where::Watching, delivery, granted)
        }
        ConnectionNeed::Watch
            if route.is_watching() && held.info.target != route.watched.map_or(Target::Anywhere, Target::To) =>
        {
            let cross_slot = Answer { frame: Bytes::from_static(transaction::CROSS_SLOT), foreign: false };
            delivery.answer(&held.ticket, &cross_slot, Kind::Single);
            None
        }
        ConnectionNeed::Listen if is_from_all_shards(&held) && !route.listeners_of_shards().is_empty() => {
            parts::send_to_each(id, cluster, &view, held, delivery, granted)
        }
        ConnectionNeed::Blocking | ConnectionNeed::Urgent if matches!(held.info.target, Target::Primaries | Target::Nodes) => {
            parts::send_to_each(id, cluster, &view, held, delivery, granted)
        }
        need if need.needs_private() && !goes_to_all(&held) => {
            let place = lease::place(&held);
            lease::go(id, cluster, &view, held, place, delivery, granted)
        }
        need => {
            if matches!(need, ConnectionNeed::Exec | ConnectionNeed::Discard | ConnectionNeed::Unwatch) {
                route.unwatched = false;
            }
            share(id, cluster, &view, held, delivery)
        }
    }
}

impl QueuedRequest {
    /// Find out what there is to know of a request whose command is not in the table.
    fn look_up(&mut self, view: &NodeView, cluster: &Cluster) {
        if self.info.command != CommandId::UNKNOWN || self.info.target != Target::Anywhere {
            return;
        }
        let mut spans = Vec::new();
        let arguments = Arguments::of(&self.frame, &mut spans);
        let Some(learned) = arguments.get(0).and_then(|name| view.learned(name)) else { return cluster.is_strange() };
        self.info.target = learned.target(&arguments);
        if learned.blocks {
            (self.info.need, self.info.expect) = (ConnectionNeed::Blocking, Expect::Eventually);
        }
    }
}

/// Send a request on the connections that sessions share; returned is one that has to wait.
pub(super) fn share(
    id: SessionId,
    cluster: &Cluster,
    view: &Rc<NodeView>,
    held: QueuedRequest,
    delivery: &mut Delivery<'_>,
) -> Option<QueuedRequest> {
    if held.ticket.part == 0 {
        match &held.info.target {
            Target::Parts(_) | Target::Primaries | Target::Nodes | Target::Scan | Target::RandomKey => {
                parts::take_apart(id, cluster, view, held, delivery);
                return None;
            }
            Target::Anywhere if own::is_retold(held.info.command) => {
                parts::take_apart(id, cluster, view, held, delivery);
                return None;
            }
            Target::To(_) | Target::Apart | Target::Anywhere | Target::Incomplete | Target::Refused => {}
        }
    }
    let session = delivery.sessions.get(id)?;
    let Route::Cluster(route) = &mut session.route else { return None };
    if held.ticket.part > 0 && route.is_gone(&held.ticket, view) {
        delivery.part_answered(&held.ticket, Bytes::new());
        return None;
    }
    let Some(mut node) = route.target(&held, view, id) else {
        cluster.refresh(None);
        return later(cluster, held, delivery);
    };
    // A second attempt goes to the primary.
    if held.retry.is_none() && matches!(held.info.target, Target::To(_)) {
        node = route.node_for(view, node, held.info.command, id);
    }
    let asking = held.retry.as_ref().is_some_and(|retry| retry.asks(view));
    let link = route.link(node)?;
    let mut link = link.borrow_mut();
    let sent = if asking {
        let own = Ticket { session: SessionId::NOBODY, trail: crate::ids::TrailId::NONE, ..held.ticket };
        link.send(own, b"*1\r\n$6\r\nASKING\r\n", Expect::One, delivery.now)
    } else {
        Ok(())
    };
    match sent.and_then(|()| link.send_bytes(held.ticket, held.frame.clone(), held.info.expect, delivery.now)) {
        Ok(()) => {
            drop(link);
            if let Target::To(slot) = held.info.target
                && held.info.several
            {
                route.divided.push((slot, held.ticket.sequence));
            }
            if let Some(retry) = held.retry {
                route.tried(*retry);
            }
            None
        }
        Err(Failure::NotSent) => {
            drop(link);
            cluster.refresh(None);
            later(cluster, held, delivery)
        }
        Err(failure) => {
            drop(link);
            delivery.failed(&held.ticket, failure);
            None
        }
    }
}

/// A request cannot be sent now: it is tried again in a while, or answered.
pub(super) fn later(cluster: &Cluster, mut held: QueuedRequest, delivery: &mut Delivery<'_>) -> Option<QueuedRequest> {
    let now = delivery.now;
    let otherwise = unreachable(&held.info.target, cluster);
    let retry = held.retry.get_or_insert_with(|| Box::new(Retry::new(&held.ticket, now)));
    match retry.later(otherwise, cluster, now) {
        Verdict::Answer(answer) => {
            if let Some(session) = delivery.sessions.get(held.ticket.session)
                && let Route::Cluster(route) = &mut session.route
                && let Some(transaction) = &mut route.transaction
            {
                transaction.spoil();
            }
            delivery.answer(&held.ticket, &answer, Kind::Single);
        }
        Verdict::Again => {
            retry.to = None;
            if let Some(session) = delivery.sessions.get(held.ticket.session) {
                session.try_again(held, cluster, now);
            }
        }
    }
    None
}

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

    /// Whether a request of several keys is under target to a slot of this one. It may have to be tried again, though this one need not.
    fn must_wait(&self, held: &QueuedRequest, head: Sequence) -> bool {
        let before = head..held.ticket.sequence;
        let mut in_flight = self.divided.iter().filter(|(_, sequence)| before.contains(sequence)).map(|(slot, _)| slot);
        match &held.info.target {
            Target::To(slot) => in_flight.any(|divided| divided == slot),
            Target::Parts(parts) if !self.divided.is_empty() => {
                let slots: HashSet<Slot> = parts.iter().map(|part| part.slot).collect();
                in_flight.any(|divided| slots.contains(divided))
            }
            _ => false,
        }
    }

    /// The node that a request goes to; `None`: nobody serves its slot.
    pub(super) fn target(&self, held: &QueuedRequest, view: &NodeView, id: SessionId) -> Option<u16> {
        let redirected = held.retry.as_ref().and_then(|retry| retry.to.as_deref()).and_then(|to| view.at(to));
        redirected.or_else(|| match held.info.target {
            Target::To(slot) => view.owner(slot),
            _ => self.of_part(&held.ticket, view).or_else(|| {
                // A session keeps to one node while that works, so that what has no keys stays in order too.
                let pauses = held.retry.as_ref().map_or(0, |retry| retry.pauses as usize);
                let primaries = view.primaries();
                primaries.get((id.place() + pauses) % primaries.len().max(1)).copied()
            }),
        })
    }
}

/// Whether a command may be executed by a replica.
fn only_reads(command: CommandId) -> bool {
    command.get().is_some_and(|command| command.flags().contains(Flags::READONLY))
}

/// What is to be known of a request that has come back, of which only the bytes are left.
pub(super) fn info(request: &Bytes, ticket: &Ticket, route: &ClusterRoute) -> RequestInfo {
    let mut spans = Vec::new();
    let arguments = Arguments::of(request, &mut spans);
    let mut info = info_of(lookup(&arguments), &arguments, true);
    if let Some(target) = route.way_of_part(ticket) {
        info.target = target;
    }
    info
}

/// What is to be known of a request. `find`: where in a cluster it goes, too.
pub(in super::super) fn info_of(command: CommandId, arguments: &Arguments<'_>, find: bool) -> RequestInfo {
    let need = ConnectionNeed::of(command).with(arguments);
    let change = if need == ConnectionNeed::Shared { None } else { StateChange::of(command, arguments) };
    let count = sluice_commands::Args::count(arguments);
    let mut keys = Vec::new();
    let target = match Target::straight(command, arguments) {
        _ if !find => Target::Anywhere,
        Some(slot) => Target::To(slot),
        None => Target::of(command, arguments, &mut keys),
    };
    let several = keys.len() > 1;
    RequestInfo { command, need, change, expect: expectation(need, command, count), target, several }
}

/// Whether it ends the subscriptions to all channels of shards, wherever they are.
fn is_from_all_shards(held: &QueuedRequest) -> bool {
    held.info.expect == Expect::AllConfirmations(Subscription::Shard)
}

/// Whether it is said to several nodes, on the connections that sessions share.
fn goes_to_all(held: &QueuedRequest) -> bool {
    matches!(held.info.need, ConnectionNeed::Momentary) && matches!(held.info.target, Target::Primaries | Target::Nodes)
}
