//! How long to wait before a server is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Doubles from 50 ms to 2 s, each time shortened by up to a quarter, so that workers that lost a server together do not come back
/// together.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
}

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

impl BackOff {
    /// Another failure: how long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        // Every hasher has keys of its own: a random number without a generator.
        let spread = RandomState::new().build_hasher().finish() % 250;
        wait - wait.mul_f64(spread as f64 / 1000.0)
    }

    /// It worked: begin anew.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut back_off = BackOff::default();
        let waits: Vec<Duration> = (0..12).map(|_| back_off.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[11] <= LONGEST && waits[11] >= LONGEST.mul_f64(0.75));
        back_off.reset();
        assert!(back_off.next() <= FIRST);
    }
}
