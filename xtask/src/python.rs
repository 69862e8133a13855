//! A Python with the `redis` client, for the tests that speak as Python programs do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{apt, process};

/// The client, pinned, so that a test means the same tomorrow.
const CLIENT: &str = "redis==8.1.0";

/// An interpreter that can import the client.
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

        if virtual_environment.has_client() {
            return Ok(virtual_environment);
        }
        if plain.has_client() {
            return Ok(plain);
        }
        eprintln!("xtask: installing {CLIENT} for Python");
        if !apt::find_program("python3") {
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
            .with_context(|| format!("the tests need a Python that can `import redis` ({CLIENT}); {tried:#}"))?;
        Ok(if plain.has_client() { plain } else { virtual_environment })
    }

    fn has_client(&self) -> bool {
        let mut python = Command::new(&self.interpreter);
        python.args(["-c", &format!("import redis; assert 'redis==' + redis.__version__ == '{CLIENT}'")]);
        if let Some(path) = &self.path {
            python.env("PYTHONPATH", path);
        }
        python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    }
}

fn create(directory: &Path, python: &Python) -> Result<()> {
    process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory))?;
    pip(&python.interpreter, &[])
}

fn pip(interpreter: &Path, arguments: &[&std::ffi::OsStr]) -> Result<()> {
    process::output(
        Command::new(interpreter)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT])
            .args(arguments),
    )
    .map(drop)
}
