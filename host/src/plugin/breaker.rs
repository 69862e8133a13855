//! A plugin that keeps faulting is left alone for a while, and for longer each time.
//!
//! An instance may fault [`TOLERATED`] times in a row and is simply started anew. From then on each further fault suspends it,
//! first for [`FIRST`] and then twice as long as before, up to [`LONGEST`]. One success closes the breaker.

use std::time::{Duration, Instant};

/// Faults in a row that cost nothing but a new instance.
const TOLERATED: u32 = 3;
/// The first suspension.
const FIRST: Duration = Duration::from_millis(100);
/// The longest suspension.
const LONGEST: Duration = Duration::from_secs(30);

/// Counts faults in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    faults: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// How long the plugin must not be called; `None` if it may be called at once.
    pub(super) fn suspended(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// Whether nothing has gone wrong since the last success.
    pub(super) fn is_closed(&self) -> bool {
        self.faults == 0
    }

    /// A crossing succeeded.
    pub(super) fn success(&mut self) {
        *self = Breaker::default();
    }

    /// A crossing failed. Gives how long the plugin is now suspended, if it is.
    pub(super) fn fault(&mut self, now: Instant) -> Option<Duration> {
        self.faults = self.faults.saturating_add(1);
        let beyond = self.faults.checked_sub(TOLERATED + 1)?;
        let pause = FIRST.saturating_mul(2u32.saturating_pow(beyond)).min(LONGEST);
        self.until = now.checked_add(pause);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_faults_are_tolerated() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..TOLERATED {
            assert_eq!(breaker.fault(now), None);
            assert_eq!(breaker.suspended(now), None);
        }
        assert_eq!(breaker.fault(now), Some(FIRST));
        assert_eq!(breaker.suspended(now), Some(FIRST));
    }

    #[test]
    fn suspensions_double_up_to_a_cap_and_end() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let pauses: Vec<_> = (0..40).filter_map(|_| breaker.fault(now)).collect();
        assert_eq!(pauses[0] * 2, pauses[1]);
        assert_eq!(pauses.last(), Some(&LONGEST));
        assert!(pauses.is_sorted());
        assert_eq!(breaker.suspended(now + LONGEST), None);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_success_forgives_everything() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.fault(now);
        }
        breaker.success();
        assert!(breaker.is_closed());
        assert_eq!(breaker.suspended(now), None);
        assert_eq!(breaker.fault(now), None);
    }
}
