//! Requests that must get through where everything else waits (SCRIPT KILL, FUNCTION KILL): from primary to primary, each time on a
//! private connection, until one of them has done it.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::ResponsePolicy;

use super::super::deliver::Delivery;
use super::super::session::{Errand, Held, Route};
use super::ClusterRoute;
use super::lease::{self, Where};
use super::trial::Trial;
use crate::ids::SessionId;
use crate::resp::reply;
use crate::upstream::cluster::{ClusterNode, Gather, View};
use crate::upstream::{Cluster, Ticket};

/// Such a request on its way.
#[derive(Debug)]
pub(super) struct Round {
    ticket: Ticket,
    frame: Bytes,
    errand: Errand,
    /// Those that have not been asked, the next one last.
    left: Vec<Arc<str>>,
    answers: Vec<Bytes>,
}

/// Begin a round, or go on with it; returned is a request that has to wait.
pub(super) fn go(
    id: SessionId,
    cluster: &Cluster,
    view: &Rc<View>,
    mut held: Held,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<Held> {
    let session = delivery.sessions.get(id)?;
    if session.order.head() != held.ticket.sequence {
        return Some(held);
    }
    let Route::Cluster(route) = &mut session.route else { return None };
    let round = route.round.get_or_insert_with(|| {
        let address = |&node: &u16| view.nodes().get(usize::from(node)).map(|node| node.address.clone());
        let left = view.primaries().iter().filter_map(address).collect();
        let Held { ticket, frame, errand, .. } = &held;
        Box::new(Round { ticket: *ticket, frame: frame.clone(), errand: errand.clone(), left, answers: Vec::new() })
    });
    let mut trial = Trial::new(&held.ticket, delivery.now);
    trial.to = round.left.last().cloned();
    held.trial = Some(Box::new(trial));
    let waits = lease::go(id, cluster, view, held, Where::Any, delivery, granted);
    if waits.is_none()
        && let Some(session) = delivery.sessions.get(id)
        && let Route::Cluster(route) = &mut session.route
        && let Some(round) = &mut route.round
    {
        round.left.pop();
    }
    // It is no second attempt: what it is held with is found out anew.
    waits.map(|held| Held { trial: None, ..held })
}

impl ClusterRoute {
    /// Whether a request goes from node to node.
    #[inline]
    pub(in super::super) fn goes_round(&self, ticket: &Ticket) -> bool {
        self.round.as_ref().is_some_and(|round| round.ticket.sequence == ticket.sequence)
    }
}

impl Delivery<'_> {
    /// A node has answered a request that goes from node to node.
    pub(in super::super) fn answered_in_round(&mut self, ticket: &Ticket, answer: &[u8]) {
        let Some(session) = self.sessions.get(ticket.session) else { return };
        let Route::Cluster(route) = &mut session.route else { return };
        let Some(mut round) = route.round.take() else { return };
        round.answers.push(Bytes::copy_from_slice(answer));
        if reply::is_error(answer) && !round.left.is_empty() {
            let (ticket, frame, errand) = (round.ticket, round.frame.clone(), round.errand.clone());
            route.round = Some(round);
            session.held.push_front(Held { ticket, frame, errand, trial: None });
            return self.sessions.note(ticket.session);
        }
        let answers: Vec<&[u8]> = round.answers.iter().map(|answer| &answer[..]).collect();
        let frame = Gather::By(ResponsePolicy::OneSucceeded).gather(&answers);
        self.put_together(&round.ticket, frame.into());
    }
}
