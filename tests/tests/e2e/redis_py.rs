//! The tests that Python's `redis` brings pass through the proxy.
//!
//! docs/conformance.md lists the files and the tests that are left out, each with its reason; no other may be missing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sluice_tests::process::Process;
use sluice_tests::{RedisServer, Sluice, Topology, programs};

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

/// How many tests of a share may fail at first: some wait a tenth of a second for a message, which a busy machine may take longer for.
const AGAIN: usize = 2;

fn run(share: &Share, skipped: &[String]) {
    let server = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let proxy = Topology::watching(&server).start();
    let files = share.files.iter().map(|file| path(file));
    let deselected = skipped.iter().flat_map(|test| ["--deselect".to_owned(), test.clone()]);
    let mut outcome = pytest(share, &proxy, files.chain(deselected));
    println!("RESP{} {}: {}", share.protocol, share.files.join(" "), outcome.summary());
    let passed = outcome.passed();
    let failed = outcome.failed();
    if (1..=AGAIN).contains(&failed.len()) {
        println!("RESP{} {failed:?}, by itself:", share.protocol);
        outcome = pytest(share, &proxy, failed.into_iter());
        println!("{}", outcome.summary());
    }
    assert!(outcome.success, "RESP{} {:?}:\n{}", share.protocol, share.files, outcome.failures());
    assert!(passed >= share.at_least, "fewer than {} passed: {passed}", share.at_least);
}

fn pytest(share: &Share, proxy: &Sluice, which: impl Iterator<Item = String>) -> Outcome {
    let mut pytest = Command::new(programs::python());
    pytest
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--timeout", "60", "-r", "fE", "-m", MARKS])
        .args(["--disable-warnings", "--protocol", share.protocol])
        .arg(format!("--redis-url=redis://{}/9", proxy.addr()))
        .args(which)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(programs::redis_py());
    let mut pytest = Process::spawn("pytest", &mut pytest);
    let success = pytest.wait_for_end(LIMIT).success();
    Outcome { success, output: pytest.output() }
}

/// What came of running some of the tests.
struct Outcome {
    success: bool,
    output: String,
}

impl Outcome {
    fn summary(&self) -> &str {
        self.output.lines().last().unwrap_or_default()
    }

    fn passed(&self) -> usize {
        let passed = self.summary().split(", ").find_map(|part| part.strip_suffix(" passed")?.trim().parse().ok());
        passed.unwrap_or_default()
    }

    /// The names of the tests that failed.
    fn failed(&self) -> Vec<String> {
        let name = |line: &str| Some(line.strip_prefix("FAILED ")?.split(" - ").next()?.trim().to_owned());
        self.output.lines().filter_map(name).collect()
    }

    /// What is said of them.
    fn failures(&self) -> &str {
        let from = self.output.find("short test summary info").unwrap_or(self.output.len().saturating_sub(3000));
        self.output.get(from..).unwrap_or_default()
    }
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
