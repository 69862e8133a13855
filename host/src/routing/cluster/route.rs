//! Where the requests of a session go in a cluster: the connections that it uses there, and what
//! is under way.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use super::super::lease::Lease;
use super::super::session_state::StateChange;
use super::fan_out::FanOut;
use super::node_lease::NodeLease;
use super::retry::Retry;
use super::subscriptions::SubscriptionState;
use super::transaction::Transaction;
use crate::cluster::Slot;
use crate::ids::{PathId, Sequence, SessionId};
use crate::upstream::{Cluster, ConnectionRef, Identity, NodeView, Phase, Ticket};

/// Where the requests of a session go in a cluster.
#[derive(Debug)]
pub(crate) struct ClusterRoute {
    /// Who it is on the connections that it shares.
    pub(super) identity: Rc<Identity>,
    /// The same on those to replicas, which may be read from.
    pub(super) reader: Rc<Identity>,
    /// The map that it goes by.
    pub(super) view: Option<Rc<NodeView>>,
    /// The connections that it shares, by the nodes' positions.
    pub(super) links: Vec<Option<ConnectionRef>>,
    /// The connections that it has to itself, but for that of the transaction.
    pub(super) leases: Vec<NodeLease>,
    /// From MULTI to the reply to EXEC.
    pub(super) transaction: Option<Box<Transaction>>,
    /// Requests that were taken apart.
    pub(super) fan_outs: BTreeMap<Sequence, FanOut>,
    /// What has come so far of requests that are retried and in flight.
    pub(super) retries: BTreeMap<(Sequence, u16), Retry>,
    /// Requests of several keys that are under way, with their slots: while a slot moves, they may
    /// have to be retried.
    pub(super) divided: Vec<(Slot, Sequence)>,
    /// What it is subscribed to, beside what its connections know of it.
    pub(super) subscriptions: SubscriptionState,
    /// When the turn polls it by itself.
    pub(in super::super) timer: Option<Instant>,
    /// The slot of the keys that are watched.
    pub(super) watched: Option<Slot>,
    /// Whether the server that watched keys for it has lost them: EXEC must fail.
    pub(super) unwatched: bool,
}

impl ClusterRoute {
    /// The route of a new session.
    pub(super) fn new(identity: Rc<Identity>) -> Self {
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
    pub(in super::super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        let of_transaction = self.transaction.as_ref().and_then(|transaction| transaction.lease());
        self.leases.iter().map(|lease| &*lease.lease).chain(of_transaction)
    }

    /// Whether this route needs polling even when no request is queued.
    pub(in super::super) fn needs_poll(&self) -> bool {
        !self.leases.is_empty() || self.transaction.is_some()
    }

    /// Whether the reply to the requests of `ticket` is no matter of this route.
    #[inline]
    pub(in super::super) fn is_plain(&self, ticket: &Ticket) -> bool {
        ticket.part == 0 && self.transaction.is_none() && self.retries.is_empty() && !self.subscriptions.is_confirming()
    }

    /// Whether requests of a single key may go straight to their node, with this map and as this
    /// identity.
    #[inline]
    pub(in super::super) fn goes_straight(&self, view: &Rc<NodeView>, identity: &Rc<Identity>) -> bool {
        self.leases.is_empty()
            && self.divided.is_empty()
            && self.transaction.is_none()
            && self.view.as_ref().is_some_and(|known| Rc::ptr_eq(known, view))
            && Rc::ptr_eq(&self.identity, identity)
    }

    /// Writes what waits.
    pub(in super::super) fn flush(&self) {
        self.leases().for_each(|lease| lease.connection.borrow_mut().flush());
        self.links.iter().flatten().for_each(|link| link.borrow_mut().flush());
    }

    /// Whether a server does not accept what it is told of the session.
    pub(in super::super) fn is_refused(&self) -> bool {
        self.links.iter().flatten().any(|link| link.borrow().is_refused())
    }

    /// A server has answered a request that asked for a change.
    pub(in super::super) fn answered(&mut self, sequence: Sequence, change: &StateChange, confirmed: bool) {
        self.leases.iter_mut().for_each(|lease| lease.lease.answered(sequence, change, confirmed));
        if let Some(transaction) = &mut self.transaction {
            transaction.answered(sequence, change, confirmed);
        }
    }

    /// Goes by this map, as this identity. Returns whether it was another one before.
    pub(super) fn follow(&mut self, view: &Rc<NodeView>, identity: &Rc<Identity>) -> bool {
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
    pub(in super::super) fn link(&mut self, node: u16) -> Option<&ConnectionRef> {
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
    pub(super) fn read_from(&mut self, view: &NodeView, primary: u16, session: SessionId) -> u16 {
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
    pub(super) fn leave(&mut self, head: Sequence) -> Vec<PathId> {
        self.leave_links();
        let transaction = self.transaction.take();
        let mut trails: Vec<PathId> = std::mem::take(&mut self.fan_outs).into_values().map(FanOut::trail).collect();
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
    pub(super) fn wake_at(&mut self, due: Instant, cluster: &Cluster, session: SessionId, now: Instant) {
        if self.timer.is_none_or(|timer| timer <= now || due < timer) {
            self.timer = Some(due);
            cluster.wake_in(due.saturating_duration_since(now), session);
        }
    }
}
