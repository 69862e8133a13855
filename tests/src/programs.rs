//! Where the programs and components under test are.
//!
//! `cargo xtask test` says so in the environment; without it, they are looked for where `cargo xtask` puts them in the target
//! directory that this test executable runs from.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary under test: `SLUICE_BIN`, or `debug/sluice` in the target directory.
///
/// # Panics
///
/// If it is not there.
pub fn sluice() -> PathBuf {
    existing("SLUICE_BIN", "debug/sluice")
}

/// The path of a component: `<crate>.wasm` in `SLUICE_COMPONENTS`, or in `components` in the target directory.
///
/// # Panics
///
/// If it has not been built.
pub fn component(file: &str) -> PathBuf {
    let path = existing("SLUICE_COMPONENTS", "components").join(file);
    assert!(path.exists(), "{} has not been built: run the tests with `cargo xtask test`", path.display());
    path
}

/// A Python that has the `redis` package: `SLUICE_PYTHON`, or `python3`.
///
/// # Panics
///
/// If it does not have it.
pub fn python() -> PathBuf {
    let python = std::env::var_os("SLUICE_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import redis"]).output();
    assert!(
        imports.is_ok_and(|output| output.status.success()),
        "{} cannot import `redis`: run the tests with `cargo xtask test`",
        python.display()
    );
    python
}

/// The unpacked source package of Python's `redis`, with its own tests: `SLUICE_REDIS_PY`, or the one in `redis-py` in the target
/// directory.
///
/// # Panics
///
/// If it is not there.
pub fn redis_py() -> PathBuf {
    existing("SLUICE_REDIS_PY", "redis-py/redis-8.1.0")
}

/// The packages that a Node script may `require`: `SLUICE_NODE_MODULES`, or `node/node_modules` in the target directory.
///
/// # Panics
///
/// If they are not there.
pub fn node_modules() -> PathBuf {
    existing("SLUICE_NODE_MODULES", "node/node_modules")
}

/// A Valkey 9: `SLUICE_VALKEY_SERVER`, or `valkey/valkey-server` in the target directory.
///
/// # Panics
///
/// If it is not there.
pub fn valkey_server() -> PathBuf {
    existing("SLUICE_VALKEY_SERVER", "valkey/valkey-server")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_path_buf()
}

fn existing(variable: &str, in_target: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| target_dir().join(in_target), PathBuf::from);
    assert!(path.exists(), "{} is not there: run the tests with `cargo xtask test`", path.display());
    path
}

/// `<target>`, seen from `<target>/debug/deps/<this executable>`.
fn target_dir() -> PathBuf {
    let this = std::env::current_exe().expect("this executable has a path");
    this.ancestors().nth(3).expect("it is in a target directory").to_path_buf()
}
