//! The ledger of faults: a fault is held against the session that it happened for, and no other.
//!
//! A crossing carries the frames of many sessions. When it faults, each session's frames cross
//! again by themselves, and a fault of such a crossing is that session's own: it has a [`Breaker`]
//! of its own, and while that is open its frames do not cross. Its next success forgives it. So a
//! session that knows how to make a plugin fault can do that to itself only.
//!
//! A plugin that fails for [`EVERYONE`] sessions, one after the other and without one success in
//! between, is at fault itself, and suspended for all. After that it is tried again with as many
//! sessions as before: otherwise the one session that makes it fail could prolong the suspension of
//! the others.
//!
//! Each phase of a plugin has a ledger: otherwise a session whose responses make it fault would be
//! forgiven by its requests.
//!
//! What is remembered is bounded ([`REMEMBERED`] sessions) and expires ([`EXPIRY`]). Sessions that
//! have ended are not reported here: their IDs do not come again, so an entry of theirs does
//! nothing but take up its place until it expires.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::breaker::{Breaker, LONGEST};

/// How many different sessions in a row a plugin must fail for to be suspended for all. High,
/// because a client may open several connections; bounded, because each costs computing time up to
/// the limit `crossing`.
const EVERYONE: usize = 16;
/// The most sessions that are remembered. An instance has as many that are blamed at once only
/// under an attack.
const REMEMBERED: usize = 1024;
/// When a fault is forgotten though no success has forgiven it: not before the longest suspension
/// is well over.
const EXPIRY: Duration = LONGEST.saturating_mul(2);

/// The faults of one phase of an instance.
#[derive(Debug)]
pub(super) struct FaultLedger {
    sessions: HashMap<u64, Offender>,
    /// The sessions that it failed for since the last success. All are in `sessions`.
    in_a_row: Vec<u64>,
    everyone: Breaker,
    /// Whether there is anything to look at: the one thing that a crossing asks when nothing is
    /// wrong.
    troubled: bool,
    /// When entries were last looked through for those that have expired.
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Offender {
    breaker: Breaker,
    last: Instant,
}

/// Who is suspended because of a fault.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Suspension {
    /// How long the session is suspended.
    pub(super) session: Option<Duration>,
    /// How long everyone is.
    pub(super) everyone: Option<Duration>,
}

impl Default for FaultLedger {
    fn default() -> Self {
        Self {
            sessions: HashMap::new(),
            in_a_row: Vec::new(),
            everyone: Breaker::at_its_limit(),
            troubled: false,
            swept: None,
        }
    }
}

impl FaultLedger {
    /// Whether a fault is held against any session, or against all.
    #[inline]
    pub(super) fn is_troubled(&self) -> bool {
        self.troubled
    }

    /// How long the plugin must not be called at all.
    pub(super) fn everyone_suspended(&self, now: Instant) -> Option<Duration> {
        self.everyone.suspended(now)
    }

    /// Those of `sessions` that are suspended, sorted and each once, and how long the last of them
    /// will be.
    pub(super) fn suspended(&mut self, sessions: &[u64], now: Instant) -> Option<(Vec<u64>, Duration)> {
        self.sweep(now);
        let mut longest = Duration::ZERO;
        let mut suspended = Vec::new();
        for run in sessions.chunk_by(|a, b| a == b) {
            if let Some(left) = self.sessions.get(&run[0]).and_then(|offender| offender.breaker.suspended(now)) {
                suspended.push(run[0]);
                longest = longest.max(left);
            }
        }
        suspended.sort_unstable();
        suspended.dedup();
        (!suspended.is_empty()).then_some((suspended, longest))
    }

    /// A crossing that carried the frames of this session alone failed.
    pub(super) fn fault(&mut self, session: u64, now: Instant) -> Suspension {
        self.troubled = true;
        if self.sessions.len() >= REMEMBERED && !self.sessions.contains_key(&session) {
            self.forget_the_oldest();
        }
        let offender =
            self.sessions.entry(session).or_insert_with(|| Offender { breaker: Breaker::default(), last: now });
        offender.last = now;
        let mut suspension = Suspension { session: offender.breaker.fault(now), everyone: None };
        if !self.in_a_row.contains(&session) {
            self.in_a_row.push(session);
            if self.in_a_row.len() >= EVERYONE {
                self.in_a_row.clear();
                suspension.everyone = self.everyone.fault(now);
            }
        }
        suspension
    }

    /// A crossing of these sessions succeeded.
    pub(super) fn success(&mut self, sessions: &[u64]) {
        for run in sessions.chunk_by(|a, b| a == b) {
            self.sessions.remove(&run[0]);
        }
        self.in_a_row.clear();
        self.everyone = Breaker::at_its_limit();
        self.troubled = !self.sessions.is_empty();
    }

    /// Forgets what has expired. Looks at every entry, so it does that a few times in an expiry
    /// only.
    fn sweep(&mut self, now: Instant) {
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) < EXPIRY / 4 {
            return;
        }
        self.swept = Some(now);
        self.sessions.retain(|_, offender| now.saturating_duration_since(offender.last) < EXPIRY);
        self.in_a_row.retain(|session| self.sessions.contains_key(session));
        if self.sessions.is_empty() && self.everyone.suspended(now).is_none() {
            self.everyone = Breaker::at_its_limit();
            self.troubled = false;
        }
    }

    fn forget_the_oldest(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(_, offender)| offender.last).map(|(session, _)| *session);
        if let Some(session) = oldest {
            self.sessions.remove(&session);
            self.in_a_row.retain(|other| *other != session);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::breaker::{FIRST, TOLERATED};
    use super::*;

    /// A ledger in which session 7 is suspended.
    fn seven_suspended(now: Instant) -> FaultLedger {
        let mut ledger = FaultLedger::default();
        for _ in 0..TOLERATED {
            assert_eq!(ledger.fault(7, now), Suspension::default());
        }
        assert_eq!(ledger.fault(7, now), Suspension { session: Some(FIRST), everyone: None });
        ledger
    }

    #[test]
    fn a_session_is_suspended_alone() {
        let now = Instant::now();
        let mut ledger = seven_suspended(now);
        assert_eq!(ledger.suspended(&[1, 7, 7, 2, 7], now), Some((vec![7], FIRST)));
        assert_eq!(ledger.suspended(&[1, 2], now), None);
        assert_eq!(ledger.everyone_suspended(now), None);
    }

    #[test]
    fn however_often_one_session_faults_nobody_else_is_suspended() {
        let mut now = Instant::now();
        let mut ledger = FaultLedger::default();
        for _ in 0..1000 {
            now += ledger.fault(7, now).session.unwrap_or_default();
            assert_eq!(ledger.everyone_suspended(now), None);
        }
    }

    #[test]
    fn a_suspension_ends_and_a_success_forgives() {
        let now = Instant::now();
        let mut ledger = seven_suspended(now);
        assert_eq!(ledger.suspended(&[7], now + FIRST), None);
        assert_eq!(ledger.fault(7, now + FIRST).session, Some(FIRST * 2));
        ledger.success(&[6, 7, 8]);
        assert!(!ledger.is_troubled());
        assert_eq!(ledger.fault(7, now), Suspension::default());
    }

    #[test]
    fn the_success_of_another_does_not_forgive() {
        let now = Instant::now();
        let mut ledger = seven_suspended(now);
        ledger.success(&[6, 8]);
        assert!(ledger.is_troubled());
        assert_eq!(ledger.suspended(&[7], now), Some((vec![7], FIRST)));
    }

    #[test]
    fn a_plugin_that_fails_for_many_sessions_in_a_row_is_suspended_for_all() {
        let now = Instant::now();
        let mut ledger = FaultLedger::default();
        for session in 1..EVERYONE as u64 {
            assert_eq!(ledger.fault(session, now).everyone, None);
        }
        assert_eq!(ledger.fault(100, now).everyone, Some(FIRST));
        assert_eq!(ledger.everyone_suspended(now), Some(FIRST));
        // Then it is tried with as many again, and suspended for longer.
        let now = now + FIRST;
        assert_eq!(ledger.everyone_suspended(now), None);
        let suspensions: Vec<_> = (0..EVERYONE as u64).map(|n| ledger.fault(200 + n, now).everyone).collect();
        assert_eq!(suspensions.iter().flatten().collect::<Vec<_>>(), [&(FIRST * 2)]);
        assert!(suspensions.last().unwrap().is_some());
    }

    #[test]
    fn one_success_between_keeps_the_plugin_from_being_suspended_for_all() {
        let now = Instant::now();
        let mut ledger = FaultLedger::default();
        for session in 1..1000 {
            assert_eq!(ledger.fault(session, now).everyone, None);
            if session % (EVERYONE as u64 - 1) == 0 {
                ledger.success(&[0]);
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_expires() {
        let begun = Instant::now();
        let mut ledger = FaultLedger::default();
        for session in 0..10 * REMEMBERED as u64 {
            ledger.fault(session, begun + Duration::from_micros(session));
        }
        assert_eq!(ledger.sessions.len(), REMEMBERED);
        assert!(ledger.sessions.contains_key(&(10 * REMEMBERED as u64 - 1)), "the newest stay");
        ledger.suspended(&[1], begun);
        ledger.suspended(&[1], begun + EXPIRY * 2);
        assert!(ledger.sessions.is_empty() && !ledger.is_troubled());
    }
}
