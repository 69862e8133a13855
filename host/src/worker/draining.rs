//! A worker that drains: its sessions end, all at once or one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ids::SessionId;

/// How a process that is told to end does so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Drain {
    /// How long it goes on as before, but for saying that it is not ready: so that load balancers
    /// look away first.
    pub delay: Duration,
    /// Over how long the ends of its sessions are spread, so that their clients do not all come to
    /// another proxy at once.
    pub spread: Duration,
    /// How long sessions may take to finish, from the end of `delay` on.
    pub timeout: Duration,
}

/// The sessions of a worker that are still to be ended.
#[derive(Debug)]
pub(super) struct Draining {
    began: Instant,
    spread: Duration,
    /// In the order in which they end.
    left: std::vec::IntoIter<SessionId>,
    count: usize,
    /// Told when no connection is left.
    done: Arc<Notify>,
}

impl Draining {
    /// These sessions end within `spread` from `now` on.
    pub(super) fn new(sessions: Vec<SessionId>, spread: Duration, now: Instant, done: Arc<Notify>) -> Self {
        let count = sessions.len();
        Self { began: now, spread, left: sessions.into_iter(), count, done }
    }

    /// The sessions whose end has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<SessionId> {
        let share = (now - self.began).as_secs_f64() / self.spread.as_secs_f64();
        // No spread at all: the share is not a number, or beyond any.
        let ended = if share < 1.0 { (share * self.count as f64) as usize } else { self.count };
        let due = ended.saturating_sub(self.count - self.left.len());
        self.left.by_ref().take(due).collect()
    }

    /// No connection is left.
    pub(super) fn done(&self) {
        self.done.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(count: usize) -> Vec<SessionId> {
        (0..count).map(|place| SessionId::new(0, place, 1)).collect()
    }

    #[test]
    fn sessions_end_evenly_within_the_time_and_all_of_them_at_its_end() {
        let now = Instant::now();
        let mut draining = Draining::new(sessions(10), Duration::from_secs(10), now, Arc::default());
        let mut ended = |after: u64| draining.due(now + Duration::from_millis(after)).len();
        assert_eq!([0, 999, 1000, 1500, 5000, 5000, 9999, 10_000, 20_000].map(&mut ended), [0, 0, 1, 0, 4, 0, 4, 1, 0]);
    }

    #[test]
    fn without_a_spread_all_end_at_once() {
        let now = Instant::now();
        let mut draining = Draining::new(sessions(3), Duration::ZERO, now, Arc::default());
        assert_eq!(draining.due(now), sessions(3));
    }
}
