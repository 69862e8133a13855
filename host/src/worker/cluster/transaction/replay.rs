//! A transaction whose node is not the right one, or not there any more: all of it is sent again.

use std::rc::Rc;

use bytes::Bytes;

use super::super::super::affinity::Affinity;
use super::super::super::deliver::Delivery;
use super::super::super::session::{Errand, Held, Route};
use super::super::Tenure;
use super::super::lease;
use super::super::trial::{Verdict, unreachable};
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
    let gone = |tenure: &Tenure| tenure.lease.connection.borrow().phase() == Phase::Closed;
    if transaction.refused {
        let tenure = transaction.tenure.take();
        route.transaction = None;
        route.tenures.extend(tenure);
        return true;
    }
    if !transaction.moves && (std::mem::take(&mut transaction.lost) || transaction.tenure.as_ref().is_some_and(gone)) {
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
            let tenure = transaction.tenure.take();
            route.transaction = None;
            route.tenures.extend(tenure);
        }
        return true;
    }
    // The old connection is of no use any more, nor is what it still says.
    if let Some(tenure) = transaction.tenure.take() {
        if transaction.watches {
            transaction.verdict = Some(null(protocol));
        }
        let _ = tenure.lease.connection.borrow_mut().close();
    }
    let Some(trial) = transaction.trial.take() else { return fail(id, delivery) };
    if trial.due > now {
        let due = trial.due;
        transaction.trial = Some(trial);
        route.wake_at(due, cluster, id, now);
        return false;
    }
    if session.queued {
        transaction.trial = Some(trial);
        return false;
    }
    let way = transaction.way();
    let Some(first) = transaction.entries.first().cloned() else {
        transaction.moves = false;
        return true;
    };
    let Some(view) = cluster.view() else {
        transaction.trial = Some(trial);
        return false;
    };
    let opening = if trial.asks(&view) { Opening::AskingMulti } else { Opening::Multi };
    let errand = Errand { way, ..first.errand };
    let held = Held { ticket: first.ticket, frame: Bytes::new(), errand, trial: Some(Box::new(trial)) };
    let target = route.target(&held, &view, id).and_then(|node| view.nodes().get(usize::from(node)));
    let Some(node) = target else {
        cluster.refresh(None);
        let Some(transaction) = &mut route.transaction else { return true };
        let Some(mut trial) = held.trial else { return true };
        match trial.later(unreachable(&held.errand.way, cluster), cluster, now) {
            Verdict::Again => transaction.trial = Some(*trial),
            Verdict::Answer(answer) => {
                transaction.verdict = Some(answer.frame);
                return fail(id, delivery);
            }
        }
        return replay(id, cluster, delivery, granted);
    };
    let lent = lease::borrow(session, cluster, node, &held.errand, opening, granted);
    let Route::Cluster(route) = &mut session.route else { return false };
    let Some(transaction) = &mut route.transaction else { return true };
    let Some(mut tenure) = lent else {
        transaction.trial = held.trial.map(|trial| *trial);
        return false;
    };
    tenure.lease.begin(first.ticket.sequence);
    transaction.tenure = Some(tenure);
    transaction.tried = held.trial.map(|trial| *trial);
    transaction.moves = false;
    let entries = std::mem::take(&mut transaction.entries);
    let given_up = transaction.verdict.clone();
    for Entry { mut ticket, frame, errand } in entries {
        if ticket.sequence < head {
            // What had to happen to its response has happened.
            ticket.trail = TrailId::NONE;
        }
        if errand.affinity == Affinity::Exec
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
        let _ = send(id, Held { ticket, frame, errand, trial: None }, delivery);
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
    if waiting.last().is_some_and(|entry| entry.errand.affinity == Affinity::Exec) {
        route.transaction = None;
    } else {
        transaction.verdict = Some(Bytes::from_static(EXEC_ABORT));
    }
    for entry in waiting.iter().filter(|entry| entry.ticket.sequence >= head) {
        delivery.answer(&entry.ticket, &Answer { frame: reason.clone(), foreign: false }, Kind::Single);
    }
    true
}
