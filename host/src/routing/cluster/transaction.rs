//! Transactions: kept from MULTI to the reply to EXEC, so that they can be moved as a whole.
//!
//! The proxy answers MULTI itself, for it cannot know yet which node the transaction is for. The first command decides; MULTI is said on
//! the connection before it. What a node refuses to queue because the slot is elsewhere (MOVED, ASK) moves the transaction: all of it is
//! sent again to the other node, and what the client was told already is not told again. EXEC is sent only when everything before it is
//! queued; once it was written and its connection is lost, nothing is sent again.
//!
//! Keys that are watched are never moved: where the connection that watches them is lost, or the slot, EXEC answers null.

mod replay;

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use sluice_commands::CommandId;

use super::super::need::ConnectionNeed;
use super::super::change::StateChange;
use super::super::deliver::Delivery;
use super::super::lease::Lease;
use super::super::session::{RequestInfo, QueuedRequest, Route};
use super::lease::{self, Where};
use super::own;
use super::send::later;
use super::retry::{Retry, Verdict};
use super::{ClusterRoute, NodeLease};
use crate::chain::{Answer, Kind};
use crate::cluster::{Slot, Target};
use crate::ids::{Sequence, SessionId, TrailId};
use crate::resp::{Protocol, encode};
use crate::upstream::{Cause, Cluster, Failure, Opening, Receiver, Ticket};
use crate::upstream::{ClusterNode, NodeView};
pub(super) use replay::replay;

/// A transaction of a session.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Where its keys lie, as far as they are known.
    slot: Option<Slot>,
    lease: Option<NodeLease>,
    /// Whether its node watches keys for it, until EXEC is answered: a node that refuses EXEC has not looked at them.
    watches: bool,
    /// What has been sent of it, in order: behind MULTI, and EXEC at last.
    entries: Vec<Entry>,
    /// What EXEC answers, whatever the servers would say.
    verdict: Option<Bytes>,
    /// What has come of it, where it is to be sent again.
    retry: Option<Retry>,
    /// Whether `retry` is to be followed.
    moves: bool,
    /// What has come of it so far.
    tried: Option<Retry>,
    /// Whether the server did not take MULTI.
    refused: bool,
    /// Whether a request of it has failed before EXEC was sent.
    lost: bool,
}

/// One of its requests.
#[derive(Clone, Debug)]
struct Entry {
    ticket: Ticket,
    frame: Bytes,
    info: RequestInfo,
}

const EXEC_ABORT: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";
pub(super) const CROSS_SLOT: &[u8] = b"-CROSSSLOT Keys in request don't hash to the same slot\r\n";

/// What EXEC answers when keys that were watched may have changed.
fn null(protocol: Protocol) -> Bytes {
    Bytes::from_static(match protocol {
        Protocol::Resp2 => b"*-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    })
}

impl Transaction {
    fn new(lease: Option<NodeLease>) -> Self {
        Self {
            slot: None,
            lease,
            watches: false,
            entries: Vec::new(),
            verdict: None,
            retry: None,
            moves: false,
            tried: None,
            refused: false,
            lost: false,
        }
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref().map(|lease| &*lease.lease)
    }

    /// The trails of its requests from `head` on.
    pub(super) fn trails(&self, head: Sequence) -> impl Iterator<Item = TrailId> + '_ {
        self.entries.iter().filter(move |entry| entry.ticket.sequence >= head).map(|entry| entry.ticket.trail)
    }

    pub(super) fn into_tenure(self) -> Option<NodeLease> {
        self.lease
    }

    pub(super) fn answered(&mut self, sequence: Sequence, change: &StateChange, confirmed: bool) {
        self.refused |= matches!(change, StateChange::Multi) && !confirmed;
        if let Some(lease) = &mut self.lease {
            lease.lease.answered(sequence, change, confirmed);
        }
    }

    /// Whether a request is one of it.
    pub(super) fn has(&self, ticket: &Ticket) -> bool {
        self.entries.iter().any(|entry| entry.ticket.sequence == ticket.sequence)
    }

    /// Whether EXEC was sent.
    fn is_executing(&self) -> bool {
        self.entries.last().is_some_and(|entry| entry.info.need == ConnectionNeed::Exec)
    }

    /// Whether replies to it do not count: it is to be sent again.
    pub(super) fn is_moving(&self) -> bool {
        self.moves
    }

    fn target(&self) -> Target {
        self.slot.map_or(Target::Anywhere, Target::To)
    }

    /// One of its requests has come back: nothing of it was executed, and all of it is sent again.
    pub(super) fn come_back(&mut self, cause: Cause<'_>, cluster: &Cluster, now: Instant) {
        if self.moves {
            return;
        }
        self.moves = true;
        let first = self.entries.first().map(|entry| entry.ticket);
        let retry = self.tried.take().or_else(|| first.map(|ticket| Retry::new(&ticket, now)));
        let Some(mut retry) = retry else { return };
        // Before its slot is known, only what nobody knows can be sent elsewhere.
        let command = CommandId::UNKNOWN;
        match retry.judge(cause, command, &self.target(), cluster, now) {
            Verdict::Again => self.retry = Some(retry),
            Verdict::Answer(answer) => self.verdict = Some(answer.frame),
        }
    }

    /// One of its requests has failed. Returns whether nothing of it was executed, so that all of it is sent again.
    pub(super) fn failed(&mut self, failure: Failure) -> bool {
        let again = self.moves || failure == Failure::NotSent || (!self.is_executing() && failure != Failure::Refused);
        self.lost |= again;
        again
    }

    /// A request of it is answered with an error and will not be queued: EXEC is refused, as it is by a server.
    pub(super) fn spoil(&mut self) {
        self.verdict.get_or_insert(Bytes::from_static(EXEC_ABORT));
    }

    /// No connection is to be had for it. Returns whether that is all that waits for one.
    pub(super) fn denied(&mut self) -> bool {
        if self.moves {
            self.retry = None;
            self.verdict = Some(Answer::error(&Failure::NoConnection.to_string()).frame);
        } else {
            self.spoil();
        }
        self.moves
    }
}

/// MULTI; returned is one that has to wait.
pub(super) fn begin(
    id: SessionId,
    cluster: &Cluster,
    view: &Rc<NodeView>,
    held: QueuedRequest,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<QueuedRequest> {
    let session = delivery.sessions.get(id)?;
    if session.order.head() != held.ticket.sequence {
        return Some(held);
    }
    let Route::Cluster(route) = &mut session.route else { return None };
    if let Some(at) = route.leases.iter().position(|lease| lease.lease.is_watching()) {
        // The server that watches the keys is the one for it, and answers MULTI too.
        if let Some(held) = lease::go(id, cluster, view, held, Where::Watching, delivery, granted) {
            return Some(held);
        }
        let session = delivery.sessions.get(id)?;
        let Route::Cluster(route) = &mut session.route else { return None };
        if at < route.leases.len() {
            let lease = route.leases.remove(at);
            let slot = route.watched.take();
            let verdict = std::mem::take(&mut route.unwatched).then(|| null(session.protocol));
            let transaction = Transaction { slot, verdict, watches: true, ..Transaction::new(Some(lease)) };
            route.transaction = Some(Box::new(transaction));
        }
        return None;
    }
    let mut transaction = Transaction::new(None);
    if std::mem::take(&mut route.unwatched) {
        transaction.verdict = Some(null(session.protocol));
    }
    route.transaction = Some(Box::new(transaction));
    delivery.answer(&held.ticket, &ok(), Kind::Single);
    None
}

fn ok() -> Answer {
    Answer { frame: Bytes::from_static(encode::OK), foreign: false }
}

/// A request behind MULTI; returned is one that has to wait.
pub(super) fn go(
    id: SessionId,
    cluster: &Cluster,
    view: Option<&Rc<NodeView>>,
    held: QueuedRequest,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<QueuedRequest> {
    let session = delivery.sessions.get(id)?;
    let alone = session.order.head() == held.ticket.sequence;
    let Route::Cluster(route) = &mut session.route else { return None };
    let transaction = route.transaction.as_mut()?;
    let ends = match held.info.need {
        ConnectionNeed::Exec | ConnectionNeed::Discard => true,
        ConnectionNeed::State => matches!(held.info.change, Some(StateChange::Reset)),
        _ => false,
    };
    if ends && !alone {
        return Some(held);
    }
    match held.info.need {
        ConnectionNeed::Exec => {
            let answer = transaction
                .verdict
                .clone()
                .or_else(|| transaction.lease.is_none().then(|| Bytes::from_static(b"*0\r\n")));
            if let Some(frame) = answer {
                end(route, delivery.trails);
                delivery.answer(&held.ticket, &Answer { frame, foreign: false }, Kind::Single);
                return None;
            }
        }
        ConnectionNeed::Discard => {
            end(route, delivery.trails);
            delivery.answer(&held.ticket, &ok(), Kind::Single);
            return None;
        }
        _ if ends => {
            end(route, delivery.trails);
            return super::send::go(id, cluster, held, delivery, granted);
        }
        _ => {
            if let Some(frame) = own::beyond_transactions(&held) {
                // As a node does with what it does not queue.
                transaction.spoil();
                delivery.answer(&held.ticket, &Answer { frame: frame.into(), foreign: false }, Kind::Single);
                return None;
            }
            if let Target::To(slot) = held.info.target
                && !matches!(held.info.need, ConnectionNeed::Multi | ConnectionNeed::Watch)
                && *transaction.slot.get_or_insert(slot) != slot
            {
                // As a node does that serves both slots.
                transaction.verdict.get_or_insert(Bytes::from_static(CROSS_SLOT));
                let queued = Answer { frame: Bytes::from_static(encode::QUEUED), foreign: false };
                delivery.answer(&held.ticket, &queued, Kind::Single);
                return None;
            }
        }
    }
    if transaction.lease.is_none() {
        if !alone {
            return Some(held);
        }
        let held_way = QueuedRequest { info: RequestInfo { target: transaction.target(), ..held.info.clone() }, ..held };
        let node = view.and_then(|view| view.nodes().get(usize::from(route.target(&held_way, view, id)?)));
        let Some(node) = node else {
            cluster.refresh(None);
            return later(cluster, held_way, delivery);
        };
        let Some(mut lease) = lease::borrow(session, cluster, node, &held_way.info, Opening::Multi, granted) else {
            return Some(held_way);
        };
        lease.lease.begin(held_way.ticket.sequence);
        let Route::Cluster(route) = &mut session.route else { return None };
        if let Some(transaction) = &mut route.transaction {
            transaction.lease = Some(lease);
        }
        return send(id, held_way, delivery);
    }
    send(id, held, delivery)
}

/// As [`begin`] and [`go`], while the cluster is not known; what belongs to no transaction waits too.
pub(super) fn before_map(
    id: SessionId,
    cluster: &Cluster,
    held: QueuedRequest,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<QueuedRequest> {
    let session = delivery.sessions.get(id)?;
    let Route::Cluster(route) = &mut session.route else { return None };
    match held.info.need {
        // It is answered as ever: what follows it must not be executed by itself when the cluster is known.
        ConnectionNeed::Multi if route.transaction.is_none() => {
            route.transaction = Some(Box::new(Transaction::new(None)));
            delivery.answer(&held.ticket, &ok(), Kind::Single);
            None
        }
        _ if route.transaction.is_some() => go(id, cluster, None, held, delivery, granted),
        _ => later(cluster, held, delivery),
    }
}

/// Send a request on the connection of its transaction.
fn send(id: SessionId, held: QueuedRequest, delivery: &mut Delivery<'_>) -> Option<QueuedRequest> {
    let session = delivery.sessions.get(id)?;
    let Route::Cluster(route) = &mut session.route else { return None };
    let transaction = route.transaction.as_mut()?;
    let lease = transaction.lease.as_mut()?;
    let QueuedRequest { ticket, frame, info, .. } = held;
    let change = lease.lease.sent(ticket.sequence, info.need, info.change.clone());
    if info.need == ConnectionNeed::Exec {
        session.barrier = session.barrier.max(ticket.sequence + 1);
    }
    let sent = lease.lease.connection.borrow_mut().send_bytes(ticket, frame.clone(), info.expect, delivery.now);
    transaction.entries.push(Entry { ticket, frame, info });
    session.changes.retain(|(of, _)| *of != ticket.sequence);
    session.changes.extend(change.map(|change| (ticket.sequence, change)));
    if let Err(failure) = sent {
        delivery.failed(&ticket, failure);
    }
    None
}

/// It is over: its connection is one among the others again, or given back.
fn end(route: &mut ClusterRoute, trails: &mut crate::chain::Trails) {
    let Some(lease) = route.transaction.take().and_then(|transaction| transaction.into_tenure()) else { return };
    lease.lease.give_back().into_iter().for_each(|trail| trails.discard(trail));
}
