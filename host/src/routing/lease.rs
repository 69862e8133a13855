//! A private connection in the hands of a session, and what the session needs it for.

use sluice_commands::ConnectionNeed;

use super::session_state::{SessionState, StateChange};
use crate::ids::{PathId, Sequence};
use crate::upstream::ConnectionRef;

/// A private connection that a session has been lent.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(super) connection: ConnectionRef,
    /// Behind the last request that had to run on it.
    until: Sequence,
    transaction: Option<Transaction>,
    /// WATCHes that are not answered yet, of those that no EXEC, DISCARD or UNWATCH has been sent behind.
    watches: Vec<Sequence>,
    /// Whether such a WATCH has been answered: keys are watched.
    watching: bool,
    tracking: bool,
    pinned: bool,
    /// Whether ASKING was the last request.
    asking: bool,
    /// Whether something was done to it that RESET does not undo.
    tainted: bool,
    /// Whether the server was told the session's library, which RESET leaves.
    labelled: bool,
    /// Whether the server was not told who the session is: it is for one request, for which that does not matter.
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
    changes: Vec<(usize, StateChange)>,
}

impl Lease {
    pub(super) fn new(connection: ConnectionRef, stranger: bool, state: &SessionState) -> Self {
        Self {
            connection,
            until: 0,
            transaction: None,
            watches: Vec::new(),
            watching: false,
            tracking: false,
            pinned: false,
            asking: false,
            tainted: state.identity.no_evict,
            labelled: state.profile.library.is_some() || state.profile.library_version.is_some(),
            stranger,
        }
    }

    /// The session needs it no longer. Returns the trails of what was in flight.
    pub(super) fn give_back(&self) -> Vec<PathId> {
        let mut connection = self.connection.borrow_mut();
        if self.tainted { connection.close().collect() } else { connection.give_back(self.labelled).collect() }
    }

    /// Whether it takes no more requests: it was for one that has been sent.
    pub(super) fn is_spent(&self) -> bool {
        self.stranger && self.until > 0
    }

    /// Whether the session needs it still, once everything before `head` is answered.
    pub(super) fn is_needed(&self, head: Sequence) -> bool {
        head < self.until
            || self.asking
            || self.holds_state()
            || (!self.is_spent() && self.connection.borrow().is_engaged())
    }

    /// Whether the server knows something of the session on it that cannot be told again on another one.
    pub(super) fn holds_state(&self) -> bool {
        self.transaction.is_some() || self.is_watching() || self.tracking || self.pinned
    }

    /// Whether the session keeps it for good.
    pub(super) fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// Whether keys are watched, or will be.
    pub(super) fn is_watching(&self) -> bool {
        self.watching || !self.watches.is_empty()
    }

    /// No keys are watched any more.
    pub(super) fn watch_nothing(&mut self) {
        self.watching = false;
        self.watches.clear();
    }

    /// Whether what is sent is only queued by the server, until EXEC.
    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The changes that wait for EXEC.
    pub(super) fn queued_changes(&self) -> impl Iterator<Item = &StateChange> {
        self.transaction.iter().flat_map(|transaction| transaction.changes.iter().map(|(_, change)| change))
    }

    /// The server was told MULTI before it was lent, for a transaction whose first request this is.
    pub(super) fn begin(&mut self, sequence: Sequence) {
        self.transaction = Some(Transaction { since: sequence, requests: 0, changes: Vec::new() });
    }

    /// A request is sent on it. Returns the change that its own reply will confirm.
    pub(super) fn sent(
        &mut self,
        sequence: Sequence,
        need: ConnectionNeed,
        change: Option<StateChange>,
    ) -> Option<StateChange> {
        if need != ConnectionNeed::Shared {
            self.until = sequence + 1;
        }
        self.asking = need == ConnectionNeed::Asking;
        if need == ConnectionNeed::Pin {
            (self.pinned, self.tainted) = (true, true);
        }
        match (need, change) {
            // It answers itself, in a transaction too.
            (_, change @ Some(StateChange::Refused(_))) => change,
            (_, Some(StateChange::Reset)) => {
                (self.transaction, self.tracking, self.pinned) = (None, false, false);
                self.watch_nothing();
                Some(StateChange::Reset)
            }
            (ConnectionNeed::Multi, change) if self.transaction.is_none() => {
                self.transaction = Some(Transaction { since: sequence, requests: 0, changes: Vec::new() });
                change
            }
            // Without a transaction the server refuses them, and goes on watching.
            (ConnectionNeed::Exec | ConnectionNeed::Discard, _) => {
                let changes = self.transaction.take()?.changes;
                self.watch_nothing();
                (need == ConnectionNeed::Exec && !changes.is_empty()).then_some(StateChange::Exec(changes))
            }
            // The server refuses them in a transaction, which they become no part of.
            (ConnectionNeed::Multi | ConnectionNeed::Watch, _) if self.transaction.is_some() => None,
            (_, change) if let Some(transaction) = &mut self.transaction => {
                transaction.changes.extend(change.map(|change| (transaction.requests, change)));
                transaction.requests += 1;
                None
            }
            (ConnectionNeed::Watch, change) => {
                self.watches.push(sequence);
                change
            }
            (ConnectionNeed::Unwatch, _) => {
                self.watch_nothing();
                None
            }
            (_, change) => change,
        }
    }

    /// The server has answered a request that asked for a change.
    pub(super) fn answered(&mut self, sequence: Sequence, change: &StateChange, confirmed: bool) {
        match change {
            StateChange::Tracking(on) if confirmed => self.tracking = *on,
            StateChange::NoEvict(_) => self.tainted |= confirmed,
            StateChange::Unknown if confirmed => (self.pinned, self.tainted) = (true, true),
            StateChange::Library(_) | StateChange::LibraryVersion(_) => self.labelled |= confirmed,
            StateChange::Multi
                if !confirmed && self.transaction.as_ref().is_some_and(|begun| begun.since == sequence) =>
            {
                self.transaction = None;
            }
            StateChange::Watch => {
                let known = self.watches.len();
                self.watches.retain(|&of| of != sequence);
                self.watching |= confirmed && self.watches.len() < known;
            }
            _ => {}
        }
    }
}
