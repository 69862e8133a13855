//! Clusters' own clients, which begin at the proxies.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use sluice_tests::process::{output_of, output_of_reading};
use sluice_tests::programs;

use super::fred;
use super::proxies::{Proxies, Told};
use crate::WORKERS;

/// How long an application may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Every client, in both protocols.
fn everybody(proxies: &Proxies) {
    for resp3 in [false, true] {
        python(proxies, resp3);
        fred(proxies, resp3);
        redis_cli(proxies, resp3);
    }
    proxies.assert_nobody_came_past_them();
}

#[test]
fn clients_of_a_cluster_reach_all_of_it_through_its_proxies() {
    for workers in WORKERS {
        everybody(&Proxies::start(1, Told::ByRewriting, workers));
    }
}

#[test]
fn nodes_that_announce_their_proxies_need_no_rewriting() {
    everybody(&Proxies::start(0, Told::ByNodes, 1));
}

#[test]
fn without_rewriting_clients_find_the_nodes() {
    everybody(&Proxies::start(1, Told::Never, 1));
}

/// The command that runs a story of Python's client.
pub(super) fn python_story(proxies: &Proxies, story: &str, resp3: bool) -> Command {
    let script = programs::repository().join("tests/tests/e2e/cluster_client.py");
    let mut command = Command::new(programs::python());
    command.arg(script).args([story, if resp3 { "3" } else { "2" }]);
    command.args(&proxies.addrs).arg("--").args(proxies.to_be_found());
    command
}

fn python(proxies: &Proxies, resp3: bool) {
    assert_eq!(output_of(&mut python_story(proxies, "work", resp3)), "ok\n");
}

fn fred(proxies: &Proxies, resp3: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = fred::work(proxies.addrs.clone(), proxies.to_be_found(), resp3);
    let told = runtime.block_on(async { tokio::time::timeout(LIMIT, story).await });
    assert!(told.is_ok(), "fred took too long, RESP3: {resp3}");
}

/// It begins at one proxy and goes where it is sent.
fn redis_cli(proxies: &Proxies, resp3: bool) {
    let port = proxies.addrs[0].rsplit(':').next().unwrap();
    let cli = || {
        let mut command = Command::new("redis-cli");
        command.args(["-c", "-h", "127.0.0.1", "-p", port]).args(resp3.then_some("-3"));
        command
    };
    let name = |n: usize| format!("cli:{resp3}:{n}");
    for n in 0..20 {
        assert_eq!(output_of(cli().args(["SET", &name(n), "1"])), "OK\n");
    }
    let mut lines = tempfile::tempfile().unwrap();
    for n in 0..100 {
        std::io::Write::write_all(&mut lines, format!("INCR {}\n", name(n)).as_bytes()).unwrap();
    }
    std::io::Seek::rewind(&mut lines).unwrap();
    let output = output_of_reading(&mut cli(), lines);
    let (sent_on, replies): (Vec<&str>, Vec<&str>) = output.lines().partition(|line| line.starts_with("-> Redirected"));
    assert_eq!(replies, ["2"].repeat(20).into_iter().chain(["1"].repeat(80)).collect::<Vec<_>>());
    let found: BTreeSet<String> = sent_on.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    let primaries = proxies.to_be_found().into_iter().take(proxies.cluster.shards());
    assert_eq!(found, primaries.collect());
}
