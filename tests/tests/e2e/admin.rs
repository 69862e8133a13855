//! What the operator sees: health, readiness, metrics and logs, and the log filter that he changes while it runs.

use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Sluice, Topology, http, inline, wait_until};

use crate::WORKERS;

#[test]
fn health_and_readiness_are_answered() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        for path in ["/healthz", "/readyz"] {
            assert_eq!(proxy.get(path).status, 200, "{path}");
        }
        assert_eq!(proxy.get("/nowhere").status, 404);
        assert_eq!(http::send(proxy.admin(), "POST", "/metrics", "").unwrap().status, 405);
    }
}

#[test]
fn every_line_of_the_metrics_is_a_sample_or_a_comment_and_every_metric_is_explained() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).workers(2).start();
    assert_eq!(proxy.client().ask("SET a 1"), "+OK\r\n");
    let answer = proxy.get("/metrics");
    assert!(answer.headers.to_lowercase().contains("content-type: text/plain"), "{}", answer.headers);
    let metrics = proxy.metrics();
    let mut unexplained = Vec::new();
    for (series, _) in metrics.samples() {
        let name = series.split('{').next().unwrap();
        assert!(name.starts_with("sluice_"), "{series}");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let help = |name: &str| metrics.text().contains(&format!("# HELP {name} "));
        if !help(name) && !help(family) {
            unexplained.push(name);
        }
    }
    assert!(unexplained.is_empty(), "no HELP for {unexplained:?}");
}

/// Checks that a counter rises by exactly so much through something that is done. (A turn is counted when it has ended, which its
/// clients need not wait for.)
#[track_caller]
fn assert_rises(proxy: &Sluice, name: &str, labels: &[(&str, &str)], by: u64, deed: impl FnOnce()) {
    let value = || proxy.metrics().sum(name, labels).unwrap_or_default() as u64;
    let before = value();
    deed();
    wait_until(&format!("{name} has risen by {by}"), SOON, || (value() >= before + by).then_some(()));
    assert_eq!(value(), before + by, "{name}");
}

#[test]
fn sessions_are_counted_while_they_last() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let sessions = || proxy.metrics().sum("sluice_sessions", &[("source", "valkey")]).unwrap_or_default();
        assert!(sessions() < 0.5);
        let clients: Vec<Client> = (0..7).map(|_| proxy.client()).collect();
        wait_until("seven sessions are counted", SOON, || (sessions() as u64 == 7).then_some(()));
        drop(clients);
        wait_until("none is left", SOON, || (sessions() < 0.5).then_some(()));
    }
}

#[test]
fn requests_and_crossings_are_counted() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        let a_hundred = |client: &mut Client| {
            client.send(&(0..100).flat_map(|_| inline("GET a")).collect::<Vec<_>>());
            client.replies(100);
        };
        let earlier = || proxy.metrics().sum("sluice_requests_total", &[]).unwrap_or_default();
        wait_until("the PING is counted", SOON, || (earlier() > 0.5).then_some(()));
        assert_rises(&proxy, "sluice_requests_total", &[], 100, || a_hundred(&mut client));
        for phase in ["requests", "responses"] {
            let labels = [("plugin", "WatchAll"), ("phase", phase)];
            assert_rises(&proxy, "sluice_transform_frames_total", &labels, 100, || a_hundred(&mut client));
            let crossings = proxy.metrics().sum("sluice_transform_crossings_total", &labels).unwrap();
            assert!(crossings < 150.0, "a pipeline crosses as a vector: {crossings} crossings");
        }
    }
}

#[test]
fn the_number_of_series_does_not_depend_on_what_clients_send() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).workers(2).start();
    let traffic = |from: u32| {
        for n in from..from + 50 {
            let mut client = proxy.client();
            client.ask(&format!("SET key:{n} {n}"));
            client.ask(&format!("NOSUCH{n} argument"));
            client.ask("MULTI");
            client.ask("EXEC");
        }
    };
    traffic(0);
    let before = proxy.metrics().samples().count();
    traffic(50);
    assert_eq!(proxy.metrics().samples().count(), before);
}

fn set_filter(proxy: &Sluice, filter: &str) -> http::Answer {
    http::send(proxy.admin(), "PUT", "/log-filter", filter).expect("the admin address answers")
}

#[test]
fn the_log_filter_can_be_changed_while_it_runs() {
    let server = RedisServer::start();
    let proxy = Topology::new().transform("RequestLogger: {}").sink(&server).start();
    let mut client = proxy.client();
    let lines = || proxy.output().lines().filter(|line| line.contains("RequestLogger")).count();

    assert_eq!(client.ask("GET a"), "$-1\r\n");
    wait_until("the request is logged", SOON, || (lines() > 0).then_some(()));

    assert!((200..300).contains(&set_filter(&proxy, "warn").status));
    let before = lines();
    for _ in 0..20 {
        assert_eq!(client.ask("GET a"), "$-1\r\n");
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(lines(), before, "lines of level info are no longer kept");

    assert!((200..300).contains(&set_filter(&proxy, "info").status));
    assert_eq!(client.ask("GET a"), "$-1\r\n");
    wait_until("it is logged again", SOON, || (lines() > before).then_some(()));
}

#[test]
fn a_log_filter_that_makes_no_sense_is_refused_and_changes_nothing() {
    let server = RedisServer::start();
    let proxy = Topology::new().transform("RequestLogger: {}").sink(&server).start();
    let refused = set_filter(&proxy, "sluice=nonsense,,==");
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(!refused.body.is_empty());
    assert_eq!(proxy.client().ask("GET a"), "$-1\r\n");
    wait_until("requests are still logged", SOON, || proxy.output().contains("RequestLogger").then_some(()));
}

#[test]
fn json_logs_are_json_lines() {
    let server = RedisServer::start();
    let topology = Topology::new().transform("RequestLogger: {}").sink(&server);
    let proxy = topology.start_with(&["--log-format", "json"]);
    assert_eq!(proxy.client().ask("GET a"), "$-1\r\n");
    wait_until("the request is logged", SOON, || proxy.output().contains("RequestLogger").then_some(()));
    let output = proxy.output();
    let (whole, _) = output.rsplit_once('\n').unwrap();
    for line in whole.lines() {
        let value: serde_yaml::Value = serde_yaml::from_str(line).unwrap();
        assert!(line.starts_with('{') && value.get("level").is_some(), "{line}");
    }
}

#[test]
fn clients_beyond_the_connection_limit_are_told_so() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).source("connection_limit: 5").start();
        let mut clients: Vec<Client> = (0..5).map(|_| proxy.client()).collect();
        for client in &mut clients {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        let mut sixth = proxy.client();
        assert_eq!(sixth.rest(), "-ERR max number of clients reached\r\n");
        drop(clients.pop());
        wait_until("there is room again", SOON, || {
            let mut client = proxy.client();
            client.send(&inline("PING"));
            (client.try_reply().ok().flatten()? == "+PONG\r\n").then_some(())
        });
    }
}

#[test]
fn sessions_spread_over_the_workers() {
    let server = RedisServer::start();
    // The flag is stronger than the file.
    let proxy = Topology::three_components(&server).workers(1).start_with(&["--workers", "2"]);
    let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    // Each worker has shared connections of its own.
    let list = server.client().ask("CLIENT LIST");
    let connections = String::from_utf8_lossy(&list).matches("id=").count() - 1;
    assert_eq!(connections, 2, "{list:?}");
}
