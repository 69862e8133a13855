//! The promises of the admin address.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::logging;

/// An admin address of its own, with what stands behind it.
struct Served {
    admin: Admin,
    readiness: Readiness,
    collector: metrics::Collector,
    /// The filter is in force as long as its logs are.
    _logs: Box<dyn std::any::Any>,
}

fn served() -> Served {
    let (collector, metrics) = metrics::detached();
    let (logs, filter) = logging::detached("info");
    let readiness = Readiness::default();
    let services = Services { metrics, readiness: readiness.clone(), filter };
    let admin = Admin::start("127.0.0.1:0".parse().unwrap(), services).unwrap();
    Served { admin, readiness, collector, _logs: Box::new(logs) }
}

impl Served {
    /// The status and the body of the answer.
    fn ask(&self, request: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin.address()).unwrap();
        let length = body.len();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

#[test]
fn readiness_follows_the_listeners_and_says_why_not() {
    let served = served();
    assert_eq!(served.ask("GET /healthz", ""), (200, "ok\n".to_owned()));
    let (status, reason) = served.ask("GET /readyz", "");
    assert_eq!((status, reason.starts_with("starting")), (503, true));
    served.readiness.ready();
    assert_eq!(served.ask("GET /readyz", ""), (200, "ready\n".to_owned()));
    served.readiness.draining();
    let (status, reason) = served.ask("GET /readyz", "");
    assert_eq!((status, reason.starts_with("draining")), (503, true));
    assert_eq!(served.ask("GET /healthz", "").0, 200);
}

#[test]
fn the_log_filter_is_shown_and_changed_and_a_bad_one_refused_with_the_reason() {
    let served = served();
    assert_eq!(served.ask("GET /log-filter", ""), (200, "info\n".to_owned()));
    let (status, _) = served.ask("PUT /log-filter", "warn,sluice=debug\n");
    assert_eq!(status, 200);
    let (_, shown) = served.ask("GET /log-filter", "");
    assert!(shown.contains("sluice=debug") && shown.contains("warn"), "{shown}");
    let (status, reason) = served.ask("PUT /log-filter", "sluice=loud");
    assert_eq!(status, 400);
    assert!(reason.contains("\"sluice=loud\", which cannot be understood"), "{reason}");
    assert_eq!(served.ask("GET /log-filter", "").1, shown);
}

#[test]
fn what_is_measured_is_shown_with_its_explanation() {
    let served = served();
    ::metrics::with_local_recorder(&served.collector, || {
        catalogue::describe();
        ::metrics::histogram!("sluice_turn_seconds", "worker" => "0").record(0.000_03);
        ::metrics::counter!("sluice_turns_total", "worker" => "0").increment(3);
        ::metrics::gauge!("sluice_sessions", "source" => "a").set(2.0);
        ::metrics::counter!("sluice_plugin_denied", "plugin" => "A").increment(1);
        ::metrics::histogram!("sluice_plugin_lengths", "plugin" => "A").record(1.0);
    });
    let (status, text) = served.ask("GET /metrics", "");
    assert_eq!(status, 200);
    for line in [
        "# HELP sluice_turn_seconds How long a turn took.",
        "# TYPE sluice_turn_seconds histogram",
        "sluice_turn_seconds_bucket{worker=\"0\",le=\"0.00005\"} 1",
        "# HELP sluice_turns_total",
        "sluice_turns_total{worker=\"0\"} 3",
        "sluice_sessions{source=\"a\"} 2",
        "# HELP sluice_plugin_denied Measured by a plugin",
        "# HELP sluice_plugin_lengths Measured by a plugin",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_a_plugin_says_of_its_metrics_is_shown_whenever_it_says_it() {
    let served = served();
    ::metrics::with_local_recorder(&served.collector, || {
        ::metrics::describe_counter!("sluice_plugin_before", "Said before.");
        ::metrics::counter!("sluice_plugin_before", "plugin" => "A").increment(1);
        ::metrics::gauge!("sluice_plugin_after", "plugin" => "A").set(1.0);
        ::metrics::describe_gauge!("sluice_plugin_after", "Said\\ after\nwards.");
        ::metrics::histogram!("sluice_plugin_again", "plugin" => "A").record(1.0);
        ::metrics::describe_histogram!("sluice_plugin_again", "Said once.");
        ::metrics::describe_histogram!("sluice_plugin_again", "Said again.");
        ::metrics::histogram!("sluice_plugin_again", "plugin" => "B").record(1.0);
    });
    let (_, text) = served.ask("GET /metrics", "");
    for help in ["before Said before.\n# TYPE", "after Said\\\\ after\\nwards.\n# TYPE", "again Said again.\n# TYPE"] {
        assert!(text.contains(&format!("# HELP sluice_plugin_{help}")), "{help}\n{text}");
    }
    assert_eq!(text.matches("# HELP sluice_plugin_").count(), 3, "{text}");
}

#[test]
fn an_unknown_path_says_what_there_is() {
    let (status, text) = served().ask("GET /metric", "");
    assert_eq!(status, 404);
    assert!(text.contains("/metrics"), "{text}");
}

#[test]
fn a_port_in_use_is_named_and_a_stopped_one_is_free_again() {
    let served = served();
    let address = served.admin.address();
    let (_, metrics) = metrics::detached();
    let (_logs, filter) = logging::detached("info");
    let services = Services { metrics, readiness: Readiness::default(), filter };
    // A client that says nothing keeps nobody.
    let _silent = TcpStream::connect(address).unwrap();
    let error = Admin::start(address, services.clone()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on the admin address {address}"));
    drop(served);
    assert_eq!(Admin::start(address, services).unwrap().address(), address);
}
