//! The compile cache: compiled code of components, in a directory that belongs to this user alone.
//!
//! Compiled code is trusted as much as this binary, so it is only ever loaded from here, and only
//! if it is whole: an entry ends with the SHA-256 of its code. Its name is made of everything that
//! decides what the code is: the component's bytes, and wasmtime's version, the processor's
//! features and the engine's configuration (as one compatibility hash). An entry that is missing,
//! damaged or refused by wasmtime is compiled again and replaced.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A directory of compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens a directory, made if it does not exist.
    ///
    /// # Errors
    ///
    /// It cannot be made, is not a directory, or others than this user could write to it.
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let found = fs::metadata(&dir)?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if found.mode() & 0o022 != 0 {
            return Err(io::Error::other("others may write to it"));
        }
        Ok(Self { dir })
    }

    /// The compiled form of a component: from the cache, or compiled and put there.
    ///
    /// A cache that cannot be written to costs time, not function: the trouble is logged.
    ///
    /// # Errors
    ///
    /// The bytes are not a valid component.
    pub(super) fn component(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let path = self.dir.join(key(engine, &Sha256::digest(bytes).into()));
        match load(engine, &path) {
            Ok(component) => return Ok(component),
            Err(Miss::Absent) => {}
            Err(Miss::Unusable(reason)) => {
                tracing::warn!(path = %path.display(), %reason, "compiling a component again: its cache entry is unusable");
            }
        }
        let component = Component::from_binary(engine, bytes)?;
        let code = component.serialize()?;
        if let Err(error) = save(&path, &code) {
            tracing::warn!(path = %path.display(), %error, "could not keep a compiled component");
        }
        Ok(component)
    }

    /// Gives up the entry of the component with this SHA-256, if there is one.
    pub(super) fn forget(&self, engine: &Engine, component: &[u8; 32]) {
        // Without it, the component is compiled again; with it, some space is lost. Neither is
        // worth a word.
        let _ = fs::remove_file(self.dir.join(key(engine, component)));
    }
}

/// Why an entry was not used.
enum Miss {
    Absent,
    Unusable(String),
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Absent } else { Self::Unusable(error.to_string()) }
    }
}

/// The file name of the entry of a component with this SHA-256.
fn key(engine: &Engine, component: &[u8; 32]) -> String {
    let mut environment = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut environment);
    let component = hex(component);
    let environment = hex(&environment.0.finalize());
    format!("{component}-{}.cwasm", environment.get(..16).unwrap_or_default())
}

#[allow(unsafe_code)]
fn load(engine: &Engine, path: &Path) -> Result<Component, Miss> {
    let entry = fs::read(path)?;
    let (code, digest) = entry.split_last_chunk::<32>().ok_or_else(|| Miss::Unusable("it is too short".to_owned()))?;
    if Sha256::digest(code)[..] != digest[..] {
        return Err(Miss::Unusable("it is damaged".to_owned()));
    }
    // SAFETY: `deserialize` runs native code that it is given, so the bytes must come from
    // `Component::serialize`. They were read from a directory that only this user may write to
    // (checked in `open`), into which only `save` puts files, and their digest says that they are
    // what `save` wrote. wasmtime itself refuses the code of another version or configuration.
    unsafe { Component::deserialize(engine, code) }.map_err(|error| Miss::Unusable(format!("{error:#}")))
}

/// Writes an entry under a name of its own and moves it into place, so that nobody ever reads half
/// of one.
fn save(path: &Path, code: &[u8]) -> io::Result<()> {
    static UNIQUE: AtomicU64 = AtomicU64::new(0);
    let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{unique}.tmp", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(code)?;
            file.write_all(&Sha256::digest(code))
        })
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 as a hasher, for values that can only be hashed: unlike the default one it gives the
/// same result in every build.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
#[path = "cache_test.rs"]
mod tests;
