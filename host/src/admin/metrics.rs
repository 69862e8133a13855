//! The metrics of the process, and the buckets of its histograms.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::catalogue;

/// Why metrics are not collected.
#[derive(Debug, thiserror::Error)]
#[error("cannot collect metrics: {0}")]
pub struct MetricsError(#[from] BuildError);

/// What has been measured; clones are the same.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Seconds: from what a crossing takes to what a stalled server takes.
const SECONDS: &[f64] = &[
    0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005,
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Bytes: powers of four from 64 B to 1 GiB.
const BYTES: &[f64] = &[
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

/// Everything else, such as frames in a vector: powers of two.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0, 8_192.0, 16_384.0, 32_768.0,
    65_536.0,
];

impl Metrics {
    /// Begins to collect what the process measures. What is measured before, or where this is not called, costs nothing and
    /// is lost.
    ///
    /// # Errors
    ///
    /// Something else in this process collects metrics already.
    pub fn collect() -> Result<Self, MetricsError> {
        let handle = builder()?.install_recorder()?;
        catalogue::describe();
        metrics::gauge!("sluice_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(handle))
    }

    /// All of them, as Prometheus text.
    pub(super) fn render(&self) -> String {
        self.0.render()
    }

    /// Sorts what was collected into buckets, so that it does not pile up between two scrapes.
    pub(super) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// A unit's suffix decides the buckets: the name of every histogram ends in `_seconds` or `_bytes`, or it counts something.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), BYTES)
}

/// Metrics that belong to no process, and what records into them.
#[cfg(test)]
pub(super) fn detached() -> (metrics_exporter_prometheus::PrometheusRecorder, Metrics) {
    #[allow(clippy::unwrap_used)]
    let recorder = builder().unwrap().build_recorder();
    let metrics = Metrics(recorder.handle());
    (recorder, metrics)
}
