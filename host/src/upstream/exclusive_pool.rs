//! The private connections of a worker to a sink: a bounded pool, lent to sessions for as long as they need one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, ConnectionRef, Phase, Private};
use super::dial::{Ready, Servers, lend};
use super::identity::{Greeting, Identity, Opening, Own, Profile};
use super::pipeline_limit::{InFlight, PipelineLimit, Pipelining};
use super::reply_matching::{ReplyMatching, Subscriptions};
use super::server_ids::ServerIds;
use crate::ids::SessionId;

/// The bounds of a pool of private connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrivateLimits {
    /// The most connections, for each worker.
    pub limit: usize,
    /// The most that are kept while no session needs them, for each worker.
    pub idle: usize,
    /// How long a session waits for one.
    pub wait: Duration,
}

impl Default for PrivateLimits {
    fn default() -> Self {
        Self { limit: 1000, idle: 16, wait: Duration::from_secs(5) }
    }
}

/// A pool of private connections.
#[derive(Debug)]
pub(super) struct ExclusivePool {
    servers: Rc<Servers>,
    ready: Rc<Ready>,
    limits: PrivateLimits,
    /// All that are not closed, those that are lent included.
    all: RefCell<Vec<ConnectionRef>>,
    /// Sessions that wait for one, since when.
    queue: RefCell<VecDeque<(SessionId, Instant)>>,
    /// Whether one may have become free since the queue was looked at.
    stirred: Cell<bool>,
}

/// What a session says of itself to its private connection.
#[derive(Clone, Copy, Debug)]
pub struct Introduction<'a> {
    /// Whose it is to be.
    pub session: SessionId,
    /// What its commands depend on.
    pub identity: &'a Identity,
    /// The rest.
    pub profile: &'a Profile,
    /// Where the IDs are kept that servers know the session by.
    pub ids: &'a Arc<ServerIds>,
    /// Whether the connection is to be used whatever the server makes of that. RESP3 is refused to a nobody that AUTH is about to make
    /// somebody, and SELECT while a script runs that SCRIPT KILL is to end.
    pub ignore_handshake_errors: bool,
    /// What is said last.
    pub opening: Opening,
}

impl ExclusivePool {
    pub(super) fn new(servers: Rc<Servers>, ready: Rc<Ready>, limits: PrivateLimits) -> Self {
        let (all, queue) = (RefCell::default(), RefCell::default());
        Self { servers, ready, limits, all, queue, stirred: Cell::new(false) }
    }

    /// A connection for a session; `None`: there is none now, the session is in the queue and will be given by [`ExclusivePool::next`].
    pub(super) fn lend(
        &self,
        of: Introduction<'_>,
        subscriptions: Option<Subscriptions>,
        now: Instant,
    ) -> Option<ConnectionRef> {
        if !self.queue.borrow().is_empty() {
            self.queue.borrow_mut().push_back((of.session, now));
            return None;
        }
        let lent = self.try_lend(of, subscriptions);
        if lent.is_none() {
            self.queue.borrow_mut().push_back((of.session, now));
        }
        lent
    }

    /// As [`ExclusivePool::lend`], for a session that [`ExclusivePool::next`] gave.
    pub(super) fn try_lend(&self, of: Introduction<'_>, subscriptions: Option<Subscriptions>) -> Option<ConnectionRef> {
        let mut all = self.all.borrow_mut();
        let idle = all.iter().find(|connection| connection.borrow().phase() == Phase::Idle).cloned();
        if idle.is_none() && all.len() >= self.limits.limit {
            return None;
        }
        let labelled = idle.as_ref().is_some_and(|connection| connection.borrow().labelled);
        let known = idle.as_ref().is_some_and(|connection| connection.borrow().server_id.is_some());
        let mut greeting = Greeting::private(of.identity, of.profile, labelled, known);
        if of.ignore_handshake_errors {
            greeting.forgive();
        }
        if idle.is_none() && self.servers.are_several() {
            greeting.add(Own::Role, &[b"ROLE"]);
        }
        greeting.open(of.opening);
        let subscriptions = subscriptions.unwrap_or_default();
        // Behind everything else: there is little that a subscriber may say.
        greeting.subscribe(&subscriptions);
        let exchange = ReplyMatching::new(of.identity.protocol, subscriptions);
        let private = Private { owner: Some(of.session), exchange, ids: Some(of.ids.clone()) };
        if let Some(connection) = idle {
            connection.borrow_mut().take(greeting, private);
            return Some(connection);
        }
        // Nobody else's requests are on it: it needs no bounds beyond those of its session.
        let gate = PipelineLimit::new(Pipelining::Auto, InFlight { requests: usize::MAX, bytes: usize::MAX });
        let connection = Connection::new(self.servers.current(), gate, self.servers.kept(), greeting, Some(private));
        let connection = Rc::new(RefCell::new(connection));
        tokio::task::spawn_local(lend(connection.clone(), self.servers.clone(), self.ready.clone()));
        all.push(connection.clone());
        Some(connection)
    }

    /// Look at what has become of a connection of the pool, whatever it was.
    pub(super) fn settle(&self) {
        let mut idle = 0;
        self.all.borrow_mut().retain(|connection| {
            let mut connection = connection.borrow_mut();
            if connection.phase() == Phase::Idle {
                idle += 1;
                if idle > self.limits.idle && self.queue.borrow().is_empty() {
                    let _ = connection.close();
                }
            }
            connection.phase() != Phase::Closed
        });
        self.stirred.set(true);
    }

    /// Close what waits for a session.
    pub(super) fn close_idle(&self) {
        for connection in &*self.all.borrow() {
            // The one that is being looked at is not idle.
            if let Ok(mut connection) = connection.try_borrow_mut()
                && connection.phase() == Phase::Idle
            {
                let _ = connection.close();
            }
        }
    }

    /// A session from the queue whose turn has come; it must [`ExclusivePool::try_lend`] if it still wants one.
    pub(super) fn next(&self) -> Option<SessionId> {
        if !self.stirred.get() {
            return None;
        }
        let all = self.all.borrow();
        if all.len() >= self.limits.limit && !all.iter().any(|connection| connection.borrow().phase() == Phase::Idle) {
            self.stirred.set(false);
            return None;
        }
        let next = self.queue.borrow_mut().pop_front();
        self.stirred.set(next.is_some());
        next.map(|(session, _)| session)
    }

    /// A session that has waited for too long, taken from the queue.
    pub(super) fn late(&self, now: Instant) -> Option<SessionId> {
        let mut queue = self.queue.borrow_mut();
        let &(session, since) = queue.front()?;
        (now.duration_since(since) > self.limits.wait).then(|| {
            queue.pop_front();
            session
        })
    }

    /// Whether any session waits for one.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// All connections.
    pub(super) fn all(&self) -> Vec<ConnectionRef> {
        self.all.borrow().clone()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_connection_in_the_middle_of_a_message_is_not_handed_on() {
        for (input, phase) in [(&b""[..], Phase::Reset), (b"*3\r\n$7\r\nmessage\r\n", Phase::Closed)] {
            let private = Private { owner: Some(SessionId(1)), exchange: ReplyMatching::default(), ids: None };
            let gate = PipelineLimit::new(Pipelining::Auto, InFlight::default());
            let mut connection = Connection::new("server".into(), gate, None, Greeting::default(), Some(private));
            connection.ready(None, input, None);
            assert_eq!(connection.give_back(false).count(), 0);
            assert_eq!(connection.phase(), phase);
        }
    }
}
