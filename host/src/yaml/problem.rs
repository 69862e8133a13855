//! What is wrong with a file: one line a problem, with its place, and all of them in one report.

use std::path::{Path as FilePath, PathBuf};

use super::locate::{End, Place, locate};
use super::path::Path;

/// The file that the operator wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) file: &'a FilePath,
    pub(crate) text: &'a str,
}

impl Origin<'_> {
    /// `topology.yaml:7:11`, or just the file where the place is not known.
    pub(crate) fn place(&self, path: &Path, end: End) -> String {
        self.show(locate(self.text, path, end))
    }

    fn show(&self, place: Option<Place>) -> String {
        let file = self.file.display();
        match place {
            Some(place) => format!("{file}:{}:{}", place.line, place.column),
            None => file.to_string(),
        }
    }

    /// A path as the file gives it: relative to the file's own directory.
    pub(crate) fn beside(&self, relative: &str) -> PathBuf {
        let directory = self.file.parent().unwrap_or(FilePath::new(""));
        directory.join(relative)
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

#[derive(Debug)]
struct Problem {
    path: Path,
    end: End,
    message: String,
}

impl Problems {
    /// Something is wrong with the value at `path`.
    pub(crate) fn value(&mut self, path: &Path, message: impl Into<String>) {
        self.push(path, End::Value, message.into());
    }

    /// Something is wrong with the last key of `path`.
    pub(crate) fn key(&mut self, path: &Path, message: impl Into<String>) {
        self.push(path, End::Key, message.into());
    }

    fn push(&mut self, path: &Path, end: End, message: String) {
        self.0.push(Problem { path: path.clone(), end, message });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was read, or the report if there is anything to report.
    pub(crate) fn into_result<T>(self, read: Option<T>, origin: Origin<'_>) -> Result<T, DocumentError> {
        match read {
            Some(read) if self.is_empty() => Ok(read),
            _ => {
                let mut lines = self.lines(origin);
                // Whoever gives nothing says why. Should that be forgotten somewhere, an empty
                // report would say nothing at all.
                if lines.is_empty() {
                    let file = origin.file.display();
                    lines.push(format!("{file}: this cannot be used, and Sluice fails to say why: please report it"));
                }
                Err(DocumentError::Invalid { file: origin.file.to_owned(), lines })
            }
        }
    }

    /// A line for each, from the top of the file to its end; those without a place come last.
    fn lines(&self, origin: Origin<'_>) -> Vec<String> {
        let mut lines: Vec<_> = self.0.iter().map(|problem| problem.line(origin)).collect();
        lines.sort_by_key(|(place, _)| place.map_or((usize::MAX, 0), |p| (p.line, p.column)));
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

impl Problem {
    fn line(&self, origin: Origin<'_>) -> (Option<Place>, String) {
        let found = locate(origin.text, &self.path, self.end);
        let place = origin.show(found);
        let message = &self.message;
        if self.path.steps().is_empty() {
            return (found, format!("{place}: {message}"));
        }
        (found, format!("{place}: {}: {message}", self.path))
    }
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file could not be read.
    #[error("cannot read the {what} {}", file.display())]
    Unreadable {
        /// What it was to be, such as a topology.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{} is not valid YAML", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// What the parser says, with line and column.
        source: serde_yaml::Error,
    },
    /// The file is YAML, and not what it was to be.
    #[error("{}", report(file, lines))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// A line for each problem, in the order of the file's parts:
        /// `file:line:column: path: message`. At least one.
        lines: Vec<String>,
    },
}

/// A single problem speaks for itself; several get a headline.
fn report(file: &FilePath, lines: &[String]) -> String {
    match lines {
        [line] => line.clone(),
        lines => format!("{} has {} problems\n{}", file.display(), lines.len(), lines.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_report_is_never_empty() {
        let origin = Origin { file: FilePath::new("a.yaml"), text: "" };
        let error = Problems::default().into_result(None::<()>, origin).unwrap_err();
        assert_eq!(error.to_string(), "a.yaml: this cannot be used, and Sluice fails to say why: please report it");
    }
}
