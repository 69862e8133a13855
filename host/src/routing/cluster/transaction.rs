//! A transaction of a session in a cluster: what has been sent of it, and what has come of that.

use std::time::Instant;

use bytes::Bytes;
use sluice_commands::{CommandId, ConnectionNeed};

use super::super::lease::Lease;
use super::super::request::RequestInfo;
use super::super::session_state::StateChange;
use super::node_lease::NodeLease;
use super::retry::{Retry, Verdict};
use crate::chain::Answer;
use crate::cluster::{Slot, Target};
use crate::ids::{PathId, Sequence};
use crate::resp::Protocol;
use crate::upstream::{Cause, Cluster, Failure, Ticket};

/// A transaction of a session.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Where its keys lie, as far as they are known.
    pub(super) slot: Option<Slot>,
    pub(super) lease: Option<NodeLease>,
    /// Whether its node watches keys for it, until EXEC is answered: a node that refuses EXEC has not looked at them.
    pub(super) watches: bool,
    /// What has been sent of it, in order: behind MULTI, and EXEC at last.
    pub(super) entries: Vec<Entry>,
    /// What EXEC answers, whatever the servers would say.
    pub(super) verdict: Option<Bytes>,
    /// What has come of it, where it is to be sent again.
    pub(super) retry: Option<Retry>,
    /// Whether `retry` is to be followed.
    pub(super) moves: bool,
    /// What has come of it so far.
    pub(super) tried: Option<Retry>,
    /// Whether the server did not take MULTI.
    pub(super) refused: bool,
    /// Whether a request of it has failed before EXEC was sent.
    pub(super) lost: bool,
}

/// One of its requests.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) ticket: Ticket,
    pub(super) frame: Bytes,
    pub(super) info: RequestInfo,
}

pub(super) const EXEC_ABORT: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";
pub(super) const CROSS_SLOT: &[u8] = b"-CROSSSLOT Keys in request don't hash to the same slot\r\n";

/// What EXEC answers when keys that were watched may have changed.
pub(super) fn null(protocol: Protocol) -> Bytes {
    Bytes::from_static(match protocol {
        Protocol::Resp2 => b"*-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    })
}

impl Transaction {
    pub(super) fn new(lease: Option<NodeLease>) -> Self {
        Self {
            slot: None,
            lease,
            watches: false,
            entries: Vec::new(),
            verdict: None,
            retry: None,
            moves: false,
            tried: None,
            refused: false,
            lost: false,
        }
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref().map(|lease| &*lease.lease)
    }

    /// The trails of its requests from `head` on.
    pub(super) fn trails(&self, head: Sequence) -> impl Iterator<Item = PathId> + '_ {
        self.entries.iter().filter(move |entry| entry.ticket.sequence >= head).map(|entry| entry.ticket.trail)
    }

    pub(super) fn into_lease(self) -> Option<NodeLease> {
        self.lease
    }

    pub(super) fn answered(&mut self, sequence: Sequence, change: &StateChange, confirmed: bool) {
        self.refused |= matches!(change, StateChange::Multi) && !confirmed;
        if let Some(lease) = &mut self.lease {
            lease.lease.answered(sequence, change, confirmed);
        }
    }

    /// Whether a request is one of it.
    pub(super) fn has(&self, ticket: &Ticket) -> bool {
        self.entries.iter().any(|entry| entry.ticket.sequence == ticket.sequence)
    }

    /// Whether EXEC was sent.
    pub(super) fn is_executing(&self) -> bool {
        self.entries.last().is_some_and(|entry| entry.info.need == ConnectionNeed::Exec)
    }

    /// Whether replies to it do not count: it is to be sent again.
    pub(super) fn is_moving(&self) -> bool {
        self.moves
    }

    pub(super) fn target(&self) -> Target {
        self.slot.map_or(Target::Anywhere, Target::To)
    }

    /// One of its requests has come back: nothing of it was executed, and all of it is sent again.
    pub(super) fn come_back(&mut self, cause: Cause<'_>, cluster: &Cluster, now: Instant) {
        if self.moves {
            return;
        }
        self.moves = true;
        let first = self.entries.first().map(|entry| entry.ticket);
        let retry = self.tried.take().or_else(|| first.map(|ticket| Retry::new(&ticket, now)));
        let Some(mut retry) = retry else { return };
        // Before its slot is known, only what nobody knows can be sent elsewhere.
        let command = CommandId::UNKNOWN;
        match retry.judge(cause, command, &self.target(), cluster, now) {
            Verdict::Again => self.retry = Some(retry),
            Verdict::Answer(answer) => self.verdict = Some(answer.frame),
        }
    }

    /// One of its requests has failed. Returns whether nothing of it was executed, so that all of it is sent again.
    pub(super) fn failed(&mut self, failure: Failure) -> bool {
        let again = self.moves || failure == Failure::NotSent || (!self.is_executing() && failure != Failure::Refused);
        self.lost |= again;
        if !again && !self.is_executing() {
            // Its client is told that it was not sent.
            self.spoil();
        }
        again
    }

    /// A request of it is answered with an error and will not be queued: EXEC is refused, as it is by a server.
    pub(super) fn spoil(&mut self) {
        self.verdict.get_or_insert(Bytes::from_static(EXEC_ABORT));
    }

    /// No connection is to be had for it. Returns whether that is all that waits for one.
    pub(super) fn denied(&mut self) -> bool {
        if self.moves {
            self.retry = None;
            self.verdict = Some(Answer::error(&Failure::NoConnection.to_string()).frame);
        } else {
            self.spoil();
        }
        self.moves
    }
}
