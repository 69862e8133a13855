//! Where the requests of a source leave, whatever is there: what the worker does to all kinds alike.

use std::rc::Rc;
use std::time::Instant;

use super::change::SessionState;
use super::cluster::{self, ClusterRoute};
use super::deliver::Delivery;
use super::passage;
use super::plan::SinkPlan;
use super::session::{Route, Session};
use crate::bell::Bell;
use crate::ids::SessionId;
use crate::upstream::{Cluster, Identity, Ready, Single};

pub(super) enum Sink {
    Single(Box<Single>),
    Cluster(Box<Cluster>),
    Null,
}

impl Sink {
    pub(super) fn new(plan: &SinkPlan, ready: &Rc<Ready>, bell: &Rc<Bell>) -> Self {
        match plan {
            SinkPlan::Null => Self::Null,
            SinkPlan::Single(plan) | SinkPlan::Direct(plan) => Self::Single(Box::new(Single::new(plan, ready))),
            SinkPlan::Cluster(plan) => Self::Cluster(Box::new(Cluster::new(plan, ready, bell))),
        }
    }

    /// What a new session begins with.
    pub(super) fn begin(&self) -> (Route, SessionState) {
        let state = SessionState::new(self.identity());
        let route = match self {
            Self::Single(single) => Route::Shared(single.join(&state.identity)),
            Self::Cluster(_) => Route::Cluster(Box::new(ClusterRoute::new(state.identity.clone()))),
            Self::Null => Route::Nowhere,
        };
        (route, state)
    }

    /// What a session is before it has said anything.
    pub(super) fn identity(&self) -> Rc<Identity> {
        match self {
            Self::Single(single) => single.identity(),
            Self::Cluster(cluster) => cluster.identity(),
            Self::Null => Rc::default(),
        }
    }

    /// Whether requests that lie side by side may leave as one.
    pub(super) fn takes_several(&self) -> bool {
        match self {
            Self::Single(single) => !single.sends_one_by_one(),
            Self::Cluster(cluster) => !cluster.sends_one_by_one(),
            Self::Null => true,
        }
    }

    /// Whether a session is closed without an answer when its server fails it.
    pub(super) fn hangs_up(&self) -> bool {
        matches!(self, Self::Single(single) if single.hangs_up())
    }

    /// See [`Single::users_changed`].
    pub(super) fn users_changed(&self) {
        match self {
            Self::Single(single) => single.users_changed(),
            Self::Cluster(cluster) => cluster.users_changed(),
            Self::Null => {}
        }
    }

    /// Write what waits on the shared connections. Returns whether so much is left that no more should be read for it.
    pub(super) fn flush(&self) -> bool {
        match self {
            Self::Single(single) => {
                single.flush();
                single.is_congested()
            }
            Self::Cluster(cluster) => {
                cluster.flush();
                cluster.is_congested()
            }
            Self::Null => false,
        }
    }

    /// Let the requests of a session that wait go on, as far as they can.
    pub(super) fn pass(&self, id: SessionId, delivery: &mut Delivery<'_>) {
        match self {
            Self::Single(single) => passage::pass(id, single, delivery),
            Self::Cluster(cluster) => cluster::pass(id, cluster, delivery, None),
            Self::Null => {}
        }
    }

    /// Let sessions that wait for a private connection have those that are free.
    pub(super) fn lend(&self, delivery: &mut Delivery<'_>) {
        match self {
            Self::Single(single) => {
                single.settle();
                while let Some(session) = single.next_private() {
                    passage::granted(session, single, delivery);
                }
            }
            Self::Cluster(cluster) => {
                for node in cluster.nodes() {
                    node.connections.settle();
                    while let Some(session) = node.connections.next_private() {
                        cluster::granted(session, cluster, &node, delivery);
                    }
                }
            }
            Self::Null => {}
        }
    }

    /// Look after the upstream; to be called a few times a second.
    pub(super) fn tend(&self, now: Instant, delivery: &mut Delivery<'_>) {
        match self {
            Self::Single(single) => {
                single.tend(now, delivery);
                while let Some(session) = single.late_private(now) {
                    passage::denied(session, single, delivery);
                }
                // What stood behind a request that was denied.
                single.flush();
            }
            Self::Cluster(cluster) => {
                cluster.tend(now, delivery);
                for node in cluster.nodes() {
                    while let Some(session) = node.connections.late_private(now) {
                        cluster::denied(session, cluster, delivery);
                    }
                }
                cluster.flush();
            }
            Self::Null => {}
        }
    }

    /// The sessions whose time to be looked at has come.
    pub(super) fn take_due(&self) -> Vec<SessionId> {
        match self {
            Self::Cluster(cluster) => cluster.take_due(),
            Self::Single(_) | Self::Null => Vec::new(),
        }
    }

    /// Subscribe a session again that has lost the connection that it was subscribed on.
    pub(super) fn resubscribe(&self, id: SessionId, delivery: &mut Delivery<'_>) {
        match self {
            Self::Single(single) => passage::resubscribe(id, single, delivery),
            Self::Cluster(cluster) => cluster::resubscribe(id, cluster, delivery),
            Self::Null => {}
        }
    }

    /// A session is over.
    pub(super) fn leave(&self, session: &mut Session, delivery: &mut Delivery<'_>) {
        let head = session.order.head();
        match (&mut session.route, self) {
            (Route::Private(lease), _) => {
                lease.give_back().into_iter().for_each(|trail| delivery.trails.discard(trail));
            }
            (Route::Shared(_), Self::Single(single)) => single.leave(&session.state.identity),
            (Route::Cluster(route), _) => {
                route.leave(head).into_iter().for_each(|trail| delivery.trails.discard(trail));
            }
            _ => {}
        }
    }
}
