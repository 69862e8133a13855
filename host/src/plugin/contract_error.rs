//! Why a component does not keep the contract, in words: what was found, what was expected, what to
//! do.

use std::fmt;

use super::grants::{Grant, Grants};
use super::versions::{self, ContractVersion, PACKAGE};

/// Why a component does not keep the contract; completes the sentence "the component …".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ContractError {
    /// It exports nothing of the contract.
    #[error(
        "is {what}, not a transform: it exports {}; expected `{PACKAGE}lifecycle@{spoken}` and a handler. Build it for one of the \
         worlds of the contract: `sluice plugin new` writes a project that does",
        listed(exports, "nothing"),
        spoken = ContractVersion::SPOKEN
    )]
    NotATransform {
        /// What it is instead, as far as its exports tell.
        what: &'static str,
        /// What it exports.
        exports: Vec<String>,
    },
    /// It was made for a version of the contract that this host does not run.
    #[error(
        "{verb} `{name}`: it was made for a version of the contract that {why}; this host speaks {spoken} and runs components \
         made for {run}. {hint}",
        spoken = ContractVersion::SPOKEN,
        run = versions::run()
    )]
    Version {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The name that says so.
        name: String,
        /// What is wrong with the version.
        why: &'static str,
        /// What to do.
        hint: String,
    },
    /// Its exports are of several versions of the contract.
    #[error(
        "exports the contract in several versions ({}); expected all of its exports to be of one: build it against one version of \
         the WIT files",
        listed(.0, "")
    )]
    MixedVersions(Vec<String>),
    /// It has handlers, and nothing that sets them up.
    #[error(
        "exports {}, but no `{missing}`, which says what it is and takes its configuration; expected both. Add \
         `export {missing};` to its world",
        listed(handlers, "")
    )]
    NoLifecycle {
        /// Its handlers.
        handlers: Vec<String>,
        /// The export that it lacks.
        missing: String,
    },
    /// It has no handler: nothing would ever cross.
    #[error(
        "exports `{PACKAGE}lifecycle@{version}`, but no handler; expected `requests-rows` or `requests-columns`, without which no \
         request would ever cross into it. Add `export {PACKAGE}requests-rows@{version};` to its world"
    )]
    NoHandler {
        /// The version that it was made for.
        version: ContractVersion,
    },
    /// It has a handler for responses alone.
    #[error(
        "handles responses (`{found}`), but not requests; expected both: a response crosses only where the verdict on its \
         request watches it. Add `export {missing};` to its world"
    )]
    NoRequests {
        /// Its handler.
        found: String,
        /// The export that it lacks.
        missing: String,
    },
    /// It has handlers of both lanes.
    #[error("has handlers of both lanes ({}); expected those of one. Choose rows or columns, and take the others out of its world", listed(.0, ""))]
    BothLanes(Vec<String>),
    /// An export of the contract lacks a function, or has one of another type.
    #[error(
        "exports `{export}`, but its function `{function}` {problem}; expected it as the contract has it. Rebuild it against the \
         WIT files or the SDK that come with this host"
    )]
    Function {
        /// The interface.
        export: String,
        /// The function in it.
        function: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It imports what its declaration does not allow.
    #[error("{0}")]
    Needs(Needs),
    /// It imports what the host does not have.
    #[error("imports {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; it also imports "))]
    UnknownImports(Vec<UnknownImport>),
    /// An interface that it imports has no such function.
    #[error("imports `{import}` with the function `{function}`, which that interface does not have; {hint}")]
    UnknownFunction {
        /// The interface.
        import: String,
        /// The function.
        function: String,
        /// What was expected, and what to do.
        hint: String,
    },
    /// It imports an interface with a function of another type.
    #[error(
        "imports `{import}` as the contract does not have it: {problem}. Rebuild it against the WIT files or the SDK that come with \
         this host"
    )]
    ImportedFunction {
        /// The interface.
        import: String,
        /// What is different.
        problem: String,
    },
}

/// What a component would need its declaration to allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Needs {
    /// What the declaration grants already.
    pub granted: Grants,
    /// Its imports that need more than that, each with the grant.
    pub not_granted: Vec<(String, Grant)>,
    /// What it imports of WASI, where that is not offered.
    pub wasi: Vec<String>,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut settings = Vec::new();
        if !self.not_granted.is_empty() {
            let (imports, grants): (Vec<_>, Vec<_>) =
                self.not_granted.iter().map(|(import, grant)| (import, grant.name())).unzip();
            let s = if grants.len() == 1 { "" } else { "s" };
            write!(f, "imports {}, but has no grant{s} {}", listed(&imports, ""), listed(&grants, ""))?;
            let all: Grants = self.granted.iter().chain(self.not_granted.iter().map(|&(_, grant)| grant)).collect();
            settings.push(format!("`grants: [{}]`", all.iter().map(Grant::name).collect::<Vec<_>>().join(", ")));
        }
        if !self.wasi.is_empty() {
            f.write_str(if settings.is_empty() { "imports " } else { "; it also imports " })?;
            write!(f, "{} of WASI, which is not offered: a transform has no files, no environment and no network", {
                listed(&self.wasi, "")
            })?;
            settings.push("`wasi: stub` (which links an inert one)".to_owned());
        }
        write!(f, ". Write {} where the plugin is declared, if it may have that", settings.join(" and "))?;
        if !self.wasi.is_empty() {
            f.write_str(", or build it without WASI")?;
        }
        Ok(())
    }
}

/// An import that the host does not have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownImport {
    /// Its name.
    pub name: String,
    /// A name that the host does have, and that is much like it.
    pub nearest: Option<String>,
    /// The interfaces that the host has.
    pub offered: Vec<&'static str>,
}

impl fmt::Display for UnknownImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, which this host does not have; ", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "did you mean `{nearest}`?"),
            None => write!(
                f,
                "it offers {} of `{}` and nothing else. Leave it out, or compose the component with one that exports it",
                listed(&self.offered, ""),
                PACKAGE.trim_end_matches('/')
            ),
        }
    }
}

/// Names in words: `a`, `b` and `c`. At most eight, as a component can bring hundreds.
fn listed<T: AsRef<str>>(names: &[T], none: &str) -> String {
    const MOST: usize = 8;
    let mut names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if names.len() > MOST {
        let more = names.len() - (MOST - 1);
        names.truncate(MOST - 1);
        names.push(format!("{more} more"));
    }
    match names.as_slice() {
        [] => none.to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_in_words_and_not_by_the_hundred() {
        let names: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
        assert_eq!(listed(&names[..0], "nothing"), "nothing");
        assert_eq!(listed(&names[..1], ""), "`1`");
        assert_eq!(listed(&names[..3], ""), "`1`, `2` and `3`");
        assert_eq!(listed(&names[..8], "").matches('`').count(), 16);
        assert_eq!(listed(&names, ""), "`1`, `2`, `3`, `4`, `5`, `6`, `7` and 13 more");
    }
}
