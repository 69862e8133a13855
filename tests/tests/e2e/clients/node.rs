//! Node's `redis` and `ioredis`: their own suites are built around containers and a repository's tools, so what runs here are
//! stories that use each kind of thing their API offers (`node/`).

use std::process::Command;

use sluice_tests::process::output_of;
use sluice_tests::{RedisServer, Topology, programs};

use crate::WORKERS;

/// Runs a script against a fresh server and proxy, for one worker and for two.
fn run(script: &str, arguments: &[&str]) {
    for workers in WORKERS {
        let server = RedisServer::start();
        let proxy = Topology::watching(&server).workers(workers).start();
        let path = programs::repository().join("tests/tests/e2e/node").join(script);
        let mut node = Command::new("node");
        node.arg(path).arg(proxy.port()).args(arguments).env("NODE_PATH", programs::node_modules());
        let output = output_of(&mut node);
        assert_eq!(output, "ok\n", "{script} {arguments:?}, {workers} workers");
    }
}

#[test]
fn node_redis_passes_through_in_resp2() {
    run("node_redis.js", &["2"]);
}

#[test]
fn node_redis_passes_through_in_resp3() {
    run("node_redis.js", &["3"]);
}

#[test]
fn ioredis_passes_through() {
    run("ioredis.js", &[]);
}
