//! What keeps faulting is left alone for a while, and for longer each time.
//!
//! The first [`TOLERATED`] faults in a row cost nothing but a new instance. From then on each
//! further fault suspends whatever it is counted for, first for [`FIRST`] and then twice as long as
//! before, up to [`LONGEST`]. One success closes the breaker.

use std::time::{Duration, Instant};

/// Faults in a row that cost nothing but a new instance.
pub(super) const TOLERATED: u32 = 3;
/// The first suspension.
pub(super) const FIRST: Duration = Duration::from_millis(100);
/// The longest suspension.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// Counts faults in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    faults: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// One that tolerates nothing any more: the next fault suspends.
    pub(super) fn at_its_limit() -> Self {
        Self { faults: TOLERATED, until: None }
    }

    /// How long it is still suspended; `None` if it may be tried at once.
    pub(super) fn suspended(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// Something went wrong. Gives the suspension that it costs, if it costs one.
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
        let mut breaker = Breaker::at_its_limit();
        let pauses: Vec<_> = (0..40).filter_map(|_| breaker.fault(now)).collect();
        assert_eq!((pauses.len(), pauses[0]), (40, FIRST));
        assert_eq!(pauses[0] * 2, pauses[1]);
        assert_eq!(pauses.last(), Some(&LONGEST));
        assert!(pauses.is_sorted());
        assert_eq!(breaker.suspended(now + LONGEST), None);
    }
}
