//! Whether clients may be sent here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether clients may be sent here; clones are the same one. It begins as starting, becomes ready,
/// and ends as draining.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// All listeners accept. Has no effect once draining has begun.
    pub fn ready(&self) {
        // Fails exactly when it is not starting, and then nothing is to be done.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::Release, Ordering::Relaxed);
    }

    /// No new clients are wanted.
    pub fn draining(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Whether clients may be sent here, or why not.
    ///
    /// # Errors
    ///
    /// The reason, for the operator.
    pub fn check(&self) -> Result<(), &'static str> {
        match self.0.load(Ordering::Acquire) {
            STARTING => Err("starting: not every listener accepts yet"),
            READY => Ok(()),
            _ => Err("draining: sessions are finishing before the process ends"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drains_is_never_ready_again() {
        let readiness = Readiness::default();
        assert!(readiness.check().is_err_and(|reason| reason.starts_with("starting")));
        readiness.ready();
        assert_eq!(readiness.check(), Ok(()));
        readiness.clone().draining();
        readiness.ready();
        assert!(readiness.check().is_err_and(|reason| reason.starts_with("draining")));
    }
}
