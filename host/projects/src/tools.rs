//! Tools of other languages: pinned, from their registries, in a directory of the user's caches,
//! and never in the system.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::caches::caches;
use crate::process;

/// Says where tools are kept, if not among the user's caches.
const VARIABLE: &str = "SLUICE_TOOLS";

/// Where tools are kept. Each is installed once, whole, into a directory that is named by it and
/// its version.
#[derive(Debug, Clone)]
pub struct Tools {
    directory: PathBuf,
    /// Where cargo keeps what it compiles, if not in each project.
    cargo_target: Option<PathBuf>,
}

impl Tools {
    /// In the directory that `SLUICE_TOOLS` names, or else among the user's caches.
    ///
    /// # Errors
    ///
    /// `SLUICE_TOOLS` is a relative path, or neither it nor `XDG_CACHE_HOME` nor `HOME` is set.
    pub fn of_the_user() -> Result<Self> {
        if let Some(relative) =
            env::var_os(VARIABLE).map(PathBuf::from).filter(|path| path.is_relative() && path != Path::new(""))
        {
            bail!("{VARIABLE}: found {relative:?}, expected the absolute path of a directory");
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = absolute(VARIABLE)
            .or_else(|| Some(caches(|name| env::var_os(name).map(PathBuf::from))?.join("tools")))
            .ok_or_else(|| {
                anyhow!("there is no place for tools: set {VARIABLE} to the absolute path of a directory")
            })?;
        Ok(Self { directory, cargo_target: absolute("CARGO_TARGET_DIR") })
    }

    /// In this directory, with another one for what cargo compiles for all projects.
    #[must_use]
    pub fn at(directory: PathBuf, cargo_target: Option<PathBuf>) -> Self {
        Self { directory, cargo_target }
    }

    /// Where cargo keeps what it compiles, if not in each project.
    pub(crate) fn cargo_target(&self) -> Option<&Path> {
        self.cargo_target.as_deref()
    }

    /// The directory itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A package of PyPI: gives the directory that `PYTHONPATH` must name.
    pub(crate) fn python_package(&self, name: &str, version: &str) -> Result<PathBuf> {
        self.install(&format!("{name}-{version}"), |directory| {
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"];
            let mut python = process::python()?;
            python.args(pip).arg("--target").arg(directory).arg(format!("{name}=={version}"));
            if process::output(process::python()?.args(["-m", "pip", "--version"])).is_err() {
                bail!("Python has no pip: install it (Debian: apt-get install python3-pip)");
            }
            // In a container one is root, and nothing is written outside of the directory.
            process::run(python.env("PIP_ROOT_USER_ACTION", "ignore"))
                .context("is there a way to PyPI, or to the index that PIP_INDEX_URL names?")
        })
    }

    /// A package of npm: gives the directory that holds its `node_modules`.
    pub(crate) fn npm_package(&self, name: &str, version: &str) -> Result<PathBuf> {
        let key = name.rsplit('/').next().unwrap_or(name);
        self.install(&format!("{key}-{version}"), |directory| {
            if !process::is_there("npm") {
                bail!("there is no npm: install Node 20.19 or later, which brings it, https://nodejs.org");
            }
            let options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
            process::run(
                Command::new("npm").arg("install").args(options).arg(directory).arg(format!("{name}@{version}")),
            )
            .context("is there a way to the registry of npm, or to the one that `npm config get registry` names?")
        })
    }

    /// The directory of a tool, which `install` fills where it is not there. Whole or not at all,
    /// and two at once do no harm.
    fn install(&self, key: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let directory = self.directory.join(key);
        if directory.is_dir() {
            return Ok(directory);
        }
        eprintln!("installing {key} into {}", self.directory.display());
        let draft = self.directory.join(format!(".{key}.{}", std::process::id()));
        fs::create_dir_all(&draft).with_context(|| format!("cannot create {}", draft.display()))?;
        let installed = install(&draft).and_then(|()| match fs::rename(&draft, &directory) {
            Err(_) if directory.is_dir() => Ok(()),
            renamed => renamed.with_context(|| format!("cannot create {}", directory.display())),
        });
        if draft.exists() {
            fs::remove_dir_all(&draft).with_context(|| format!("cannot remove {}", draft.display()))?;
        }
        installed.with_context(|| format!("cannot install {key}"))?;
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tool_is_installed_once_and_whole() {
        let place = tempfile::tempdir().unwrap();
        let tools = Tools::at(place.path().to_owned(), None);
        let error = tools
            .install("x-1", |directory| {
                fs::write(directory.join("half"), "")?;
                bail!("the network is gone")
            })
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "cannot install x-1: the network is gone");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);

        let write = |directory: &Path| Ok(fs::write(directory.join("tool"), "")?);
        let directory = tools.install("x-1", write).unwrap();
        assert!(directory.join("tool").is_file());
        tools.install("x-1", |_| bail!("it is there")).unwrap();
    }
}
