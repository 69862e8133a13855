//! How many sessions there are, and where: so that a new one goes to the worker with the fewest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Gauge, gauge};

/// The sessions of all workers.
#[derive(Debug)]
pub(super) struct Workers(Box<[AtomicUsize]>);

impl Workers {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self((0..count).map(|_| AtomicUsize::new(0)).collect()))
    }

    /// The worker with the fewest sessions.
    pub(super) fn fewest(&self) -> usize {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.min_by_key(|(_, count)| *count).map_or(0, |(worker, _)| worker)
    }
}

/// The sessions of one source.
pub(super) struct ConnectionCounts {
    workers: Arc<Workers>,
    here: AtomicUsize,
    limit: usize,
    gauge: Gauge,
}

impl ConnectionCounts {
    pub(super) fn new(source: &str, limit: usize, workers: &Arc<Workers>) -> Arc<Self> {
        let gauge = gauge!("sluice_sessions", "source" => source.to_owned());
        gauge.set(0.0);
        Arc::new(Self { workers: workers.clone(), here: AtomicUsize::new(0), limit, gauge })
    }

    /// A new session comes: the worker that it goes to; `None` if there are as many as there may be. Only the acceptor calls this.
    pub(super) fn enter(&self) -> Option<usize> {
        if self.here.load(Ordering::Relaxed) >= self.limit {
            return None;
        }
        let worker = self.workers.fewest();
        self.here.fetch_add(1, Ordering::Relaxed);
        self.workers.0[worker].fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
        Some(worker)
    }

    /// A session of `worker` has gone.
    pub(super) fn leave(&self, worker: usize) {
        self.here.fetch_sub(1, Ordering::Relaxed);
        self.workers.0[worker].fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1.0);
    }
}
