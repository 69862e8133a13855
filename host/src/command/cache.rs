//! Where compiled components are kept.

use std::path::{Path, PathBuf};

use sluice::plugin::{Runtime, RuntimeError, RuntimeOptions};

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
    /// The directory that was asked for is of no use. Where none was asked for, one of no use is only warned of: a cache saves
    /// time and nothing else.
    pub(super) fn runtime(&self) -> Result<Runtime, RuntimeError> {
        match self {
            Self::At(dir) => with(dir),
            Self::Nowhere => without(),
            Self::Default => {
                let Some(dir) = default_dir(|name| std::env::var_os(name).map(PathBuf::from)) else {
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

/// The user's caches, as the XDG base directory specification says: relative paths do not count.
fn default_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("sluice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(xdg: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        default_dir(|name| match name {
            "XDG_CACHE_HOME" => xdg.map(PathBuf::from),
            _ => home.map(PathBuf::from),
        })
    }

    #[test]
    fn the_cache_is_where_the_user_s_caches_are() {
        assert_eq!(dir(Some("/c"), Some("/h")), Some("/c/sluice".into()));
        assert_eq!(dir(None, Some("/h")), Some("/h/.cache/sluice".into()));
        assert_eq!(dir(Some("relative"), Some("/h")), Some("/h/.cache/sluice".into()));
        assert_eq!(dir(Some(""), Some("")), None);
        assert_eq!(dir(None, None), None);
    }
}
