//! A compiler for `wasm32-unknown-unknown`, wherever one can be had.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::{apt, process};

/// Such a guest imports nothing but what its interface names, so there is no WASI to grant.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The target's standard library is a download of 20 MB.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// Debian's compiler, and the sources of its standard library.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What would make a nested cargo build for another machine or with flags that were meant for the host.
const HOST_VARIABLES: [&str; 6] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_INCREMENTAL",
    "CARGO_BUILD_TARGET_DIR",
];

/// How to compile for the target here.
pub(super) enum Toolchain {
    /// Our own compiler has the target's standard library.
    Own,
    /// Debian's compiler builds the standard library from its sources (once, about 30 s); our compiler's linker links.
    Debian {
        /// The path of `rust-lld`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The first that works: the target is there; rustup fetches it; Debian's packages. `cache` is a directory for a note, so
    /// that a machine without rustup's server is asked only once.
    pub(super) fn find(cache: &Path) -> Result<Self> {
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
        let debian = Self::debian().with_context(|| {
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

    fn debian() -> Result<Self> {
        if !debian_has_sources() {
            apt::install(&DEBIAN_PACKAGES)?;
            ensure!(debian_has_sources(), "{DEBIAN_RUSTC} has no sources of the standard library");
        }
        let libraries = own_rustc(&["--print", "target-libdir"])?;
        // <sysroot>/lib/rustlib/<host>/lib, and beside it bin.
        let linker = Path::new(libraries.trim()).with_file_name("bin").join("rust-lld");
        ensure!(linker.is_file(), "there is no linker {}", linker.display());
        Ok(Self::Debian { linker })
    }

    /// Make a cargo command compile with it.
    pub(super) fn apply(&self, cargo: &mut Command) {
        for variable in HOST_VARIABLES {
            cargo.env_remove(variable);
        }
        match self {
            Self::Own => {}
            Self::Debian { linker } => {
                // A wrapper would be asked about a compiler that it does not know, and `cargo run` points the loader to the
                // libraries of ours.
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
    if !apt::find_program("rustup") {
        bail!("there is no rustup");
    }
    eprintln!("xtask: adding the target {TARGET} (rustup)");
    process::run_for_at_most(
        RUSTUP_LIMIT,
        Command::new("rustup").args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "0").stderr(Stdio::null()),
    )
}

fn debian_has_sources() -> bool {
    process::output(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]).env_remove("LD_LIBRARY_PATH"))
        .is_ok_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
}

/// Ask the compiler that cargo would use.
fn own_rustc(arguments: &[&str]) -> Result<String> {
    process::output(Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).args(arguments))
}
