//! The way of a session's requests through a cluster that looks like one server.
//!
//! ```text
//!                      its keys lie in one slot
//!               ┌────────────────────────────────────► the connection to the slot's primary that sessions share ─┐
//!               │     in several, or it concerns all                                                            │
//!   request ────┼─────► `fan_out`: a part for each, each on its way; one reply of all ──────────────────────────┤
//!   `plan`      │     it needs a connection of its own                                                          │
//!     ▲         ├─────► exclusive: everything before it is answered, nothing follows until it is (`lease`) ─────┤
//!     │         │     on a connection of its own at each of several nodes (WAIT, SCRIPT KILL, …)                │
//!     │         ├─────► exclusive too, in parts (`fan_out`) ────────────────────────────────────────────────────┤
//!     │         │     MULTI                                                                                     │
//!     │         └─────► `transaction`: kept until EXEC is answered; sent where its first key lies ──────────────┤
//!     │                                                                                                         │
//!     └── `retry`: it was not executed: MOVED, ASK, not sent, … ◄───────────────────────────────────────────────┘
//! ```
//!
//! [`plan`] decides once what becomes of a request; [`dispatch`] does it. `subscriptions` makes the
//! subscriptions at several nodes one list, and makes them again where they are lost.
//!
//! Order: requests of a session for one node share a connection. A request waits whenever it could
//! otherwise overtake an earlier one at another node: during a retry, and after a map change until
//! all earlier replies are in. A request of several keys may be retried where one of a single key
//! need not, so requests for the same slot wait behind it.

mod dispatch;
mod fan_out;
mod lease;
mod local_reply;
mod plan;
mod retry;
mod sink;
mod subscriptions;
mod transaction;
mod transaction_replay;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

pub(super) use retry::Retry;

use super::lease::Lease;
use super::session_state::StateChange;
use crate::cluster::Slot;
use crate::ids::{Sequence, SessionId, TrailId};
use crate::upstream::{Cluster, ClusterNode, ConnectionRef, Identity, NodeView, Phase, Ticket};
use fan_out::FanOut;
use subscriptions::SubscriptionState;
use transaction::Transaction;

/// Where the requests of a session go in a cluster.
#[derive(Debug)]
pub(crate) struct ClusterRoute {
    /// Who it is on the connections that it shares.
    identity: Rc<Identity>,
    /// The same on those to replicas, which may be read from.
    reader: Rc<Identity>,
    /// The map that it goes by.
    view: Option<Rc<NodeView>>,
    /// The connections that it shares, by the nodes' positions.
    links: Vec<Option<ConnectionRef>>,
    /// The connections that it has to itself, but for that of the transaction.
    leases: Vec<NodeLease>,
    /// From MULTI to the reply to EXEC.
    transaction: Option<Box<Transaction>>,
    /// Requests that were taken apart.
    fan_outs: BTreeMap<Sequence, FanOut>,
    /// What has come so far of requests that are retried and in flight.
    retries: BTreeMap<(Sequence, u16), Retry>,
    /// Requests of several keys that are under way, with their slots: while a slot moves, they may
    /// have to be retried.
    divided: Vec<(Slot, Sequence)>,
    /// What it is subscribed to, beside what its connections know of it.
    subscriptions: SubscriptionState,
    /// When the turn polls it by itself.
    timer: Option<Instant>,
    /// The slot of the keys that are watched.
    watched: Option<Slot>,
    /// Whether the server that watched keys for it has lost them: EXEC must fail.
    unwatched: bool,
}

/// An exclusive connection to one of the nodes.
#[derive(Debug)]
struct NodeLease {
    node: Rc<ClusterNode>,
    lease: Box<Lease>,
}

impl ClusterRoute {
    /// The route of a new session.
    fn new(identity: Rc<Identity>) -> Self {
        Self {
            reader: Rc::new(Identity { readonly: true, ..(*identity).clone() }),
            identity,
            view: None,
            links: Vec::new(),
            leases: Vec::new(),
            transaction: None,
            fan_outs: BTreeMap::new(),
            retries: BTreeMap::new(),
            divided: Vec::new(),
            subscriptions: SubscriptionState::default(),
            timer: None,
            watched: None,
            unwatched: false,
        }
    }

    /// The exclusive connections.
    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        let of_transaction = self.transaction.as_ref().and_then(|transaction| transaction.lease());
        self.leases.iter().map(|lease| &*lease.lease).chain(of_transaction)
    }

    /// Whether this route needs polling even when no request is queued.
    pub(super) fn needs_poll(&self) -> bool {
        !self.leases.is_empty() || self.transaction.is_some()
    }

    /// Whether the reply to the requests of `ticket` is no matter of this route.
    #[inline]
    pub(super) fn is_plain(&self, ticket: &Ticket) -> bool {
        ticket.part == 0 && self.transaction.is_none() && self.retries.is_empty() && !self.subscriptions.is_confirming()
    }

    /// Whether requests of a single key may go straight to their node, with this map and as this
    /// identity.
    #[inline]
    pub(super) fn goes_straight(&self, view: &Rc<NodeView>, identity: &Rc<Identity>) -> bool {
        self.leases.is_empty()
            && self.divided.is_empty()
            && self.transaction.is_none()
            && self.view.as_ref().is_some_and(|known| Rc::ptr_eq(known, view))
            && Rc::ptr_eq(&self.identity, identity)
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        self.leases().for_each(|lease| lease.connection.borrow_mut().flush());
        self.links.iter().flatten().for_each(|link| link.borrow_mut().flush());
    }

    /// Whether a server does not accept what it is told of the session.
    pub(super) fn is_refused(&self) -> bool {
        self.links.iter().flatten().any(|link| link.borrow().is_refused())
    }

    /// A server has answered a request that asked for a change.
    pub(super) fn answered(&mut self, sequence: Sequence, change: &StateChange, confirmed: bool) {
        self.leases.iter_mut().for_each(|lease| lease.lease.answered(sequence, change, confirmed));
        if let Some(transaction) = &mut self.transaction {
            transaction.answered(sequence, change, confirmed);
        }
    }

    /// Goes by this map, as this identity. Returns whether it was another one before.
    fn follow(&mut self, view: &Rc<NodeView>, identity: &Rc<Identity>) -> bool {
        let same = self.view.as_ref().is_some_and(|known| Rc::ptr_eq(known, view));
        if same && Rc::ptr_eq(&self.identity, identity) {
            return false;
        }
        self.leave_links();
        self.view = Some(view.clone());
        self.reader = Rc::new(Identity { readonly: true, ..(**identity).clone() });
        self.identity = identity.clone();
        self.links.resize_with(view.nodes().len(), || None);
        true
    }

    /// The connection to a node that it shares.
    #[inline]
    pub(super) fn link(&mut self, node: u16) -> Option<&ConnectionRef> {
        let place = usize::from(node);
        let link = self.links.get_mut(place)?;
        // A node that has left and come back has other connections.
        if link.as_ref().is_none_or(|link| link.borrow().phase() == Phase::Closed) {
            let view = self.view.as_ref()?;
            let identity = if view.is_replica(node) { &self.reader } else { &self.identity };
            *link = Some(view.nodes().get(place)?.connections.join(identity));
        }
        link.as_ref()
    }

    /// The node that a request goes to which only reads: the best that is connected, or the primary.
    fn read_from(&mut self, view: &NodeView, primary: u16, session: SessionId) -> u16 {
        let is_ready = |link: &ConnectionRef| link.borrow().phase() == Phase::Ready;
        view.readers(primary, session.place())
            .into_iter()
            .find(|&node| self.link(node).is_some_and(is_ready))
            .unwrap_or(primary)
    }

    fn leave_links(&mut self) {
        let links = std::mem::take(&mut self.links);
        let Some(view) = &self.view else { return };
        for (at, (node, _)) in view.nodes().iter().zip(links).enumerate().filter(|(_, (_, link))| link.is_some()) {
            let identity = if view.is_replica(at as u16) { &self.reader } else { &self.identity };
            node.connections.leave(identity);
        }
    }

    /// The session is over. Returns the trails of what was in flight on connections of its own.
    /// `head`: its first request that is not answered.
    fn leave(&mut self, head: Sequence) -> Vec<TrailId> {
        self.leave_links();
        let transaction = self.transaction.take();
        let mut trails: Vec<TrailId> = std::mem::take(&mut self.fan_outs).into_values().map(FanOut::trail).collect();
        trails.extend(transaction.iter().flat_map(|transaction| transaction.trails(head)));
        let own = transaction.and_then(|transaction| transaction.into_lease());
        for trail in self.leases.drain(..).chain(own).flat_map(|lease| lease.lease.give_back()) {
            // What is in flight of a transaction is in both places.
            if !trails.contains(&trail) {
                trails.push(trail);
            }
        }
        trails
    }

    /// Has the turn poll the session then.
    fn wake_at(&mut self, due: Instant, cluster: &Cluster, session: SessionId, now: Instant) {
        if self.timer.is_none_or(|timer| timer <= now || due < timer) {
            self.timer = Some(due);
            cluster.wake_in(due.saturating_duration_since(now), session);
        }
    }
}
