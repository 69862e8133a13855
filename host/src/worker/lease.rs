//! A private connection in the hands of a session, and what the session needs it for.

use super::affinity::Affinity;
use super::change::Change;
use crate::ids::Sequence;
use crate::upstream::ConnectionRef;

/// A private connection that a session has been lent.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) connection: ConnectionRef,
    /// Behind the last request that had to run on it.
    until: Sequence,
    transaction: Option<Transaction>,
    /// The WATCH since which keys are watched.
    watching: Option<Sequence>,
    tracking: bool,
    pinned: bool,
    /// Whether the server was told who the session was in the beginning, and not who it is: for one request that says so itself.
    stranger: bool,
}

/// Between MULTI and EXEC, as far as the requests are concerned that have been sent.
#[derive(Debug)]
struct Transaction {
    /// The MULTI.
    since: Sequence,
    /// How many requests it has.
    requests: usize,
    /// What some of them will change, if EXEC executes them.
    changes: Vec<(usize, Change)>,
}

impl Lease {
    pub(super) fn new(connection: ConnectionRef, stranger: bool) -> Self {
        Self { connection, until: 0, transaction: None, watching: None, tracking: false, pinned: false, stranger }
    }

    /// Whether it takes no more requests: it was for one that has been sent.
    pub(super) fn is_spent(&self) -> bool {
        self.stranger && self.until > 0
    }

    /// Whether the session needs it still, once everything before `head` is answered.
    pub(super) fn is_needed(&self, head: Sequence) -> bool {
        head < self.until || self.holds_state() || (!self.is_spent() && self.connection.borrow().is_engaged())
    }

    /// Whether the server knows something of the session on it that cannot be told again on another one.
    pub(super) fn holds_state(&self) -> bool {
        self.transaction.is_some() || self.watching.is_some() || self.tracking || self.pinned
    }

    /// Whether what is sent is only queued by the server, until EXEC.
    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// A request is sent on it. Returns the change that its own reply will confirm.
    pub(super) fn sent(&mut self, sequence: Sequence, affinity: Affinity, change: Option<Change>) -> Option<Change> {
        if affinity != Affinity::Shared {
            self.until = sequence + 1;
        }
        match (affinity, change) {
            (_, Some(Change::Reset)) => {
                (self.transaction, self.watching, self.tracking) = (None, None, false);
                Some(Change::Reset)
            }
            (Affinity::Multi, change) if self.transaction.is_none() => {
                self.transaction = Some(Transaction { since: sequence, requests: 0, changes: Vec::new() });
                change
            }
            (Affinity::Exec, _) => {
                self.watching = None;
                let changes = self.transaction.take()?.changes;
                (!changes.is_empty()).then_some(Change::Exec(changes))
            }
            (Affinity::Discard, _) => {
                (self.transaction, self.watching) = (None, None);
                None
            }
            (_, change) if let Some(transaction) = &mut self.transaction => {
                transaction.changes.extend(change.map(|change| (transaction.requests, change)));
                transaction.requests += 1;
                None
            }
            (Affinity::Watch, change) => {
                self.watching.get_or_insert(sequence);
                change
            }
            (Affinity::Unwatch, _) => {
                self.watching = None;
                None
            }
            (Affinity::Pin, _) => {
                self.pinned = true;
                None
            }
            (_, change) => change,
        }
    }

    /// The server has answered a request that asked for a change.
    pub(super) fn answered(&mut self, sequence: Sequence, change: &Change, confirmed: bool) {
        match change {
            Change::Tracking(on) if confirmed => self.tracking = *on,
            Change::Multi if !confirmed && self.transaction.as_ref().is_some_and(|begun| begun.since == sequence) => {
                self.transaction = None;
            }
            Change::Watch if !confirmed && self.watching == Some(sequence) => self.watching = None,
            _ => {}
        }
    }
}
