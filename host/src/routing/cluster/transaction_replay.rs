//! A transaction whose node is not the right one, or not there any more: all of it is sent again.

use std::rc::Rc;

use bytes::Bytes;

use super::super::super::need::ConnectionNeed;
use super::super::super::deliver::Delivery;
use super::super::super::session::{RequestInfo, QueuedRequest, Route};
use super::super::NodeLease;
use super::super::lease;
use super::super::retry::{Verdict, unreachable};
use super::{EXEC_ABORT, Entry, end, null, send};
use crate::chain::{Answer, Kind};
use crate::ids::{SessionId, TrailId};
use crate::upstream::ClusterNode;
use crate::upstream::{Cause, Cluster, Opening, Phase};

/// Send a transaction again whose node is not the right one, or not there any more. Returns whether anything can go on.
pub(in super::super) fn replay(
    id: SessionId,
    cluster: &Cluster,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> bool {
    let now = delivery.now;
    let Some(session) = delivery.sessions.get(id) else { return false };
    let head = session.order.head();
    let protocol = session.protocol;
    let Route::Cluster(route) = &mut session.route else { return false };
    let Some(transaction) = &mut route.transaction else { return true };
    let gone = |lease: &NodeLease| lease.lease.connection.borrow().phase() == Phase::Closed;
    if transaction.refused {
        let lease = transaction.lease.take();
        route.transaction = None;
        route.leases.extend(lease);
        return true;
    }
    if !transaction.moves && (std::mem::take(&mut transaction.lost) || transaction.lease.as_ref().is_some_and(gone)) {
        if transaction.is_executing() && transaction.entries.last().is_none_or(|exec| exec.ticket.sequence < head) {
            // Its reply, or the error that says that it is unknown, has been delivered.
            route.transaction = None;
            return true;
        }
        // Nothing of it was executed.
        let nobody = Cause::NotSent;
        transaction.come_back(nobody, cluster, now);
    }
    if !transaction.moves {
        if transaction.is_executing() && transaction.entries.last().is_some_and(|exec| exec.ticket.sequence < head) {
            let lease = transaction.lease.take();
            route.transaction = None;
            route.leases.extend(lease);
        }
        return true;
    }
    // The old connection is of no use any more, nor is what it still says.
    if let Some(lease) = transaction.lease.take() {
        if transaction.watches {
            transaction.verdict = Some(null(protocol));
        }
        let _ = lease.lease.connection.borrow_mut().close();
    }
    let Some(retry) = transaction.retry.take() else { return fail(id, delivery) };
    if retry.due > now {
        let due = retry.due;
        transaction.retry = Some(retry);
        route.wake_at(due, cluster, id, now);
        return false;
    }
    if session.queued {
        transaction.retry = Some(retry);
        return false;
    }
    let target = transaction.target();
    let Some(first) = transaction.entries.first().cloned() else {
        transaction.moves = false;
        return true;
    };
    let Some(view) = cluster.view() else {
        transaction.retry = Some(retry);
        return false;
    };
    let opening = if retry.asks(&view) { Opening::AskingMulti } else { Opening::Multi };
    let info = RequestInfo { target, ..first.info };
    let held = QueuedRequest { ticket: first.ticket, frame: Bytes::new(), info, retry: Some(Box::new(retry)) };
    let target = route.target(&held, &view, id).and_then(|node| view.nodes().get(usize::from(node)));
    let Some(node) = target else {
        cluster.refresh(None);
        let Some(transaction) = &mut route.transaction else { return true };
        let Some(mut retry) = held.retry else { return true };
        match retry.later(unreachable(&held.info.target, cluster), cluster, now) {
            Verdict::Again => transaction.retry = Some(*retry),
            Verdict::Answer(answer) => {
                transaction.verdict = Some(answer.frame);
                return fail(id, delivery);
            }
        }
        return replay(id, cluster, delivery, granted);
    };
    let lent = lease::borrow(session, cluster, node, &held.info, opening, granted);
    let Route::Cluster(route) = &mut session.route else { return false };
    let Some(transaction) = &mut route.transaction else { return true };
    let Some(mut lease) = lent else {
        transaction.retry = held.retry.map(|retry| *retry);
        return false;
    };
    lease.lease.begin(first.ticket.sequence);
    transaction.lease = Some(lease);
    transaction.tried = held.retry.map(|retry| *retry);
    transaction.moves = false;
    let entries = std::mem::take(&mut transaction.entries);
    let given_up = transaction.verdict.clone();
    for Entry { mut ticket, frame, info } in entries {
        if ticket.sequence < head {
            // What had to happen to its response has happened.
            ticket.trail = TrailId::NONE;
        }
        if info.need == ConnectionNeed::Exec
            && let Some(frame) = given_up.clone()
        {
            // It would be executed without what was watched.
            let Some(session) = delivery.sessions.get(id) else { return false };
            if let Route::Cluster(route) = &mut session.route {
                end(route, delivery.trails);
            }
            delivery.answer(&ticket, &Answer { frame, foreign: false }, Kind::Single);
            return true;
        }
        let _ = send(id, QueuedRequest { ticket, frame, info, retry: None }, delivery);
    }
    true
}

/// It has been tried for long enough: everything of it that waits is told so, and EXEC will be refused.
fn fail(id: SessionId, delivery: &mut Delivery<'_>) -> bool {
    let Some(session) = delivery.sessions.get(id) else { return false };
    let head = session.order.head();
    let Route::Cluster(route) = &mut session.route else { return false };
    let Some(transaction) = &mut route.transaction else { return true };
    let reason = transaction.verdict.take().unwrap_or_else(|| Bytes::from_static(EXEC_ABORT));
    transaction.moves = false;
    let waiting: Vec<Entry> = std::mem::take(&mut transaction.entries);
    if waiting.last().is_some_and(|entry| entry.info.need == ConnectionNeed::Exec) {
        route.transaction = None;
    } else {
        transaction.verdict = Some(Bytes::from_static(EXEC_ABORT));
    }
    for entry in waiting.iter().filter(|entry| entry.ticket.sequence >= head) {
        delivery.answer(&entry.ticket, &Answer { frame: reason.clone(), foreign: false }, Kind::Single);
    }
    true
}
