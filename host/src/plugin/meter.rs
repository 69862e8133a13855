//! What the sandbox measures of a plugin. Handles are made once per instance, so that a crossing
//! finds nothing by name.

use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::fault::Fault;
use super::transform::Transform;

/// The meters of an instance.
pub(super) struct Meter {
    plugin: String,
    pub(super) requests: PhaseMeter,
    pub(super) responses: PhaseMeter,
    starts: Counter,
    instances: Gauge,
}

/// The meters of a phase: `requests` or `responses`.
pub(super) struct PhaseMeter {
    crossings: Counter,
    frames: Counter,
    seconds: Histogram,
}

impl Meter {
    pub(super) fn new(transform: &Transform) -> Self {
        let plugin = transform.spec().name.as_str();
        let instances = gauge!(
            "sluice_transform_instances",
            "plugin" => plugin.to_owned(),
            "version" => transform.description().version.clone(),
            "sha256" => transform.plugin().short_sha256()
        );
        instances.increment(1.0);
        Self {
            instances,
            requests: PhaseMeter::new(plugin, "requests"),
            responses: PhaseMeter::new(plugin, "responses"),
            starts: counter!("sluice_transform_starts_total", "plugin" => plugin.to_owned()),
            plugin: plugin.to_owned(),
        }
    }

    /// An instance was started.
    pub(super) fn start(&self) {
        self.starts.increment(1);
    }

    /// A crossing failed. Rare, so its series may be found by name.
    pub(super) fn fault(&self, fault: &Fault) {
        counter!(
            "sluice_transform_faults_total",
            "plugin" => self.plugin.clone(),
            "kind" => fault.kind()
        )
        .increment(1);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.instances.decrement(1.0);
    }
}

impl PhaseMeter {
    fn new(plugin: &str, phase: &'static str) -> Self {
        let plugin = || plugin.to_owned();
        Self {
            crossings: counter!("sluice_transform_crossings_total", "plugin" => plugin(), "phase" => phase),
            frames: counter!("sluice_transform_frames_total", "plugin" => plugin(), "phase" => phase),
            seconds: histogram!("sluice_transform_crossing_seconds", "plugin" => plugin(), "phase" => phase),
        }
    }

    /// A crossing happened, well or not.
    #[inline]
    pub(super) fn crossing(&self, frames: usize, took: Duration) {
        self.crossings.increment(1);
        self.frames.increment(frames as u64);
        self.seconds.record(took);
    }
}
