//! The metrics of the process: counters and gauges are the exporter's, histograms are our own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder, formatting};

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
    explanations: Arc<Explanations>,
}

impl Metrics {
    /// Begins to collect what the process measures. What is measured before, or where this is not
    /// called, costs nothing and is lost.
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
        let mut text = self.explanations.put_into(&self.exporter.render());
        self.histograms.render(&mut text);
        text
    }
}

/// What measurements are given to.
pub(super) struct Collector {
    exporter: PrometheusRecorder,
    histograms: Arc<Histograms>,
    explanations: Arc<Explanations>,
}

/// Metrics that belong to no process yet, and what collects them.
pub(super) fn detached() -> (Collector, Metrics) {
    let exporter = PrometheusBuilder::new().build_recorder();
    let histograms = Arc::<Histograms>::default();
    let explanations = Arc::<Explanations>::default();
    let metrics = Metrics {
        exporter: exporter.handle(),
        histograms: Arc::clone(&histograms),
        explanations: Arc::clone(&explanations),
    };
    (Collector { exporter, histograms, explanations }, metrics)
}

/// The explanation of a metric of a plugin that gives none.
const OF_A_PLUGIN: &str = "Measured by a plugin, which knows what it means.";

fn is_of_a_plugin(name: &str) -> bool {
    name.starts_with("sluice_plugin_")
}

/// What plugins have said of their counters and gauges. The exporter keeps the first explanation of
/// a name for ever; a plugin may come with its own late, or with a better one after it was
/// replaced.
#[derive(Default)]
struct Explanations(Mutex<HashMap<String, String>>);

impl Explanations {
    fn describe(&self, name: &str, help: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), help.to_owned());
    }

    /// The exporter's text, with a line of help before each metric of a plugin.
    fn put_into(&self, rendered: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::with_capacity(rendered.len());
        for line in rendered.split_inclusive('\n') {
            let of_type = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next());
            if let Some(name) = of_type.filter(|name| is_of_a_plugin(name)) {
                let help = known.get(name).map_or(OF_A_PLUGIN, String::as_str);
                formatting::write_help_line(&mut text, name, None, None, help);
            }
            text.push_str(line);
        }
        text
    }
}

impl Recorder for Collector {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        if is_of_a_plugin(name.as_str()) {
            self.explanations.describe(name.as_str(), &help);
        } else {
            self.exporter.describe_counter(name, unit, help);
        }
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        if is_of_a_plugin(name.as_str()) {
            self.explanations.describe(name.as_str(), &help);
        } else {
            self.exporter.describe_gauge(name, unit, help);
        }
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.histograms.describe(name.as_str(), &help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.exporter.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.exporter.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if is_of_a_plugin(key.name()) {
            self.histograms.describe_if_nobody_has(key.name(), OF_A_PLUGIN);
        }
        Histogram::from_arc(self.histograms.register(key))
    }
}
