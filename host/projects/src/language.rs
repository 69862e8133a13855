//! The languages that a project can be written in, and all that differs between them, as a table.

use std::path::Path;

use anyhow::Result;

use crate::build::{c, go, javascript, python, rust};
use crate::files::{self, File};
use crate::project::Project;
use crate::tools::Tools;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, with the SDK.
    Rust,
    /// C or C++, with `sluice.h`.
    C,
    /// Go, with the package `sluice`.
    Go,
    /// JavaScript, in an engine that comes along.
    JavaScript,
    /// Python, in an interpreter that comes along.
    Python,
}

/// What differs between languages.
pub(crate) struct Traits {
    /// As options and `plugin.yaml` say it.
    name: &'static str,
    /// As people write it.
    pub(crate) title: &'static str,
    /// The source that a project has where `plugin.yaml` names none, relative to the project.
    pub(crate) source: &'static str,
    /// What must be on the machine.
    pub(crate) needs: &'static str,
    /// What an instance needs, as `limits` of a topology; empty where the defaults do.
    pub(crate) limits: &'static str,
    /// What the starter says of a setting `x` that it does not know.
    pub(crate) unknown_setting: &'static str,
    /// What `new` writes beside the files that all languages have.
    pub(crate) templates: &'static [&'static [File]],
    /// What comes with Sluice, beside the contract.
    pub(crate) support: &'static [File],
    /// Makes the component.
    pub(crate) build: fn(&Project, &Tools) -> Result<Vec<u8>>,
}

/// What the starters of all languages but Rust say, which have no library that words it.
const UNKNOWN_SETTING: &str = r#"unknown setting "x": expected deny or missing"#;

static RUST: Traits = Traits {
    name: "rust",
    title: "Rust",
    source: "src/lib.rs",
    needs: "Rust 1.95 or later, by rustup (the target `wasm32-unknown-unknown` is added if it is missing)",
    limits: "",
    unknown_setting: "x: unknown field `x`, expected `deny` or `missing`",
    templates: &[files::RUST],
    support: files::RUST_SUPPORT,
    build: rust::build,
};

static C: Traits = Traits {
    name: "c",
    title: "C",
    source: "transform.c",
    needs: "Python 3 with pip, which brings a C compiler (or a wasi-sdk, named by `WASI_SDK_PATH`)",
    limits: "",
    unknown_setting: UNKNOWN_SETTING,
    templates: &[files::WORLD, files::C],
    support: files::C_SUPPORT,
    build: c::build,
};

static GO: Traits = Traits {
    name: "go",
    title: "Go",
    source: "transform.go",
    needs: "Go 1.24 or later; or Python 3 with pip, which brings it",
    limits: "{ memory: 64MiB, crossing: 50ms }",
    unknown_setting: UNKNOWN_SETTING,
    templates: &[files::WORLD, files::GO],
    support: files::GO_SUPPORT,
    build: go::build,
};

static JAVASCRIPT: Traits = Traits {
    name: "javascript",
    title: "JavaScript",
    source: "transform.js",
    needs: "Node 20.19 or later with npm",
    limits: "{ memory: 128MiB, crossing: 250ms }",
    unknown_setting: UNKNOWN_SETTING,
    templates: &[files::WORLD, files::JAVASCRIPT],
    support: files::JAVASCRIPT_SUPPORT,
    build: javascript::build,
};

static PYTHON: Traits = Traits {
    name: "python",
    title: "Python",
    source: "transform.py",
    needs: "Python 3.10 or later with pip",
    limits: "{ memory: 64MiB, crossing: 250ms }",
    unknown_setting: UNKNOWN_SETTING,
    templates: &[files::WORLD, files::PYTHON],
    support: files::PYTHON_SUPPORT,
    build: python::build,
};

impl Language {
    /// All of them, the cheapest first.
    pub const ALL: &[Self] = &[Self::Rust, Self::C, Self::Go, Self::Python, Self::JavaScript];

    pub(crate) fn traits(self) -> &'static Traits {
        match self {
            Self::Rust => &RUST,
            Self::C => &C,
            Self::Go => &GO,
            Self::JavaScript => &JAVASCRIPT,
            Self::Python => &PYTHON,
        }
    }

    /// As options and `plugin.yaml` say it: `rust`, `c`, `go`, `python` or `javascript`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.traits().name
    }

    /// The language of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|language| language.name() == name)
    }

    /// Writes what comes with Sluice into a project: the contract, and the language's helpers.
    pub(crate) fn write_support(self, directory: &Path) -> Result<()> {
        for files in [files::CONTRACT, self.traits().support] {
            files::write(directory, files, str::to_owned)?;
        }
        Ok(())
    }
}
