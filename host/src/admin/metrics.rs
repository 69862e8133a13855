//! The metrics of the process: counters and gauges are the exporter's, histograms are our own.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::catalogue;
use super::histogram::Histograms;

/// Why metrics are not collected.
#[derive(Debug, thiserror::Error)]
#[error("cannot collect metrics: something else in this process does already")]
pub struct MetricsError;

/// What has been measured; clones are the same.
#[derive(Clone)]
pub struct Metrics {
    exporter: PrometheusHandle,
    histograms: Arc<Histograms>,
}

impl Metrics {
    /// Begins to collect what the process measures. What is measured before, or where this is not called, costs nothing and
    /// is lost.
    ///
    /// # Errors
    ///
    /// Something else in this process collects metrics already.
    pub fn collect() -> Result<Self, MetricsError> {
        let (collector, metrics) = detached();
        metrics::set_global_recorder(collector).map_err(|_| MetricsError)?;
        catalogue::describe();
        metrics::gauge!("sluice_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(metrics)
    }

    /// All of them, as Prometheus text.
    pub(super) fn render(&self) -> String {
        let mut text = self.exporter.render();
        self.histograms.render(&mut text);
        text
    }
}

/// What measurements are given to.
pub(super) struct Collector {
    exporter: PrometheusRecorder,
    histograms: Arc<Histograms>,
}

/// Metrics that belong to no process yet, and what collects them.
pub(super) fn detached() -> (Collector, Metrics) {
    let exporter = PrometheusBuilder::new().build_recorder();
    let histograms = Arc::<Histograms>::default();
    let metrics = Metrics { exporter: exporter.handle(), histograms: histograms.clone() };
    (Collector { exporter, histograms }, metrics)
}

/// The explanation of a metric that a plugin has registered.
const OF_A_PLUGIN: &str = "Measured by a plugin, which knows what it means.";

fn is_of_a_plugin(key: &Key) -> bool {
    key.name().starts_with("sluice_plugin_")
}

impl Recorder for Collector {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.exporter.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.exporter.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.histograms.describe(name.as_str(), &help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        if is_of_a_plugin(key) {
            self.describe_counter(KeyName::from(key.name().to_owned()), None, OF_A_PLUGIN.into());
        }
        self.exporter.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        if is_of_a_plugin(key) {
            self.describe_gauge(KeyName::from(key.name().to_owned()), None, OF_A_PLUGIN.into());
        }
        self.exporter.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if is_of_a_plugin(key) {
            self.histograms.describe(key.name(), OF_A_PLUGIN);
        }
        Histogram::from_arc(self.histograms.register(key))
    }
}
