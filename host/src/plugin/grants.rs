//! The host capabilities that an operator may allow a plugin to use.

use std::fmt;
use std::str::FromStr;

/// A host capability that is not given to everyone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grant {
    /// The time.
    Clock,
    /// Randomness that cannot be guessed.
    Random,
    /// Who is behind a session.
    Sessions,
    /// The map that all instances of a transform share.
    State,
}

impl Grant {
    /// All of them, in alphabetical order.
    pub const ALL: [Self; 4] = [Self::Clock, Self::Random, Self::Sessions, Self::State];

    /// Its name in a topology, which is also the name of the interface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Sessions => "sessions",
            Self::State => "state",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(name: &str) -> Result<Self, UnknownGrant> {
        Self::ALL.into_iter().find(|grant| grant.name() == name).ok_or_else(|| UnknownGrant(name.to_owned()))
    }
}

/// A name that no grant has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown grant `{0}`: expected clock, random, sessions or state")]
pub struct UnknownGrant(String);

/// A set of grants.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Grants(u8);

impl Grants {
    /// No grant at all.
    pub const NONE: Self = Self(0);

    /// This set and one more.
    #[must_use]
    pub const fn with(self, grant: Grant) -> Self {
        Self(self.0 | grant.bit())
    }

    /// Whether a grant is in the set.
    pub const fn contains(self, grant: Grant) -> bool {
        self.0 & grant.bit() != 0
    }

    /// The grants in the set, in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = Grant> {
        Grant::ALL.into_iter().filter(move |&grant| self.contains(grant))
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        grants.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_grant_is_found_by_its_name_and_no_other() {
        for grant in Grant::ALL {
            assert_eq!(grant.name().parse::<Grant>().unwrap(), grant);
            assert!(Grants::NONE.with(grant).contains(grant));
            assert_eq!(Grants::NONE.with(grant).iter().count(), 1);
        }
        let error = "upstream".parse::<Grant>().unwrap_err();
        assert_eq!(error.to_string(), "unknown grant `upstream`: expected clock, random, sessions or state");
    }
}
