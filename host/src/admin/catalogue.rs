//! Every metric of the host, explained once: for `/metrics` and for `docs/metrics.md`.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only rises.
    Counter,
    /// Holds the last value.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Its labels, each with few values that no client can add to.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds the code and docs/metrics.md against it"))]
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

/// All of them. Names end in their unit; counters end in `_total`.
pub(super) const METRICS: &[Metric] = &[
    gauge("sluice_build_info", &["version"], "Always 1; the label says which version this is."),
    gauge("sluice_sessions", &["source"], "Sessions at the moment."),
    counter(
        "sluice_sessions_refused_total",
        &["source"],
        "Clients that were refused because the source had as many as its connection_limit allows.",
    ),
    counter(
        "sluice_tls_handshake_failures_total",
        &["side"],
        "TLS handshakes that failed, with clients (`client`) or with servers (`server`).",
    ),
    counter("sluice_requests_total", &["worker", "source"], "Requests that were answered."),
    histogram(
        "sluice_request_seconds",
        &["worker", "source"],
        "From reading a request to having its reply ready for the client.",
    ),
    counter(
        "sluice_traffic_log_dropped_total",
        &["source"],
        "Lines of a traffic log that were dropped because there were more than could be written.",
    ),
    counter("sluice_turns_total", &["worker"], "Passes of a worker over everything that had become ready."),
    histogram("sluice_turn_seconds", &["worker"], "How long a turn took."),
    histogram("sluice_vector_requests", &["worker", "source"], "Requests that one turn carried through one chain."),
    counter(
        "sluice_cluster_redirections_total",
        &["node", "kind"],
        "Requests that a node of a cluster sent elsewhere (`moved`, `ask`), or back for another attempt (`readonly`, `tryagain`, `clusterdown`, `masterdown`, `loading`).",
    ),
    counter("sluice_cluster_node_requests_total", &["node"], "Requests that a node of a cluster was sent."),
    counter(
        "sluice_cluster_maps_total",
        &[],
        "How often a cluster was found changed: its nodes, or who serves which slot.",
    ),
    counter(
        "sluice_upstream_failures_total",
        &["worker"],
        "Requests that were answered with an error because their upstream could not be reached, was lost, did not answer in time, or had no private connection left.",
    ),
    counter(
        "sluice_upstream_unasked_pushes_total",
        &[],
        "Pushes of servers on connections that sessions share. No session has asked for them, so they are dropped.",
    ),
    gauge("sluice_upstream_connections", &["kind"], "Connections to servers at the moment. Kinds: shared, private."),
    counter(
        "sluice_transform_crossings_total",
        &["plugin", "phase"],
        "Calls into a plugin. Phases: requests, responses.",
    ),
    counter("sluice_transform_frames_total", &["plugin", "phase"], "Frames that crossed into a plugin."),
    histogram("sluice_transform_crossing_seconds", &["plugin", "phase"], "How long a crossing took."),
    counter(
        "sluice_transform_starts_total",
        &["plugin"],
        "Instances that were started: one for each worker and place in a chain, and one after each fault.",
    ),
    gauge(
        "sluice_transform_instances",
        &["plugin", "version", "sha256"],
        "Instances by the component that they are of: its version, and the first digits of its SHA-256. After a reload, those of the component before it are there until nothing waits for them.",
    ),
    counter("sluice_transform_reloads_total", &["plugin"], "Components that were reloaded while the proxy ran."),
    counter(
        "sluice_transform_reload_failures_total",
        &["plugin"],
        "Components that had changed and were not reloaded; the log says why.",
    ),
    counter(
        "sluice_transform_faults_total",
        &["plugin", "kind"],
        "Crossings that failed. Kinds: trap, deadline, memory, stack, output, invalid-answer, instantiate, configure, suspended.",
    ),
    counter(
        "sluice_transform_log_dropped_total",
        &["plugin"],
        "Log lines of a plugin that were dropped because they exceeded its limit log_lines.",
    ),
];

/// Tells the recorder what each metric means.
pub(super) fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The names in quotes that the host's sources register for itself, with the kind.
    fn registered(directory: &Path, names: &mut BTreeSet<(String, &'static str)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                registered(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for (open, kind) in [("counter!(", "Counter"), ("gauge!(", "Gauge"), ("histogram!(", "Histogram")] {
                    let arguments = text.split(open).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                    let found = arguments.filter_map(|rest| rest.split('"').next());
                    names.extend(
                        found
                            .filter(|name| name.starts_with("sluice_") && !name.starts_with("sluice_plugin_"))
                            .map(|name| (name.to_owned(), kind)),
                    );
                }
            }
        }
    }

    #[test]
    fn every_metric_that_is_measured_is_explained_and_the_other_way_round() {
        let mut measured = BTreeSet::new();
        registered(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut measured);
        let explained: BTreeSet<_> =
            METRICS.iter().map(|metric| (metric.name.to_owned(), format!("{:?}", metric.kind))).collect();
        let measured: BTreeSet<_> = measured.into_iter().map(|(name, kind)| (name, kind.to_owned())).collect();
        assert_eq!(measured, explained);
    }

    #[test]
    fn the_documentation_lists_what_there_is() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let text = std::fs::read_to_string(file).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `sluice_")).collect();
        let row = |metric: &Metric| {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = format!("{:?}", metric.kind).to_lowercase();
            format!("| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help)
        };
        let expected: Vec<_> = METRICS.iter().map(row).collect();
        assert_eq!(rows, expected, "docs/metrics.md should have:\n{}", expected.join("\n"));
    }
}
