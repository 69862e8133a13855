//! Transactions: kept from MULTI to the reply to EXEC, so that they can be moved as a whole.
//!
//! The proxy answers MULTI itself, for it cannot know yet which node the transaction is for. The first command decides; MULTI is said on
//! the connection before it. What a node refuses to queue because the slot is elsewhere (MOVED, ASK) moves the transaction: all of it is
//! sent again to the other node, and what the client was told already is not told again. EXEC is sent only when everything before it is
//! queued; once it was written and its connection is lost, nothing is sent again.
//!
//! Keys that are watched are never moved: where the connection that watches them is lost, or the slot, EXEC answers null.

use std::rc::Rc;

use bytes::Bytes;
use sluice_commands::ConnectionNeed;

use super::super::answers::Answers;
use super::super::replies::Replies;
use super::super::request::QueuedRequest;
use super::super::session_state::StateChange;
use super::dispatch::Dispatch;
use super::local_reply;
use super::node_lease::LeaseFor;
use super::transaction::{CROSS_SLOT, Entry, Transaction, null};
use crate::cluster::Target;
use crate::resp::encode;
use crate::upstream::{NodeView, Opening};

impl<R: Replies> Dispatch<'_, R> {
    /// MULTI; returned is one that waits.
    pub(super) fn begin(&mut self, request: QueuedRequest, view: &Rc<NodeView>) -> Option<QueuedRequest> {
        if self.head() != request.ticket.sequence {
            return Some(request);
        }
        let protocol = self.client().protocol;
        if let Some(at) = self.route.leases.iter().position(|lease| lease.lease.is_watching()) {
            // The server that watches the keys is the one for it, and answers MULTI too.
            if let Some(request) = self.send_exclusive(request, view, LeaseFor::Watching) {
                return Some(request);
            }
            let route = &mut *self.route;
            if at < route.leases.len() {
                let lease = route.leases.remove(at);
                let slot = route.watched.take();
                let verdict = std::mem::take(&mut route.unwatched).then(|| null(protocol));
                let transaction = Transaction { slot, verdict, watches: true, ..Transaction::new(Some(lease)) };
                route.transaction = Some(Box::new(transaction));
            }
            return None;
        }
        let mut transaction = Transaction::new(None);
        if std::mem::take(&mut self.route.unwatched) {
            transaction.verdict = Some(null(protocol));
        }
        self.route.transaction = Some(Box::new(transaction));
        self.reply(&request.ticket, Bytes::from_static(encode::OK));
        None
    }

    /// A request behind MULTI; returned is one that waits.
    pub(super) fn join(&mut self, request: QueuedRequest, view: Option<&Rc<NodeView>>) -> Option<QueuedRequest> {
        let alone = self.head() == request.ticket.sequence;
        let resets = matches!(request.info.change, Some(StateChange::Reset));
        let ends = resets || matches!(request.info.need, ConnectionNeed::Exec | ConnectionNeed::Discard);
        if ends && !alone {
            return Some(request);
        }
        if resets {
            self.end_transaction();
            return self.dispatch(request);
        }
        if let Some(frame) = self.local_answer(&request) {
            self.reply(&request.ticket, frame);
            return None;
        }
        let transaction = self.route.transaction.as_ref()?;
        if transaction.lease.is_some() {
            return self.send_in_transaction(request);
        }
        if !alone {
            return Some(request);
        }
        self.open(request, view)
    }

    /// What the proxy answers to a request of a transaction itself; `None`: its node answers.
    fn local_answer(&mut self, request: &QueuedRequest) -> Option<Bytes> {
        let transaction = self.route.transaction.as_mut()?;
        let need = request.info.need;
        match need {
            ConnectionNeed::Exec => {
                let nothing = || transaction.lease.is_none().then(|| Bytes::from_static(b"*0\r\n"));
                let answer = transaction.verdict.clone().or_else(nothing)?;
                self.end_transaction();
                return Some(answer);
            }
            ConnectionNeed::Discard => {
                self.end_transaction();
                return Some(Bytes::from_static(encode::OK));
            }
            _ => {}
        }
        if let Some(StateChange::Refused(frame)) = &request.info.change {
            transaction.spoil();
            return Some(frame.clone());
        }
        if let Some(frame) = local_reply::beyond_transactions(request) {
            // As a node does with what it does not queue.
            transaction.spoil();
            return Some(frame.into());
        }
        if let Target::To(slot) = request.info.target
            && !matches!(need, ConnectionNeed::Multi | ConnectionNeed::Watch)
            && *transaction.slot.get_or_insert(slot) != slot
        {
            // As a node does that serves both slots.
            transaction.verdict.get_or_insert(Bytes::from_static(CROSS_SLOT));
            return Some(Bytes::from_static(encode::QUEUED));
        }
        None
    }

    /// The first request of a transaction that is sent: it decides the node; returned is one that
    /// waits.
    fn open(&mut self, mut request: QueuedRequest, view: Option<&Rc<NodeView>>) -> Option<QueuedRequest> {
        request.info.target = self.route.transaction.as_ref()?.target();
        let node = view.and_then(|view| {
            let node = self.route.node_of(&request, view, self.flow.id)?;
            view.nodes().get(usize::from(node))
        });
        let Some(node) = node else {
            self.cluster.refresh(None);
            return self.later(request);
        };
        let Some(mut lease) = self.borrow(node, &request.info, Opening::Multi) else { return Some(request) };
        lease.lease.begin(request.ticket.sequence);
        if let Some(transaction) = &mut self.route.transaction {
            transaction.lease = Some(lease);
        }
        self.send_in_transaction(request)
    }

    /// A request while the cluster is not known; returned is one that waits.
    pub(super) fn before_map(&mut self, request: QueuedRequest) -> Option<QueuedRequest> {
        if self.route.transaction.is_some() {
            return self.join(request, None);
        }
        if request.info.need != ConnectionNeed::Multi {
            return self.later(request);
        }
        // It is answered as ever: what follows it must not be executed by itself when the cluster
        // is known.
        self.route.transaction = Some(Box::new(Transaction::new(None)));
        self.reply(&request.ticket, Bytes::from_static(encode::OK));
        None
    }

    /// Sends a request on the connection of its transaction.
    pub(super) fn send_in_transaction(&mut self, request: QueuedRequest) -> Option<QueuedRequest> {
        let transaction = self.route.transaction.as_mut()?;
        let lease = &mut transaction.lease.as_mut()?.lease;
        let QueuedRequest { ticket, frame, info, .. } = request;
        let change = lease.sent(ticket.sequence, info.need, info.change.clone());
        if info.need == ConnectionNeed::Exec {
            self.flow.hold_behind(ticket.sequence + 1);
        }
        let sent = lease.connection.borrow_mut().send_bytes(ticket, frame.clone(), info.expect, self.replies.now());
        transaction.entries.push(Entry { ticket, frame, info });
        self.flow.changes.retain(|(of, _)| *of != ticket.sequence);
        self.flow.expect_change(ticket.sequence, change);
        if let Err(failure) = sent {
            self.failed(&ticket, failure);
        }
        None
    }

    /// The transaction is over: its connection is given back.
    pub(super) fn end_transaction(&mut self) {
        let transaction = self.route.transaction.take();
        if let Some(lease) = transaction.and_then(|transaction| transaction.into_lease()) {
            lease.lease.give_back().into_iter().for_each(|trail| self.replies.discard(trail));
        }
    }
}
