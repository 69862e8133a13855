//! What a worker counts. See `docs/metrics.md` for the table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram, counter, histogram};

/// The metrics of one worker. Their handles are looked up once; a turn adds up by itself and writes at its end, so that a request
/// costs an addition.
pub(super) struct WorkerMetrics {
    sources: Vec<SourceMetrics>,
    failures: Counter,
    turns: Counter,
    turn_seconds: Histogram,
    failed: u64,
}

struct SourceMetrics {
    requests: Counter,
    latency: Histogram,
    vectors: Histogram,
    /// Answers of this turn that took equally long: how long, and how many.
    pending: (Duration, usize),
}

impl WorkerMetrics {
    pub(super) fn new(worker: u8, sources: impl Iterator<Item = Arc<str>>) -> Self {
        let worker = worker.to_string();
        Self {
            failures: counter!("sluice_upstream_failures_total", "worker" => worker.clone()),
            turns: counter!("sluice_turns_total", "worker" => worker.clone()),
            turn_seconds: histogram!("sluice_turn_seconds", "worker" => worker.clone()),
            sources: sources.map(|source| SourceMetrics::new(&worker, &source)).collect(),
            failed: 0,
        }
    }

    /// So many requests of a source were answered, each after so long.
    #[inline]
    pub(super) fn answered(&mut self, source: usize, count: u32, after: Duration) {
        let source = &mut self.sources[source];
        if source.pending.0 != after {
            source.write();
            source.pending.0 = after;
        }
        source.pending.1 += count as usize;
    }

    /// So many requests could not be answered by an upstream.
    pub(super) fn failed(&mut self, count: u32) {
        self.failed += u64::from(count);
    }

    /// A vector of so many requests begins its way through the chain of a source.
    pub(super) fn vector(&mut self, source: usize, requests: usize) {
        self.sources[source].vectors.record(requests as f64);
    }

    /// The turn that began at `since` ends.
    pub(super) fn turn(&mut self, since: Instant) {
        self.sources.iter_mut().for_each(SourceMetrics::write);
        self.turns.increment(1);
        self.turn_seconds.record(since.elapsed());
        if self.failed > 0 {
            self.failures.increment(std::mem::take(&mut self.failed));
        }
    }
}

impl SourceMetrics {
    fn new(worker: &str, source: &str) -> Self {
        let labels = [("worker", worker.to_owned()), ("source", source.to_owned())];
        Self {
            requests: counter!("sluice_requests_total", &labels),
            latency: histogram!("sluice_request_seconds", &labels),
            vectors: histogram!("sluice_vector_requests", &labels),
            pending: (Duration::ZERO, 0),
        }
    }

    fn write(&mut self) {
        let (after, count) = std::mem::take(&mut self.pending);
        if count > 0 {
            self.requests.increment(count as u64);
            self.latency.record_many(after, count);
        }
    }
}
