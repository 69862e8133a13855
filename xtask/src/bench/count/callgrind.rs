//! A proxy under callgrind: stopped, let go, and asked what it has done in between.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::profile::{self, Profile};
use crate::daemon::Daemon;
use crate::{apt, process};

/// What comes with valgrind and is used here.
const PROGRAMS: [&str; 2] = ["valgrind", "vgdb"];
/// Nothing that is waited for here takes as long.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_micros(300);
/// So often in a row all threads must be found asleep.
const LOOKS: u32 = 4;

/// A process that callgrind runs.
pub(super) struct Callgrind {
    /// The process: callgrind and the program that it runs are one.
    daemon: Daemon,
    /// What the names of its files begin with.
    output: PathBuf,
    /// How many parts it has written.
    parts: u32,
    /// The number of the worker's thread, once it is known.
    worker: Option<String>,
}

/// See that valgrind is there.
pub(super) fn install_if_missing() -> Result<()> {
    if PROGRAMS.into_iter().all(process::is_there) { Ok(()) } else { apt::install(&["valgrind"]) }
}

impl Callgrind {
    /// Starts a program. Nothing is counted before [`Callgrind::begin`], so that it starts sooner.
    pub(super) fn start(program: &Path, arguments: &[&Path], directory: &Path, name: &str) -> Result<Self> {
        let output = directory.join(format!("{name}.callgrind"));
        let mut command = Command::new("valgrind");
        command.args([
            "--tool=callgrind",
            "--branch-sim=yes",
            "--separate-threads=yes",
            "--instr-atstart=no",
            "--dump-line=no",
        ]);
        command.arg(format!("--callgrind-out-file={}", output.display()));
        command.arg(program).args(arguments).env_remove("RUST_LOG").env_remove("SLUICE_LOG");
        let daemon = Daemon::spawn(name, &mut command, directory)?;
        Ok(Self { daemon, output, parts: 0, worker: None })
    }

    /// Fails if the process has ended by itself.
    pub(super) fn ensure_running(&mut self) -> Result<()> {
        self.daemon.ensure_running()
    }

    /// Counts from here on.
    pub(super) fn begin(&self) -> Result<()> {
        self.tell(&["instrumentation", "on"])
    }

    /// What the worker's thread has done since the last time, or since the beginning.
    ///
    /// The worker's thread is that which was the busiest the first time.
    pub(super) fn take(&mut self) -> Result<Profile> {
        self.tell(&["dump"])?;
        self.parts += 1;
        let mut threads = HashMap::new();
        for (thread, path) in self.files()? {
            if self.worker.as_ref().is_none_or(|worker| *worker == thread) {
                threads.insert(thread, profile::read(&path)?);
            }
            fs::remove_file(&path)?;
        }
        let busiest = threads.into_iter().max_by(|(_, a), (_, b)| a.instructions.total_cmp(&b.instructions));
        let missing = || format!("callgrind has written no {}.{}-*", self.output.display(), self.parts);
        let (thread, profile) = busiest.with_context(missing)?;
        self.worker = Some(thread);
        Ok(profile)
    }

    /// The files of the last part: one for each thread, with the thread's number as the end of its name.
    fn files(&self) -> Result<Vec<(String, PathBuf)>> {
        let name = self.output.file_name().context("the files have a name")?.to_string_lossy();
        let beginning = format!("{name}.{}-", self.parts);
        let directory = self.output.parent().context("the files are in a directory")?;
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if let Some(thread) = entry.file_name().to_string_lossy().strip_prefix(&beginning) {
                files.push((thread.to_owned(), entry.path()));
            }
        }
        Ok(files)
    }

    /// Waits until it has nothing to do, and stops it.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.settle()?;
        self.signal(Signal::STOP)?;
        self.wait_until_all_threads_are('T', 1)
    }

    /// Lets it go on.
    pub(super) fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until all its threads sleep.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.wait_until_all_threads_are('S', LOOKS)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.daemon.pid().try_into()?).context("a process has an ID")?;
        Ok(kill_process(pid, signal)?)
    }

    fn wait_until_all_threads_are(&mut self, state: char, looks: u32) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut seen = 0;
        while seen < looks {
            ensure!(Instant::now() < deadline, "the proxy was not in the state {state} within {LIMIT:?}");
            seen = if self.all_threads_are(state)? { seen + 1 } else { 0 };
            if seen < looks {
                sleep(LOOK_EVERY);
            }
        }
        self.ensure_running()
    }

    fn all_threads_are(&self, state: char) -> Result<bool> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.daemon.pid()))? {
            // One that has just ended is none.
            let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
            let (_, after_name) = stat.rsplit_once(") ").context("/proc/…/stat is not as proc(5) says")?;
            if !after_name.starts_with(state) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has callgrind itself do something, and waits until that is done.
    fn tell(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new("vgdb");
        // It waits for the process to look by itself, and only then makes it.
        command.arg(format!("--pid={}", self.daemon.pid())).arg("--max-invoke-ms=1").args(words);
        let output = command.output().context("cannot start vgdb")?;
        if !output.status.success() {
            bail!("vgdb {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(())
    }
}
