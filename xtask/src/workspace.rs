//! Where things are: the workspace's directories, its packages, and a `cargo` that does not inherit this one's state.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// These commands themselves: they have a profile of their own, and are kept out of what is compiled with the others.
pub(crate) const OURSELVES: &str = "xtask";

/// What `cargo run` tells its program and a nested cargo must not take for its own.
const CARGO_RUN_VARIABLES: [&str; 3] = ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_MANIFEST_LINKS"];

/// The workspace as cargo sees it.
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The target directory, wherever `CARGO_TARGET_DIR` or the configuration put it.
    pub(crate) target: PathBuf,
    packages: Vec<Package>,
}

/// A member of the workspace.
pub(crate) struct Package {
    /// Its name in `Cargo.toml`, such as `key-prefix`.
    pub(crate) name: String,
    /// The directory of its `Cargo.toml`, relative to the root.
    directory: PathBuf,
    /// The name of its library where that can be a `cdylib`, such as `key_prefix`.
    pub(crate) cdylib: Option<String>,
}

impl Workspace {
    /// Ask cargo for the workspace that this program belongs to.
    pub(crate) fn discover() -> Result<Self> {
        // Asked at run time: the repository may have been moved since this was compiled.
        let ours = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask …`")?;
        let manifest = Path::new(&ours).with_file_name("Cargo.toml");
        let metadata = process::output(
            cargo().args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest),
        )?;
        let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
        let root = PathBuf::from(text(&metadata, "workspace_root")?);
        let packages =
            list(&metadata, "packages")?.iter().map(|package| Package::parse(&root, package)).collect::<Result<_>>()?;
        Ok(Self { target: PathBuf::from(text(&metadata, "target_directory")?), root, packages })
    }

    /// The members below one of the root's directories that build a component, by name.
    pub(crate) fn component_packages(&self, directories: &[&str]) -> Vec<&Package> {
        let inside = |package: &&Package| directories.iter().any(|directory| package.directory.starts_with(directory));
        let mut packages: Vec<_> =
            self.packages.iter().filter(|package| package.cdylib.is_some()).filter(inside).collect();
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        packages
    }

    /// `cargo`, in the root and with this workspace's target directory.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        // Where the default would do, it is left alone: build scripts look at the variable, and run again where it changed.
        if self.target != self.root.join("target") {
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        command
    }

    /// Builds the debug host, and nothing a second time for the tests.
    ///
    /// Cargo chooses the features of dependencies for what it is asked to build. With a test among that, it chooses as for
    /// `cargo test`; without one, it would compile wasmtime once for the host and once more for the tests.
    pub(crate) fn build_host(&self) -> Command {
        let mut command = self.cargo();
        command.args(["build", "--workspace", "--exclude", OURSELVES, "--bin", "sluice", "--test", "e2e"]);
        command
    }

    /// Where the components are: `<target>/components`.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// The binary of the host, of a profile's directory (`debug`, `release`).
    pub(crate) fn sluice(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join("sluice")
    }
}

impl Package {
    fn parse(root: &Path, package: &Value) -> Result<Self> {
        let manifest = Path::new(text(package, "manifest_path")?);
        let directory = manifest.parent().unwrap_or(manifest);
        let mut cdylib = None;
        for target in list(package, "targets")? {
            if list(target, "crate_types")?.iter().any(|kind| kind == "cdylib") {
                cdylib = Some(text(target, "name")?.replace('-', "_"));
            }
        }
        Ok(Self {
            name: text(package, "name")?.to_owned(),
            directory: directory.strip_prefix(root).unwrap_or(directory).to_owned(),
            cdylib,
        })
    }
}

/// `cargo`: the one that runs us, without what it told us about ourselves.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for variable in CARGO_RUN_VARIABLES {
        command.env_remove(variable);
    }
    for (variable, _) in env::vars_os() {
        if variable.to_str().is_some_and(|variable| variable.starts_with("CARGO_PKG_")) {
            command.env_remove(variable);
        }
    }
    command
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("cargo metadata has no text {key:?}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value]> {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .with_context(|| format!("cargo metadata has no list {key:?}"))
}
