//! A transaction whose node is not the right one, or not there any more: all of it is sent again.

use bytes::Bytes;

use sluice_commands::ConnectionNeed;

use super::super::replies::Replies;
use super::super::request::{QueuedRequest, RequestInfo};
use super::dispatch::Dispatch;
use super::node_lease::NodeLease;
use super::retry::{Retry, Verdict, unreachable};
use super::transaction::{EXEC_ABORT, Entry, null};
use crate::ids::PathId;
use crate::upstream::{Cause, Opening, Phase};

impl<R: Replies> Dispatch<'_, R> {
    /// Sends a transaction again whose node is not the right one, or not there any more. Returns
    /// whether anything can go on.
    pub(super) fn replay(&mut self) -> bool {
        self.settle_transaction();
        let now = self.replies.now();
        let protocol = self.client().protocol;
        let Some(transaction) = &mut self.route.transaction else { return true };
        if !transaction.moves {
            return true;
        }
        // The old connection is of no use any more, nor is what it still says.
        if let Some(lease) = transaction.lease.take() {
            if transaction.watches {
                transaction.verdict = Some(null(protocol));
            }
            let _ = lease.lease.connection.borrow_mut().close();
        }
        let Some(retry) = transaction.retry.take() else { return self.fail_transaction() };
        if retry.due > now {
            let due = retry.due;
            transaction.retry = Some(retry);
            self.route.wake_at(due, self.cluster, self.flow.id, now);
            return false;
        }
        if self.flow.waiting || self.cluster.view().is_none() && !transaction.entries.is_empty() {
            transaction.retry = Some(retry);
            return false;
        }
        match transaction.entries.first().cloned() {
            Some(first) => self.move_transaction(first, retry),
            None => {
                transaction.moves = false;
                true
            }
        }
    }

    /// Sees what has become of the transaction: it is over, or it moves, or it goes on.
    fn settle_transaction(&mut self) {
        let (now, head) = (self.replies.now(), self.head());
        let Some(transaction) = &mut self.route.transaction else { return };
        let gone = |lease: &NodeLease| lease.lease.connection.borrow().phase() == Phase::Closed;
        let executed =
            transaction.is_executing() && transaction.entries.last().is_none_or(|exec| exec.ticket.sequence < head);
        if transaction.refused {
            let lease = transaction.lease.take();
            self.route.transaction = None;
            self.route.leases.extend(lease);
            return;
        }
        if transaction.moves {
            return;
        }
        if std::mem::take(&mut transaction.lost) || transaction.lease.as_ref().is_some_and(gone) {
            if executed {
                // Its reply, or the error that says that it is unknown, has been delivered.
                self.route.transaction = None;
            } else {
                // Nothing of it was executed.
                transaction.come_back(Cause::NotSent, self.cluster, now);
            }
        } else if executed {
            let lease = transaction.lease.take();
            self.route.transaction = None;
            self.route.leases.extend(lease);
        }
    }

    /// Sends all of a transaction to the node that it is for now. `first`: its first request.
    fn move_transaction(&mut self, first: Entry, retry: Retry) -> bool {
        let now = self.replies.now();
        let (Some(view), Some(transaction)) = (self.cluster.view(), &mut self.route.transaction) else { return true };
        let opening = if retry.asks(&view) { Opening::AskingMulti } else { Opening::Multi };
        let info = RequestInfo { target: transaction.target(), ..first.info };
        let mut request =
            QueuedRequest { ticket: first.ticket, frame: Bytes::new(), info, retry: Some(Box::new(retry)) };
        let node = self.route.node_of(&request, &view, self.flow.id);
        let Some(node) = node.and_then(|node| view.nodes().get(usize::from(node))) else {
            self.cluster.refresh(None);
            let (Some(transaction), Some(mut retry)) = (&mut self.route.transaction, request.retry) else {
                return true;
            };
            match retry.later(unreachable(&request.info.target, self.cluster), self.cluster, now) {
                Verdict::Again => transaction.retry = Some(*retry),
                Verdict::Answer(answer) => {
                    transaction.verdict = Some(answer.frame);
                    return self.fail_transaction();
                }
            }
            return self.replay();
        };
        let lent = self.borrow(node, &request.info, opening);
        let Some(transaction) = &mut self.route.transaction else { return true };
        let retry = request.retry.take().map(|retry| *retry);
        let Some(mut lease) = lent else {
            transaction.retry = retry;
            return false;
        };
        lease.lease.begin(first.ticket.sequence);
        transaction.lease = Some(lease);
        transaction.tried = retry;
        transaction.moves = false;
        self.send_entries_again();
        true
    }

    /// Sends the requests of a transaction again, on its new connection.
    fn send_entries_again(&mut self) {
        let head = self.head();
        let Some(transaction) = &mut self.route.transaction else { return };
        let entries = std::mem::take(&mut transaction.entries);
        let given_up = transaction.verdict.clone();
        for Entry { mut ticket, frame, info } in entries {
            if ticket.sequence < head {
                // What had to happen to its response has happened.
                ticket.trail = PathId::NONE;
            }
            if info.need == ConnectionNeed::Exec
                && let Some(frame) = given_up.clone()
            {
                // It would be executed without what was watched.
                self.end_transaction();
                return self.reply(&ticket, frame);
            }
            let _ = self.send_in_transaction(QueuedRequest { ticket, frame, info, retry: None });
        }
    }

    /// It has been tried for long enough: everything of it that waits is told so, and EXEC will be
    /// refused.
    fn fail_transaction(&mut self) -> bool {
        let head = self.head();
        let Some(transaction) = &mut self.route.transaction else { return true };
        let reason = transaction.verdict.take().unwrap_or_else(|| Bytes::from_static(EXEC_ABORT));
        transaction.moves = false;
        let waiting: Vec<Entry> = std::mem::take(&mut transaction.entries);
        if waiting.last().is_some_and(|entry| entry.info.need == ConnectionNeed::Exec) {
            self.route.transaction = None;
        } else {
            transaction.verdict = Some(Bytes::from_static(EXEC_ABORT));
        }
        for entry in waiting.iter().filter(|entry| entry.ticket.sequence >= head) {
            self.reply(&entry.ticket, reason.clone());
        }
        true
    }
}
