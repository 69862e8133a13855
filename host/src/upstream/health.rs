//! Whether a server still answers, and what becomes of requests that wait for too long.

use std::time::{Duration, Instant};

use super::connection::{Connection, Phase};
use super::failure::Failure;
use super::pending::Pending;
use super::receiver::Receiver;
use crate::ids::{PathId, SessionId};

/// Whether the server still answers.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// How many bytes have ever been read.
    pub(super) read: u64,
    /// What `read` was when it was last looked at, and when it last changed.
    seen: (u64, Option<Instant>),
    /// Since when the server has worked at requests of bounded time: since the connection was ready, and since the last blocking command.
    fresh: Option<Instant>,
    /// A PING of the proxy's own is on its way, since then. Requests queue behind it.
    ping: Option<Instant>,
}

impl Health {
    /// What waits now has not been waited for until now.
    pub(super) fn begin(&mut self) {
        self.fresh = Some(Instant::now());
    }
}

impl Connection {
    /// A PING of the proxy's own is the oldest thing on its way.
    pub(super) fn awaits_pong(&self) -> bool {
        self.health.ping.is_some()
    }

    pub(super) fn pong(&mut self) {
        self.health.ping = None;
    }

    /// Look after a connection now and then: answer requests that have waited for longer than `timeout`, ask the server whether it is
    /// there once nothing was heard of it for `interval`, and give the connection up when it does not answer.
    pub fn tend(
        &mut self,
        now: Instant,
        timeout: Option<Duration>,
        interval: Option<Duration>,
        receiver: &mut impl Receiver,
    ) {
        let streaming = self.private.as_ref().is_some_and(|private| private.exchange.streaming);
        if self.phase != Phase::Ready || self.lost.is_some() || streaming {
            return;
        }
        if self.health.seen.0 != self.health.read || self.health.seen.1.is_none() {
            self.health.seen = (self.health.read, Some(now));
        }
        let quiet = self.health.seen.1.map_or(Duration::ZERO, |since| now - since);
        if let Some(timeout) = timeout {
            self.time_out(now, timeout, receiver);
            // Nothing at all for twice as long as any request may take: it will not come back.
            let oldest = self.pending.front().map(|oldest| self.age(oldest, now));
            let hangs = |age: Duration| age > 2 * timeout && quiet > timeout;
            if oldest.is_some_and(hangs) && !self.waits_patiently() {
                self.lose(format!("no reply within {timeout:?}"));
                return self.fail(receiver);
            }
        }
        let Some(interval) = interval else { return };
        match self.health.ping {
            Some(since) if now - since > interval => {
                self.lose(format!("no reply to PING within {interval:?}"));
                self.fail(receiver);
            }
            None if quiet >= interval && !self.is_busy() && self.out.is_empty() => {
                self.health.ping = Some(now);
                self.health.seen.1 = Some(now);
                self.out.push(b"*1\r\n$4\r\nPING\r\n");
                self.queued += 14;
                if let Some(kept) = &mut self.kept {
                    kept.answered(self.queued);
                }
                self.flush();
            }
            _ => {}
        }
    }

    /// For how long nothing has come from the server while a request of bounded time has waited for its reply.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        match self.pending.front() {
            Some(oldest) if self.phase == Phase::Ready && !self.waits_patiently() => {
                let quiet = self.health.seen.1.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                quiet.min(self.age(oldest, now))
            }
            _ => Duration::ZERO,
        }
    }

    /// How long a request has been the server's to answer.
    fn age(&self, pending: &Pending, now: Instant) -> Duration {
        let since = self.health.fresh.map_or(pending.since, |fresh| fresh.max(pending.since));
        now.saturating_duration_since(since)
    }

    /// Whether the oldest request may take as long as it likes.
    pub(super) fn waits_patiently(&self) -> bool {
        self.pending.front().is_some_and(|oldest| oldest.expect.is_patient())
    }

    /// Answer what has waited for too long, up to what may take as long as it likes; the late replies will find nobody.
    fn time_out(&mut self, now: Instant, timeout: Duration, receiver: &mut impl Receiver) {
        while let Some(waiting) = now.checked_sub(timeout).and_then(|moment| self.pipeline_limit.late(moment)) {
            receiver.failed(&waiting.ticket, Failure::NotSent);
        }
        let late = |pending: &&Pending| !pending.expect.is_patient() && self.age(pending, now) > timeout;
        let count = self.pending.iter().take_while(late).count();
        for pending in self.pending.iter_mut().take(count) {
            if pending.ticket.session != SessionId::NOBODY {
                receiver.failed(&pending.ticket, Failure::TimedOut);
                pending.ticket.session = SessionId::NOBODY;
                pending.ticket.trail = PathId::NONE;
            }
        }
    }
}
