//! The versions of the contract: the one that this host speaks, and those that it runs.

use std::fmt;
use std::str::FromStr;

/// The package of the contract, as it stands before the name of an interface.
pub(super) const PACKAGE: &str = "sluice:transform/";

/// A version of the contract.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContractVersion {
    /// Rises where something was changed or taken away.
    pub major: u32,
    /// Rises where something was added.
    pub minor: u32,
    /// Rises where only words were changed.
    pub patch: u32,
}

const fn version(major: u32, minor: u32, patch: u32) -> ContractVersion {
    ContractVersion { major, minor, patch }
}

pub(super) const V0_1: ContractVersion = version(0, 1, 0);
/// Added `metrics.explain`.
pub(super) const V0_2: ContractVersion = version(0, 2, 0);

/// Every version whose components this host runs, the oldest first; the last one is the version of
/// `wit/`, which it speaks.
///
/// Each but the last has components of its own in `tests/frozen`.
pub(super) const RUN: [ContractVersion; 2] = [V0_1, V0_2];

impl ContractVersion {
    /// The version that this host speaks.
    pub const SPOKEN: Self = {
        let [.., last] = RUN;
        last
    };

    /// Whether this host runs components that were made for it. Versions that differ in their patch
    /// alone are the same to it.
    pub(super) fn is_run(self) -> bool {
        RUN.iter().any(|run| (run.major, run.minor) == (self.major, self.minor))
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for ContractVersion {
    type Err = ();

    /// Three numbers; not what semantic versioning allows beyond them, which the contract does not
    /// use.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.').map(|part| part.parse().map_err(drop));
        let mut next = || parts.next().unwrap_or(Err(()));
        let version = version(next()?, next()?, next()?);
        // `00.2` and `+0.2` are no versions.
        if version.to_string() == text { Ok(version) } else { Err(()) }
    }
}

/// The versions that this host runs, in words: `0.1.0 and 0.2.0`.
pub(super) fn run() -> String {
    let [others @ .., last] = RUN.map(|version| version.to_string());
    if others.is_empty() { last } else { format!("{} and {last}", others.join(", ")) }
}

/// A name of the contract's package taken apart: the interface, and the version as it is written.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

/// Whether a name is that of this interface of the contract, in whatever version.
pub(super) fn is_named(name: &str, interface: &str) -> bool {
    split(name).is_some_and(|(found, _)| found == interface)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!("0.2.0".parse(), Ok(version(0, 2, 0)));
        assert_eq!(version(1, 20, 3).to_string(), "1.20.3");
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "0.3.0-rc.1", "-1.0.0"] {
            assert_eq!(text.parse::<ContractVersion>(), Err(()), "{text}");
        }
    }

    #[test]
    fn what_is_run_is_in_the_table_whatever_the_patch() {
        for text in ["0.1.0", "0.1.7", "0.2.0"] {
            assert!(text.parse::<ContractVersion>().unwrap().is_run(), "{text}");
        }
        for text in ["0.0.1", "0.3.0", "1.0.0", "1.2.0"] {
            assert!(!text.parse::<ContractVersion>().unwrap().is_run(), "{text}");
        }
    }

    #[test]
    fn the_versions_rise_and_the_last_one_is_that_of_the_interfaces() {
        assert!(RUN.is_sorted());
        let mut resolve = wit_parser::Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (package, _) = resolve.push_dir(&wit).unwrap();
        let named = resolve.packages[package].name.version.clone().unwrap();
        assert_eq!(named.to_string(), ContractVersion::SPOKEN.to_string());
    }

    #[test]
    fn the_policy_names_the_versions_of_the_table() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/versions.md");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&format!("**{}**", ContractVersion::SPOKEN)));
        for ContractVersion { major, minor, .. } in RUN {
            assert!(page.contains(&format!("\n| {major}.{minor} | ")), "{major}.{minor}");
        }
    }

    #[test]
    fn every_version_that_is_run_and_not_spoken_has_frozen_components() {
        for ContractVersion { major, minor, .. } in
            RUN.into_iter().filter(|&version| version != ContractVersion::SPOKEN)
        {
            for lane in ["columns", "rows"] {
                let path = format!("../tests/frozen/{major}.{minor}/witness_{lane}.wasm");
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).is_file(), "{path}");
            }
        }
    }
}
