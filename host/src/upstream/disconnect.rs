//! A connection that is lost: what becomes of the requests on it.

use std::collections::VecDeque;

use super::connection::{Connection, Phase, Private};
use super::failure::Failure;
use super::health::Health;
use super::pending::Pending;
use super::pipeline_limit::Waiting;
use super::receiver::{Cause, Receiver};
use super::replay_buffer::{ReplayBuffer, requests};
use super::reply_matching::Subscriptions;

/// What was lost with a private connection.
#[derive(Debug)]
pub enum Lost {
    /// Nothing that the session would miss.
    Nothing,
    /// Its subscriptions, which can be made again.
    Subscriptions(Subscriptions),
    /// What cannot be had again.
    More,
}

/// What became of a connection.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) reason: String,
    /// Whether the server did not accept its dependencies.
    pub(super) refused: bool,
}

impl Connection {
    pub(super) fn lose(&mut self, reason: String) {
        self.lost.get_or_insert(Loss { reason, refused: false });
        self.wake();
    }

    /// The connection is lost: every request in flight has failed, but for those that were not written, if it is to be established again.
    pub(super) fn fail(&mut self, receiver: &mut impl Receiver) {
        let Some(Loss { reason, refused }) = self.lost.take() else { return };
        let was_ready = matches!(self.phase, Phase::Ready);
        if was_ready && (self.private.is_none() || !self.pending.is_empty()) {
            tracing::warn!(upstream = &*self.server, %reason, in_flight = self.in_flight, "upstream connection lost");
        }
        if self.kept.is_some() && !refused {
            self.send_back(receiver);
        }
        let stays = self.private.is_none() && was_ready;
        let mut kept = VecDeque::new();
        for pending in std::mem::take(&mut self.pending) {
            let failure = if refused { Failure::Refused } else { Failure::of_lost(pending.begins < self.written) };
            if stays && failure.is_safe_to_repeat() {
                kept.push_back(pending);
            } else {
                receiver.failed(&pending.ticket, failure);
            }
        }
        if !stays {
            let failure = if refused { Failure::Refused } else { Failure::NotSent };
            for waiting in self.pipeline_limit.take() {
                receiver.failed(&waiting.ticket, failure);
            }
        }
        self.reset(kept);
        self.disown();
        if let Some(Private { owner, exchange, .. }) = &mut self.private {
            let lost = match std::mem::take(exchange) {
                exchange if !exchange.is_engaged() => Lost::Nothing,
                exchange if !refused => exchange.into_subscriptions().map_or(Lost::More, Lost::Subscriptions),
                _ => Lost::More,
            };
            if let Some(owner) = owner.take() {
                receiver.ended(owner, lost);
            }
        }
    }

    /// Every request that was written is in doubt; the others may be sent elsewhere.
    fn send_back(&mut self, receiver: &mut impl Receiver) {
        let Some(kept) = self.kept.take() else { return };
        for mut pending in std::mem::take(&mut self.pending) {
            let count = pending.ticket.count as usize;
            for (behind, request) in kept.from(pending.begins).skip(pending.done as usize).take(count) {
                let ticket = pending.ticket.split(1);
                if behind - (request.len() as u64) < self.written {
                    receiver.failed(&ticket, Failure::InDoubt);
                } else {
                    receiver.sent_back(&ticket, request, Cause::NotSent);
                }
            }
        }
        for Waiting { mut ticket, bytes, .. } in self.pipeline_limit.take() {
            for request in requests(&bytes) {
                receiver.sent_back(&ticket.split(1), request, Cause::NotSent);
            }
        }
        self.kept = Some(kept.emptied());
    }

    /// Be as new, but for what is `kept` of what was queued.
    fn reset(&mut self, kept: VecDeque<Pending>) {
        match kept.front() {
            None => {
                self.out.clear();
                self.queued = 0;
                self.kept = self.kept.as_ref().map(ReplayBuffer::emptied);
            }
            Some(first) => {
                let begins = first.begins;
                self.out.skip((begins - self.written) as usize);
                self.queued -= begins;
                self.pending = kept;
                self.pending.iter_mut().for_each(|pending| pending.begins -= begins);
            }
        }
        self.in_flight = self.pending.iter().map(|pending| pending.ticket.count as usize).sum();
        self.phase = match self.phase {
            _ if self.private.is_some() => Phase::Closed,
            Phase::Ready => Phase::Connecting,
            phase => phase,
        };
        self.socket = None;
        self.blocked = false;
        self.written = 0;
        self.forget_input();
        self.health = Health::default();
        self.wake();
    }

    /// It cannot be established or did not become what it was to be; until the next attempt, requests fail at once.
    pub(super) fn refused(&mut self, loss: Loss) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Down;
            self.refused = loss.refused;
            self.lost = Some(loss);
        }
    }

    /// Whether the turn has still to be told that it was lost.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }
}
