//! Embeds the standard plugins: generates a constant with the bytes of each component, empty where it has not been built yet.
//!
//! The components are looked for in `SLUICE_COMPONENTS`, or else in `components` within the target directory, where
//! `cargo xtask build` puts them.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const COMPONENTS: [(&str, &str); 4] = [
    ("KEY_PREFIX", "key_prefix.wasm"),
    ("COMMAND_FILTER", "command_filter.wasm"),
    ("REQUEST_LOGGER", "request_logger.wasm"),
    ("MEMORY_STORE", "memory_store.wasm"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=SLUICE_COMPONENTS");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    // Interfaces are compiled into the binary by a macro, which cargo does not look into.
    println!("cargo::rerun-if-changed=../wit");

    let dir = components_dir()?;
    // Made if need be, so that there is something to watch: cargo takes what does not exist for changed, every time.
    fs::create_dir_all(&dir)?;
    println!("cargo::rerun-if-changed={}", dir.display());

    let mut constants = String::new();
    for (constant, file) in COMPONENTS {
        let path = dir.join(file);
        let bytes =
            if path.is_file() { format!("include_bytes!({:?})", path.canonicalize()?) } else { "&[]".to_owned() };
        writeln!(constants, "const {constant}: &[u8] = {bytes};")?;
    }
    let out = Path::new(&env::var("OUT_DIR")?).join("standard_components.rs");
    fs::write(out, constants)?;
    Ok(())
}

fn components_dir() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(dir) = env::var_os("SLUICE_COMPONENTS") {
        return Ok(dir.into());
    }
    if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
        return Ok(Path::new(&target).join("components"));
    }
    Ok(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../target/components"))
}
