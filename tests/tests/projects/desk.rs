//! An author's desk: an empty directory, the `sluice` binary on the search path, and what the author types.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sluice_tests::ports::free_addr;
use sluice_tests::process::Process;
use sluice_tests::{Client, programs, wait_until};
use tempfile::TempDir;

/// Interpreters are compiled by a debug build of the proxy before it is ready.
const SOON: std::time::Duration = std::time::Duration::from_secs(180);

/// The port of every topology that `plugin new` writes.
const ADDRESS: &str = "127.0.0.1:6380";

/// A directory outside of the repository.
pub(crate) struct Desk {
    place: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Types a command that begins with `sluice`, in this directory; gives what came of it.
    pub(crate) fn try_type(&self, directory: &Path, line: &str) -> Output {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("sluice"), "{line}");
        command(directory).args(words).output().unwrap()
    }

    /// The same, for a command that must work; gives what it printed.
    #[track_caller]
    pub(crate) fn type_in(&self, directory: &Path, line: &str) -> String {
        let output = self.try_type(directory, line);
        let text = text(&output);
        assert!(output.status.success(), "{line} ended with {}:\n{text}", output.status);
        text
    }

    /// `sluice plugin new`; gives the directory of the project.
    #[track_caller]
    pub(crate) fn new_project(&self, name: &str, language: &str) -> PathBuf {
        self.type_in(self.path(), &format!("sluice plugin new {name} --language {language}"));
        self.path().join(name)
    }
}

/// Both streams of a command.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The commands that the README of a project shows: those that begin with `sluice` in its first block.
pub(crate) fn readme_commands(project: &Path) -> Vec<String> {
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let block = readme.split("```").nth(1).unwrap();
    let lines = block.lines().filter(|line| line.starts_with("sluice "));
    lines.map(|line| line.split('#').next().unwrap_or_default().trim().to_owned()).collect()
}

/// Runs `sluice run …` in a project, and lets `visit` be its client.
#[track_caller]
pub(crate) fn run(project: &Path, line: &str, visit: impl FnOnce(&mut Client)) {
    // The port of the topology may be taken here.
    let (topology, address) = (project.join("topology.yaml"), free_addr());
    let yaml = fs::read_to_string(&topology).unwrap();
    assert!(yaml.contains(ADDRESS), "{yaml}");
    fs::write(&topology, yaml.replace(ADDRESS, &address)).unwrap();
    let words: Vec<_> = line.split_whitespace().skip(1).collect();
    let mut proxy = Process::spawn("sluice", command(project).args(words));
    wait_until("sluice is ready", SOON, || {
        assert!(proxy.ended().is_none(), "{line} ended:\n{}", proxy.output());
        Client::try_connect(&address).ok()
    });
    visit(&mut Client::connect(&address));
    proxy.kill();
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(programs::sluice());
    command.current_dir(directory).env_remove("RUST_LOG").env_remove("SLUICE_LOG");
    // Where `cargo xtask test` keeps tools and what they compile, so that each machine does it once.
    if let Some(target) = env::var_os("SLUICE_CARGO_TARGET") {
        command.env("CARGO_TARGET_DIR", target);
    }
    command
}
