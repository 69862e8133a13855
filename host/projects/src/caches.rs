//! Where the user's caches are.

use std::path::PathBuf;

/// The directory of Sluice among the user's caches, as the XDG base directory specification says,
/// given the variables of the environment: relative paths do not count. `None` where neither
/// `XDG_CACHE_HOME` nor `HOME` says it.
pub fn caches(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("sluice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(xdg: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        caches(|name| match name {
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
