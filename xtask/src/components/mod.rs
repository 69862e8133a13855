//! From the plugins' crates to components: compile to a core module, encode, keep.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use sluice_projects::rust::{DEBIAN_PACKAGES, TARGET, Toolchain};
use sluice_projects::{encode, process, write_if_changed};

use crate::apt;
use crate::workspace::{Package, Workspace};

/// Where the crates are that become components.
const DIRECTORIES: [&str; 3] = ["plugins", "examples/transforms", "tests/components"];

/// The profile in the root `Cargo.toml` that components are built with.
const PROFILE: &str = "component";

/// Build every component and give the directory that holds them.
///
/// A component that came out the same is not written again, so that the host, which includes them, is not rebuilt.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.components();
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let packages = workspace.component_packages(&DIRECTORIES);
    if packages.is_empty() {
        return Ok(directory);
    }
    let target = target(workspace);
    let toolchain = Toolchain::find(&target, || apt::install(&DEBIAN_PACKAGES))?;
    for package in packages {
        let Some(name) = &package.cdylib else {
            continue;
        };
        compile(workspace, &toolchain, &target, package)?;
        let module = target.join(TARGET).join(PROFILE).join(format!("{name}.wasm"));
        let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let component = encode(&module).with_context(|| package.name.clone())?;
        let path = directory.join(format!("{name}.wasm"));
        if write_if_changed(&path, &component)? {
            eprintln!("xtask: {} ({} kB)", path.display(), component.len().div_ceil(1000));
        }
    }
    Ok(directory)
}

/// Where modules are compiled: apart from the host, so that two compilers do not evict each other's work.
pub(crate) fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("wasm")
}

fn compile(workspace: &Workspace, toolchain: &Toolchain, target: &Path, package: &Package) -> Result<()> {
    let mut cargo = workspace.cargo();
    // One package at a time, as a cdylib alone: cargo does no link-time optimisation for a library of several types.
    cargo.args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib", "--profile", PROFILE, "--target", TARGET]);
    cargo.args(["--package", &package.name]);
    toolchain.apply(&mut cargo);
    cargo.env("CARGO_TARGET_DIR", target);
    process::run(&mut cargo)
}
