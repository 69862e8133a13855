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
    recorder: metrics_exporter_prometheus::PrometheusRecorder,
    /// The filter is in force as long as its logs are.
    _logs: Box<dyn std::any::Any>,
}

fn served() -> Served {
    let (recorder, metrics) = metrics::detached();
    let (logs, filter) = logging::detached("info");
    let readiness = Readiness::default();
    let services = Services { metrics, readiness: readiness.clone(), filter };
    let admin = Admin::start("127.0.0.1:0".parse().unwrap(), services).unwrap();
    Served { admin, readiness, recorder, _logs: Box::new(logs) }
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
fn histograms_have_buckets_by_their_unit() {
    let served = served();
    ::metrics::with_local_recorder(&served.recorder, || {
        ::metrics::histogram!("a_seconds").record(0.000_03);
        ::metrics::histogram!("b_bytes").record(300.0);
        ::metrics::histogram!("c_frames").record(3.0);
    });
    let (status, text) = served.ask("GET /metrics", "");
    assert_eq!(status, 200);
    for line in ["a_seconds_bucket{le=\"0.00005\"} 1", "b_bytes_bucket{le=\"1024\"} 1", "c_frames_bucket{le=\"4\"} 1"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("c_frames_bucket{le=\"2\"} 0"), "{text}");
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
