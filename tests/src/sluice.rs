//! The proxy itself, as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::Client;
use crate::http::{self, Answer};
use crate::metrics::Metrics;
use crate::process::Process;
use crate::programs;
use crate::wait::{SOON, wait_until};

/// How long the proxy may take to end when it is told to and nothing is in flight.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How a run of the proxy that was expected to end by itself ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status.
    pub status: ExitStatus,
    /// What it printed, stdout and stderr together.
    pub output: String,
}

impl Finished {
    /// It was refused with exit code 1 and one message: it is short, holds all of these, and tells nothing of the program's insides.
    ///
    /// # Panics
    ///
    /// If not.
    #[track_caller]
    pub fn assert_refused(&self, expected: &[&str]) {
        let output = &self.output;
        assert_eq!(self.status.code(), Some(1), "{output}");
        for part in expected {
            assert!(output.contains(part), "{part:?} is not in:\n{output}");
        }
        for insides in ["panicked", "stack backtrace", "RUST_BACKTRACE", "   0: ", ".rs:"] {
            assert!(!output.contains(insides), "{insides:?} is in:\n{output}");
        }
        let lines = output.lines().filter(|line| !line.trim().is_empty()).count();
        assert!((1..=6).contains(&lines), "{lines} lines:\n{output}");
    }
}

/// A running proxy. Dropping it ends it with SIGTERM and checks that it ended well and never panicked.
#[derive(Debug)]
pub struct Sluice {
    addr: String,
    admin: Option<String>,
    process: Process,
    directory: TempDir,
}

impl Sluice {
    /// Starts `sluice run` with this topology and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it does not become ready; the message holds what it printed.
    #[track_caller]
    pub fn start(yaml: &str, addr: &str, admin: Option<&str>) -> Self {
        Self::start_with(yaml, addr, admin, &[])
    }

    /// The same, with further options for `sluice run`.
    #[track_caller]
    pub fn start_with(yaml: &str, addr: &str, admin: Option<&str>, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("topology.yaml");
        std::fs::write(&file, yaml).expect("a temporary directory can be written to");
        let process = Process::spawn("sluice", command().arg("run").args(options).arg(&file));
        let mut proxy = Self { addr: addr.to_owned(), admin: admin.map(str::to_owned), process, directory };
        wait_until("sluice is ready", SOON, || {
            assert!(proxy.process.ended().is_none(), "sluice ended at start:\n{}\n{yaml}", proxy.process.output());
            proxy.is_ready().then_some(())
        });
        proxy
    }

    /// Where it listens.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// The port that it listens on, as text.
    pub fn port(&self) -> &str {
        self.addr.rsplit(':').next().unwrap_or_default()
    }

    /// The admin address.
    ///
    /// # Panics
    ///
    /// If the topology has none.
    pub fn admin(&self) -> &str {
        self.admin.as_deref().expect("the topology has an admin address")
    }

    /// A connection to it.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(&self.addr)
    }

    /// The file that it was told to run.
    pub fn topology(&self) -> PathBuf {
        self.directory.path().join("topology.yaml")
    }

    /// The process ID.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Asks the admin address; `None` if it does not answer.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        http::get(self.admin.as_deref()?, path)
    }

    /// Asks the admin address.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|| panic!("no answer to GET {path}; sluice printed:\n{}", self.output()))
    }

    /// The metrics at this moment.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics::new(answer.body)
    }

    /// How much memory the process has resident, in bytes.
    ///
    /// # Panics
    ///
    /// If the system does not say.
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most memory that the process has ever had resident, in bytes.
    ///
    /// # Panics
    ///
    /// If the system does not say.
    pub fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("the process is running");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says so");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib * 1024
    }

    /// Stops its clock: what is sent to it meanwhile waits in the kernel.
    pub fn pause(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on after [`Sluice::pause`].
    pub fn resume(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// Tells it to end (SIGTERM), and does not wait.
    pub fn terminate(&mut self) {
        self.process.signal(Signal::TERM);
    }

    /// Tells it to open its files again (SIGHUP).
    pub fn hang_up(&mut self) {
        self.process.signal(Signal::HUP);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// If it takes longer than `limit`.
    #[track_caller]
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait_for_end(limit)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    fn is_ready(&self) -> bool {
        match &self.admin {
            Some(_) => self.try_get("/readyz").is_some_and(|answer| answer.status == 200),
            None => Client::try_connect(&self.addr).is_ok(),
        }
    }
}

impl Drop for Sluice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("sluice printed:\n{}", tail(&self.process.output()));
            return;
        }
        if self.process.ended().is_none() {
            self.process.signal(Signal::TERM);
        }
        let status = self.process.wait_for_end(END_LIMIT);
        let output = self.process.output();
        // A component's panic is a log line; the proxy's own begins with the thread.
        assert!(!output.contains("\nthread '"), "sluice panicked:\n{}", tail(&output));
        assert!(status.success(), "sluice ended with {status}:\n{}", tail(&output));
    }
}

/// Runs `sluice <arguments>` to its end.
///
/// # Panics
///
/// If it does not end soon.
#[track_caller]
pub fn finish(arguments: &[&str], file: &Path) -> Finished {
    let mut process = Process::spawn("sluice", command().args(arguments).arg(file));
    let status = process.wait_for_end(SOON);
    Finished { status, output: process.output() }
}

/// The program, free of what the developer's own shell sets.
fn command() -> Command {
    let mut command = Command::new(programs::sluice());
    command.env_remove("SLUICE_LOG").env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// The last lines of an output, as many as one wants to read.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
