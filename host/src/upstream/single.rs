//! `ValkeySinkSingle`: one server.

use std::cell::Cell;
use std::rc::Rc;

use super::connection::ConnectionRef;
use super::dial::{Lifetime, Ready, Target, open};
use crate::ids::SessionId;

/// The connections of one worker to one server.
#[derive(Debug)]
pub struct Single {
    target: Target,
    ready: Rc<Ready>,
    shared: Vec<ConnectionRef>,
    next: Cell<usize>,
}

/// How much may wait to be written to a shared connection before its sessions are read no more, in bytes.
const CONGESTED: usize = 64 * 1024 * 1024;

impl Single {
    /// Connect to `target` with `connections` (at least one) connections that sessions share.
    pub fn new(target: Target, connections: usize, ready: &Rc<Ready>) -> Self {
        let shared = (0..connections.max(1)).map(|_| open(&target, Lifetime::Shared, ready)).collect();
        Self { target, ready: ready.clone(), shared, next: Cell::new(0) }
    }

    /// The shared connection that a new session is to use, by its position: it uses no other, so that its requests stay in order.
    pub fn assign(&self) -> usize {
        let next = (self.next.get() + 1) % self.shared.len();
        self.next.replace(next)
    }

    /// The shared connection at a position that [`Single::assign`] gave.
    pub fn shared(&self, at: usize) -> &ConnectionRef {
        &self.shared[at % self.shared.len()]
    }

    /// A connection for one session alone.
    pub fn private(&self, session: SessionId) -> ConnectionRef {
        open(&self.target, Lifetime::Private(session), &self.ready)
    }

    /// Write what waits on the shared connections.
    pub fn flush(&self) {
        for connection in &self.shared {
            connection.borrow_mut().flush();
        }
    }

    /// Whether so much waits to be written that no more should be read for it.
    pub fn is_congested(&self) -> bool {
        self.shared.iter().any(|connection| connection.borrow().backlog() > CONGESTED)
    }
}
