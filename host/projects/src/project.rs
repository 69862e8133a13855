//! A project on disk: `plugin.yaml` and the directories beside it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::language::Language;

/// The file that makes a directory a project.
pub(crate) const MANIFEST: &str = "plugin.yaml";

/// What comes with Sluice.
const SUPPORT: &str = "sluice";

/// What the tools make on the way.
const DERIVED: &str = "build";

/// A project of one transform.
#[derive(Debug, Clone)]
pub struct Project {
    /// Where it is: absolute.
    pub directory: PathBuf,
    /// The language that it is written in.
    pub language: Language,
    /// Its main source: absolute.
    pub source: PathBuf,
    /// The component that it becomes: absolute.
    pub component: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    language: String,
    source: Option<PathBuf>,
    component: PathBuf,
}

impl Project {
    /// Reads `plugin.yaml` of a directory.
    ///
    /// # Errors
    ///
    /// The directory has none, or it is wrong; the message says the file, what was found and what
    /// was expected.
    pub fn open(directory: &Path) -> Result<Self> {
        let file = directory.join(MANIFEST);
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "{} is no project of a transform: cannot read {} (`sluice plugin new NAME --language …` makes a project)",
                directory.display(),
                file.display()
            )
        })?;
        Self::parse(directory, &text).with_context(|| file.display().to_string())
    }

    fn parse(directory: &Path, text: &str) -> Result<Self> {
        let manifest: Manifest = serde_yaml::from_str(text)?;
        let language = Language::find(&manifest.language).ok_or_else(|| {
            let names: Vec<_> = Language::ALL.iter().map(|language| language.name()).collect();
            anyhow!("language: found {:?}, expected one of {}", manifest.language, names.join(", "))
        })?;
        if manifest.component.extension().is_none_or(|extension| extension != "wasm") {
            bail!("component: found {:?}, expected a file whose name ends with .wasm", manifest.component);
        }
        let directory = std::path::absolute(directory)?;
        let source = directory.join(manifest.source.as_deref().unwrap_or(Path::new(language.traits().source)));
        if !source.is_file() {
            bail!("source: there is no file {}", source.display());
        }
        Ok(Self { language, source, component: directory.join(manifest.component), directory })
    }

    /// The directory of what comes with Sluice, which is written now if it is not there.
    pub(crate) fn support(&self) -> Result<PathBuf> {
        let support = self.directory.join(SUPPORT);
        if !support.exists() {
            self.language.write_support(&support)?;
        }
        Ok(support)
    }

    /// Writes what comes with Sluice anew: that of the contract at hand.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn renew_support(&self) -> Result<()> {
        self.language.write_support(&self.directory.join(SUPPORT))
    }

    /// A path as one types it in the project's directory.
    pub(crate) fn near<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.directory).unwrap_or(path)
    }

    /// Where a component can be put that is still to be looked at.
    ///
    /// # Errors
    ///
    /// The directory for it cannot be made.
    pub fn draft(&self) -> Result<PathBuf> {
        Ok(self.derived()?.join("draft.wasm"))
    }

    /// Waits until no other build of this project runs, and keeps others waiting for as long as the
    /// result lives.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.derived()?.join("lock");
        let failed = || format!("cannot lock {}", path.display());
        let file = File::create(&path).with_context(failed)?;
        file.lock().with_context(failed)?;
        Ok(file)
    }

    /// The directory of what the tools make on the way.
    pub(crate) fn derived(&self) -> Result<PathBuf> {
        let derived = self.directory.join(DERIVED);
        fs::create_dir_all(&derived).with_context(|| format!("cannot create {}", derived.display()))?;
        Ok(derived)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_wrong_with_a_manifest_is_said_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = |text: &str| {
            fs::write(directory.path().join(MANIFEST), text).unwrap();
            format!("{:#}", Project::open(directory.path()).unwrap_err())
        };
        let cases = [
            ("language: cobol\ncomponent: x.wasm\n", "language: found \"cobol\", expected one of rust, c, go"),
            ("language: rust\ncomponent: x\n", "component: found \"x\", expected a file whose name ends with .wasm"),
            ("language: rust\ncomponent: x.wasm\n", "source: there is no file"),
            ("language: rust\n", "missing field `component`"),
            ("language: rust\ncomponent: x.wasm\nsauce: y\n", "unknown field `sauce`"),
        ];
        for (text, expected) in cases {
            let error = error(text);
            assert!(error.contains("plugin.yaml") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_directory_without_a_manifest_is_told_how_to_become_a_project() {
        let directory = tempfile::tempdir().unwrap();
        let error = format!("{:#}", Project::open(directory.path()).unwrap_err());
        assert!(error.contains("is no project") && error.contains("sluice plugin new"), "{error}");
    }
}
