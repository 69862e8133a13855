//! A child process whose output is kept and that never outlives its test.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::wait_until;

/// How long a tool may take that a test calls.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    exit: Option<ExitStatus>,
    output: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`; its stdout and stderr are collected together.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        Self::spawn_reading(name, command, Stdio::null())
    }

    /// The same, with something to read on stdin.
    pub fn spawn_reading(name: &str, command: &mut Command, stdin: impl Into<Stdio>) -> Self {
        let mut child =
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("cannot start {command:?}: {error} (run the tests with `cargo xtask test`)")
            });
        let output = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            collect(child.stdout.take().expect("stdout is piped"), Arc::clone(&output)),
            collect(child.stderr.take().expect("stderr is piped"), Arc::clone(&output)),
        ];
        Self { name: name.to_owned(), child, exit: None, output, readers }
    }

    /// The process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process has written to stdout and stderr so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// How the process ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().expect("a child can be waited for");
        }
        self.exit
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
        }
    }

    /// Waits for the process to end by itself, and for the last of its output.
    ///
    /// # Panics
    ///
    /// If it takes longer than `limit`.
    #[track_caller]
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ended", self.name);
        let exit = wait_until(&what, limit, || self.ended());
        for reader in self.readers.drain(..) {
            // The reader ends with its pipe; it has nothing to say.
            let _ = reader.join();
        }
        exit
    }

    /// Ends the process at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            // It may end between the two calls; then there is nothing to kill.
            let _ = self.child.kill();
            self.exit = self.child.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `command` to its end and returns what it printed, stdout and stderr together.
///
/// # Panics
///
/// If it fails, or takes longer than two minutes.
#[track_caller]
pub fn output_of(command: &mut Command) -> String {
    output_of_reading(command, Stdio::null())
}

/// The same, with something to read on stdin.
#[track_caller]
pub fn output_of_reading(command: &mut Command, stdin: impl Into<Stdio>) -> String {
    let name = format!("{command:?}");
    let mut process = Process::spawn_reading(&name, command, stdin);
    let status = process.wait_for_end(TOOL_LIMIT);
    let output = process.output();
    assert!(status.success(), "{name} ended with {status}:\n{output}");
    output
}

/// Reads a pipe to its end on a thread of its own, so that the child never blocks on writing.
fn collect(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..count]);
        }
    })
}
