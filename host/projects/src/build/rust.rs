//! Rust: cargo, with a compiler for `wasm32-unknown-unknown` wherever one can be had.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::encode::encode;
use crate::process;
use crate::project::Project;
use crate::tools::Tools;

/// Such a guest imports nothing but what its interface names, so there is no WASI to grant.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The target's standard library is a download of 20 MB.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// Debian's compiler, and the sources of its standard library.
pub const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What would make a nested cargo build for another machine or with flags that were meant for the
/// host.
const HOST_VARIABLES: [&str; 6] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_INCREMENTAL",
    "CARGO_BUILD_TARGET_DIR",
];

/// Makes the component of a project: a crate with a `cdylib`.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    project.support()?;
    let toolchain = Toolchain::find(tools.directory(), || {
        bail!("install them as root: apt-get install --no-install-recommends {}", DEBIAN_PACKAGES.join(" "))
    })?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&project.directory).args(["rustc", "--lib", "--crate-type", "cdylib", "--release"]);
    cargo.args(["--target", TARGET]);
    cargo.arg("--target-dir").arg(match tools.cargo_target() {
        Some(shared) => shared.to_owned(),
        None => project.derived()?.join("cargo"),
    });
    toolchain.apply(&mut cargo);
    let messages = process::show_and_read(cargo.arg("--message-format=json-render-diagnostics"))?;
    let module = module(&messages).context("cargo did not say which module it made")?;
    encode(&fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?)
}

/// The module that cargo made last, by what it says of itself.
fn module(messages: &str) -> Option<PathBuf> {
    let made = messages.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    made.filter_map(|message| {
        let files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str);
        files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
    })
    .next()
}

/// How to compile for the target here.
#[derive(Debug)]
pub enum Toolchain {
    /// Our own compiler has the target's standard library.
    Own,
    /// Debian's compiler builds the standard library from its sources (once, about 30 s); our
    /// compiler's linker links.
    Debian {
        /// The path of `rust-lld`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The first that works: the target is there; rustup fetches it; Debian's packages, which
    /// `install` may bring where they are missing. `cache` is a directory for a note, so that a
    /// machine without rustup's server is asked only once.
    ///
    /// # Errors
    ///
    /// There is none; says what to install.
    pub fn find(cache: &Path, install: impl FnOnce() -> Result<()>) -> Result<Self> {
        ensure!(
            process::is_there("cargo"),
            "there is no cargo: install Rust 1.95 or later by rustup, https://rustup.rs"
        );
        if own_target_is_installed()? {
            return Ok(Self::Own);
        }
        let note = cache.join("rustup-has-no-target");
        let rustup = if note.exists() {
            "rustup could not fetch the target earlier".to_owned()
        } else {
            match add_target() {
                Ok(()) => return Ok(Self::Own),
                Err(error) => format!("{error:#}"),
            }
        };
        let debian = Self::debian(install).with_context(|| {
            format!(
                "there is no way to compile for {TARGET} on this machine.\n\
                 Install the target (`rustup target add {TARGET}`), or Debian's packages {}.\n\
                 What was tried: {rustup}",
                DEBIAN_PACKAGES.join(" and ")
            )
        })?;
        fs::create_dir_all(cache)?;
        fs::write(note, format!("{rustup}\n"))?;
        Ok(debian)
    }

    fn debian(install: impl FnOnce() -> Result<()>) -> Result<Self> {
        if !debian_has_sources() {
            install()?;
            ensure!(debian_has_sources(), "{DEBIAN_RUSTC} has no sources of the standard library");
        }
        let libraries = own_rustc(&["--print", "target-libdir"])?;
        // <sysroot>/lib/rustlib/<host>/lib, and beside it bin.
        let linker = Path::new(libraries.trim()).with_file_name("bin").join("rust-lld");
        ensure!(linker.is_file(), "there is no linker {}", linker.display());
        Ok(Self::Debian { linker })
    }

    /// Makes a cargo command compile with it.
    pub fn apply(&self, cargo: &mut Command) {
        for variable in HOST_VARIABLES {
            cargo.env_remove(variable);
        }
        match self {
            Self::Own => {}
            Self::Debian { linker } => {
                // A wrapper would be asked about a compiler that it does not know, and `cargo run`
                // points the loader to the libraries of ours.
                for variable in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "LD_LIBRARY_PATH"] {
                    cargo.env_remove(variable);
                }
                cargo
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    .arg("-Zbuild-std=std,panic_abort");
            }
        }
    }
}

fn own_target_is_installed() -> Result<bool> {
    let libraries = own_rustc(&["--print", "target-libdir", "--target", TARGET])?;
    Ok(fs::read_dir(libraries.trim()).is_ok_and(|mut files| files.next().is_some()))
}

fn add_target() -> Result<()> {
    if !process::is_there("rustup") {
        bail!("there is no rustup");
    }
    eprintln!("adding the target {TARGET} (rustup)");
    process::run_for_at_most(
        RUSTUP_LIMIT,
        Command::new("rustup").args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "0").stderr(Stdio::null()),
    )
}

fn debian_has_sources() -> bool {
    process::output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]).env_remove("LD_LIBRARY_PATH"))
        .is_ok_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
}

/// Asks the compiler that cargo would use.
fn own_rustc(arguments: &[&str]) -> Result<String> {
    process::output(Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).args(arguments))
}
