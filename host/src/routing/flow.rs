//! The route of one session: what waits, what replies will tell, and the connections in use.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::clients::Client;
use super::cluster::route::ClusterRoute;
use super::lease::Lease;
use super::replies::Pushes;
use super::request::QueuedRequest;
use super::session_state::{SharedState, StateChange};
use crate::ids::{Sequence, SessionId};
use crate::resp::reply;
use crate::upstream::{ConnectionRef, Identity, Subscriptions, Ticket};

/// Where the requests of one session go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(super) flow: Flow,
    pub(super) links: Links,
}

/// The requests of one session on their way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) id: SessionId,
    /// The position of its source, and so of its sink.
    pub(super) source: usize,
    /// The client as other clients know it.
    pub(super) client: Arc<Client>,
    /// Who the session is to the server.
    pub(super) state: SharedState,
    /// Requests that wait for a reply, or for a connection of their own.
    pub(super) queue: VecDeque<QueuedRequest>,
    /// Nothing is sent before everything in front of this is answered.
    pub(super) barrier: Sequence,
    /// Changes that were asked for, by the requests whose replies will tell.
    pub(super) changes: VecDeque<(Sequence, StateChange)>,
    /// The transforms that watch what comes by itself.
    pub(super) pushes: Option<Box<Pushes>>,
    /// Whether it waits for an exclusive connection to become free.
    pub(super) waiting: bool,
    /// What it was subscribed to on a connection that was lost.
    pub(super) lost_subscriptions: Option<Box<Subscriptions>>,
    /// Whether the session has been given its last answer: later requests are not looked at.
    pub(super) dismissed: bool,
    /// Whether the server was told that the client has gone, while a blocking command waits.
    pub(super) departed: bool,
    /// Whether replies name nodes whose addresses the client must not see.
    pub(super) rewrites: bool,
}

/// What the route of a new session begins with, by its sink.
pub(super) struct Beginning {
    pub(super) state: SharedState,
    pub(super) links: Links,
    pub(super) rewrites: bool,
}

/// The connections that a session uses.
#[derive(Debug)]
pub(crate) enum Links {
    /// None: the chain answers.
    Nowhere,
    /// One that it shares.
    Shared(ConnectionRef),
    /// One of its own.
    Exclusive(Box<Lease>),
    /// Those to the nodes of a cluster.
    Cluster(Box<ClusterRoute>),
}

impl Route {
    /// Who the session is to the server.
    pub(crate) fn state(&self) -> &SharedState {
        &self.flow.state
    }

    /// The route of a new session of the source at this position.
    pub(super) fn new(id: SessionId, source: usize, client: Arc<Client>, begins: Beginning) -> Self {
        let Beginning { state, links, rewrites } = begins;
        let flow = Flow {
            id,
            source,
            client,
            state,
            queue: VecDeque::new(),
            barrier: 0,
            changes: VecDeque::new(),
            pushes: None,
            waiting: false,
            lost_subscriptions: None,
            dismissed: false,
            departed: false,
            rewrites,
        };
        Self { flow, links }
    }

    /// Whether something may happen without a reply or a request: a queue that can go on, or an
    /// exclusive connection that is not needed any more.
    pub(crate) fn needs_poll(&self) -> bool {
        !self.flow.queue.is_empty() || self.links.needs_poll()
    }

    /// Whether the server sends the session what it does not ask for.
    pub(crate) fn listens(&self) -> bool {
        self.links.leases().any(|lease| lease.connection.borrow().is_engaged())
    }

    /// Whether a server does not accept what it is told of the session.
    pub(crate) fn is_refused(&self) -> bool {
        match &self.links {
            Links::Shared(connection) => connection.borrow().is_refused(),
            Links::Cluster(route) => route.is_refused(),
            Links::Nowhere | Links::Exclusive(_) => false,
        }
    }

    /// Tells the server that the client will send no more, where a blocking command waits. Whether
    /// that ends the command, or its reply is on its way already, only the server can tell.
    pub(crate) fn depart(&mut self) {
        if !self.flow.departed {
            let told = self.links.leases().any(|lease| lease.connection.borrow_mut().finish());
            self.flow.departed = told;
        }
    }

    /// Whether the reply to the requests of `ticket` can go straight to the worker.
    #[inline]
    pub(super) fn is_plain(&self, ticket: &Ticket) -> bool {
        self.flow.changes.is_empty()
            && !self.flow.rewrites
            && match &self.links {
                Links::Cluster(route) => route.is_plain(ticket),
                Links::Nowhere | Links::Shared(_) | Links::Exclusive(_) => true,
            }
    }

    /// The reply to a request has come: see [`Flow::confirm`].
    pub(super) fn confirm(
        &mut self,
        sequence: Sequence,
        frame: &[u8],
        beginning: impl FnOnce() -> Rc<Identity>,
    ) -> bool {
        let Self { flow, links } = self;
        flow.confirm(sequence, frame, beginning, |change, confirmed| match links {
            Links::Exclusive(lease) => lease.answered(sequence, change, confirmed),
            Links::Cluster(route) => route.answered(sequence, change, confirmed),
            Links::Nowhere | Links::Shared(_) => {}
        })
    }
}

impl Flow {
    /// Who the session is to the server.
    pub(super) fn identity(&self) -> Rc<Identity> {
        self.state.borrow().identity.clone()
    }

    /// What the request at this place has asked for.
    pub(super) fn change_of(&self, sequence: Sequence) -> Option<&StateChange> {
        let at = self.changes.binary_search_by_key(&sequence, |(of, _)| *of).ok()?;
        self.changes.get(at).map(|(_, change)| change)
    }

    /// Notes the change that the request at this place asks for.
    pub(super) fn expect_change(&mut self, sequence: Sequence, change: Option<StateChange>) {
        self.changes.extend(change.map(|change| (sequence, change)));
    }

    fn take_change(&mut self, sequence: Sequence) -> Option<StateChange> {
        // Not only the first: a local reply may come before what was sent in front of it.
        let at = self.changes.binary_search_by_key(&sequence, |(of, _)| *of).ok()?;
        self.changes.remove(at).map(|(_, change)| change)
    }

    /// The reply to a request has come: if it tells of a change, that is done. `beginning`: who a
    /// new session is. `answered` is told of each change, and whether it has happened. Returns
    /// whether the server's users have changed.
    pub(super) fn confirm(
        &mut self,
        sequence: Sequence,
        frame: &[u8],
        beginning: impl FnOnce() -> Rc<Identity>,
        mut answered: impl FnMut(&StateChange, bool),
    ) -> bool {
        let Some(change) = self.take_change(sequence) else { return false };
        let confirmed = change.is_confirmed_by(frame);
        let changes = match change {
            StateChange::Exec(_) if !confirmed => return false,
            StateChange::Exec(changes) => {
                let replies: Vec<&[u8]> = reply::elements(frame).collect();
                let confirms = |(at, change): (usize, StateChange)| {
                    let confirmed = replies.get(at).is_some_and(|reply| change.is_confirmed_by(reply));
                    (change, confirmed)
                };
                changes.into_iter().map(confirms).collect()
            }
            change => vec![(change, confirmed)],
        };
        let beginning = beginning();
        let mut users = false;
        for (change, confirmed) in changes {
            answered(&change, confirmed);
            users |= confirmed && matches!(change, StateChange::Users);
            if let StateChange::Kill { victims, .. } = &change
                && confirmed
            {
                victims.iter().for_each(|victim| victim.hang_up());
            }
            if confirmed {
                self.state.borrow_mut().apply(change, &beginning);
            }
        }
        users
    }

    /// There will be no replies to these requests: what they asked for may have been done or not. A
    /// MULTI or WATCH among them counts as done, for what stands behind it must not be executed as
    /// if it had never been sent. Returns whether who the session is was to change.
    pub(super) fn unconfirmed(&mut self, ticket: &Ticket) -> bool {
        let requests = ticket.sequence..ticket.sequence + u64::from(ticket.count);
        let mut decisive = false;
        self.changes.retain(|(of, change)| {
            let concerned = requests.contains(of);
            decisive |= concerned && change.is_decisive();
            !concerned
        });
        decisive
    }

    /// Holds back what comes later until everything in front of `sequence` is answered.
    pub(super) fn hold_behind(&mut self, sequence: Sequence) {
        self.barrier = self.barrier.max(sequence);
    }
}

impl Links {
    fn needs_poll(&self) -> bool {
        match self {
            Self::Nowhere | Self::Shared(_) => false,
            Self::Exclusive(_) => true,
            Self::Cluster(route) => route.needs_poll(),
        }
    }

    /// Writes what waits on the connections that the session has to itself.
    pub(super) fn flush(&self) {
        match self {
            Self::Nowhere => {}
            Self::Shared(connection) => connection.borrow_mut().flush(),
            Self::Exclusive(lease) => lease.connection.borrow_mut().flush(),
            Self::Cluster(route) => route.flush(),
        }
    }

    /// The connections that the session has to itself.
    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        let (own, of_cluster) = match self {
            Self::Exclusive(lease) => (Some(&**lease), None),
            Self::Cluster(route) => (None, Some(route.leases())),
            Self::Nowhere | Self::Shared(_) => (None, None),
        };
        own.into_iter().chain(of_cluster.into_iter().flatten())
    }
}
