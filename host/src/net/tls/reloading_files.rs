//! A configuration that is loaded from files, and again when they change.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::material::{Material, TlsError};
use super::renewal::Renewable;

/// The configuration that the files of `M` give, from when all of them were last good.
pub struct ReloadingFiles<M: Material> {
    material: M,
    current: RwLock<Arc<M::Config>>,
    watch: Mutex<Watch>,
}

/// A change is acted on when two looks in a row have seen it: a certificate is renewed by writing
/// several files.
struct Watch {
    /// The files as they were when they were last loaded, or could not be.
    loaded: Stamps,
    seen: Stamps,
}

/// When each file was changed, how long it is and which it is; `None` for one that is not there.
#[derive(Clone, Eq, PartialEq)]
struct Stamps(Vec<Option<(i64, i64, u64, u64)>>);

impl Stamps {
    fn of(files: &[&Path]) -> Self {
        let stamp = |file: &&Path| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino()))
        };
        Self(files.iter().map(stamp).collect())
    }
}

impl<M: Material> ReloadingFiles<M> {
    /// Loads the files for the first time.
    ///
    /// # Errors
    ///
    /// The first file that is of no use, and why.
    pub fn load(material: M) -> Result<Self, TlsError> {
        // Before they are read, so that a change meanwhile is seen as one.
        let stamps = Stamps::of(&material.files());
        let current = RwLock::new(Arc::new(material.load()?));
        Ok(Self { material, current, watch: Mutex::new(Watch { loaded: stamps.clone(), seen: stamps }) })
    }

    /// The configuration for a new connection.
    pub fn current(&self) -> Arc<M::Config> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files.
    pub fn material(&self) -> &M {
        &self.material
    }

    fn reload(&self) {
        let files = self.material.files().iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        match self.material.load() {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!(%files, "certificates renewed: new connections use them");
            }
            Err(TlsError { file, reason, .. }) => {
                let file = file.display();
                tracing::warn!(%file, %reason, "certificates have changed and cannot be used: the old ones stay in use");
            }
        }
    }
}

impl<M: Material> Renewable for ReloadingFiles<M> {
    fn look(&self, now: bool) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Stamps::of(&self.material.files());
        let settled = found == watch.seen;
        watch.seen = found;
        if watch.seen != watch.loaded && (settled || now) {
            watch.loaded = watch.seen.clone();
            self.reload();
        }
    }
}

impl<M: Material> fmt::Debug for ReloadingFiles<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReloadingFiles").field(&self.material).finish()
    }
}
