//! The tests that Python's `redis` brings pass through the proxy.
//!
//! docs/conformance.md lists the files and the tests that are left out, each with its reason; no other may be missing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sluice_tests::process::Process;
use sluice_tests::{RedisServer, Topology, programs};

use crate::conformance::listed::{page, rows};

/// Tests that run in one process, against a server and a proxy of their own.
struct Share {
    protocol: &'static str,
    /// Below `tests/`, without `test_` and `.py`.
    files: &'static [&'static str],
    /// So many must pass, lest nothing runs and nobody sees it: somewhat fewer than do on `redis-server` 7.0.
    at_least: usize,
}

/// Cut so that all take about as long: they wait more than they compute.
const SHARES: &[Share] = &[
    Share {
        protocol: "3",
        files: &[
            "client",
            "commands",
            "encoding",
            "function",
            "lock",
            "monitor",
            "multiprocessing",
            "pipeline",
            "scripting",
            "keyspace_notifications",
            "cache",
            "legacy_responses_arg",
            "max_connections_error",
        ],
        at_least: 650,
    },
    Share { protocol: "3", files: &["pubsub"], at_least: 100 },
    Share { protocol: "3", files: &["asyncio/commands"], at_least: 550 },
    Share { protocol: "3", files: &["asyncio/pubsub"], at_least: 160 },
    Share {
        protocol: "3",
        files: &[
            "asyncio/client",
            "asyncio/encoding",
            "asyncio/keyspace_notifications",
            "asyncio/lock",
            "asyncio/monitor",
            "asyncio/pipeline",
            "asyncio/scripting",
        ],
        at_least: 180,
    },
    Share { protocol: "2", files: &["pubsub"], at_least: 100 },
    Share {
        protocol: "2",
        files: &[
            "commands",
            "encoding",
            "function",
            "lock",
            "monitor",
            "pipeline",
            "scripting",
            "keyspace_notifications",
        ],
        at_least: 550,
    },
];

/// What needs more than one server of the distribution's own.
const MARKS: &str =
    "not onlycluster and not redismod and not ssl and not replica and not cp_integration and not multidb_integration";

/// How long a share may take.
const LIMIT: Duration = Duration::from_secs(400);

fn path(file: &str) -> String {
    match file.strip_prefix("asyncio/") {
        Some(file) => format!("tests/test_asyncio/test_{file}.py"),
        None => format!("tests/test_{file}.py"),
    }
}

#[test]
fn the_tests_of_redis_py_pass_through() {
    let skipped: Vec<String> =
        rows(&page(), "## redis-py: tests that are not run", 2).into_iter().map(|row| row[0].clone()).collect();
    std::thread::scope(|scope| {
        for share in SHARES {
            let skipped = &skipped;
            scope.spawn(move || run(share, skipped));
        }
    });
}

fn run(share: &Share, skipped: &[String]) {
    let server = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let proxy = Topology::watching(&server).start();
    let mut pytest = Command::new(programs::python());
    pytest
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--timeout", "60", "-r", "fE", "-m", MARKS])
        .args(["--disable-warnings", "--protocol", share.protocol])
        .arg(format!("--redis-url=redis://{}/9", proxy.addr()))
        .args(share.files.iter().map(|file| path(file)))
        .args(skipped.iter().flat_map(|test| ["--deselect", test]))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(programs::redis_py());
    let mut pytest = Process::spawn("pytest", &mut pytest);
    let status = pytest.wait_for_end(LIMIT);
    let output = pytest.output();
    let summary = output.lines().last().unwrap_or_default();
    println!("RESP{} {}: {summary}", share.protocol, share.files.join(" "));
    let from = output.find("short test summary info").map_or(output.len().saturating_sub(3000), |at| at);
    assert!(status.success(), "RESP{} {:?}:\n{}", share.protocol, share.files, &output[from..]);
    let passed = summary.split(", ").find_map(|part| part.strip_suffix(" passed")?.trim().parse::<usize>().ok());
    assert!(passed.is_some_and(|passed| passed >= share.at_least), "fewer than {} passed: {summary}", share.at_least);
}

#[test]
fn every_file_of_redis_py_s_tests_is_run_or_left_out_with_a_reason() {
    let source = programs::redis_py();
    let in_directory = |directory: &str| -> Vec<String> {
        let entries = std::fs::read_dir(source.join(directory)).expect("the package has its tests");
        entries
            .map(|entry| entry.expect("a readable directory"))
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
            .filter(|(name, path)| holds_tests(name, path))
            .map(|(name, _)| format!("{directory}/{name}"))
            .collect()
    };
    let there: BTreeSet<String> =
        ["tests", "tests/test_asyncio"].iter().flat_map(|directory| in_directory(directory)).collect();
    let run: BTreeSet<String> = SHARES.iter().flat_map(|share| share.files).map(|file| path(file)).collect();
    let left_out = rows(&page(), "## redis-py: files of its tests that are not run", 2);
    let left_out: BTreeSet<String> = left_out.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(run.intersection(&left_out).next(), None, "run, and listed as left out");
    assert_eq!(there, run.union(&left_out).cloned().collect(), "what there is, what is run or left out");
}

/// Whether it is a file of tests, or a directory of such files other than the two that are looked into.
fn holds_tests(name: &str, path: &Path) -> bool {
    let directory = path.is_dir() && !["test_asyncio", "testdata", "__pycache__"].contains(&name);
    directory || (name.starts_with("test_") && name.ends_with(".py"))
}
