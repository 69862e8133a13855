//! Where compiled components are kept.

use std::path::{Path, PathBuf};

use sluice::plugin::{Runtime, RuntimeError, RuntimeOptions};
use sluice_projects::caches;

/// What the operator says of the compile cache.
#[derive(Clone, Debug)]
pub(crate) enum CacheChoice {
    /// Nothing: where the user's caches are.
    Default,
    /// Here.
    At(PathBuf),
    /// There shall be none.
    Nowhere,
}

impl CacheChoice {
    /// A runtime with this cache.
    ///
    /// # Errors
    ///
    /// The directory that was asked for is of no use. Where none was asked for, one of no use is
    /// only warned of: a cache saves time and nothing else.
    pub(super) fn runtime(&self) -> Result<Runtime, RuntimeError> {
        match self {
            Self::At(dir) => with(dir),
            Self::Nowhere => without(),
            Self::Default => {
                let Some(dir) = caches(|name| std::env::var_os(name).map(PathBuf::from)) else {
                    tracing::warn!(
                        "compiled components are not kept: neither XDG_CACHE_HOME nor HOME is set (--cache-dir says where)"
                    );
                    return without();
                };
                with(&dir).or_else(|error| {
                    tracing::warn!("compiled components are not kept: {error} (--cache-dir says where else)");
                    without()
                })
            }
        }
    }
}

fn with(dir: &Path) -> Result<Runtime, RuntimeError> {
    Runtime::new(RuntimeOptions::default().with_cache_dir(dir))
}

fn without() -> Result<Runtime, RuntimeError> {
    Runtime::new(RuntimeOptions::default())
}
