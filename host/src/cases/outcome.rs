//! What was not as a case expects.

use std::fmt;

/// How a case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case's name.
    pub name: String,
    /// What was not as expected. Empty: it has passed.
    pub differences: Vec<Difference>,
    /// The log lines that were written, in the notation of case files; none where a difference
    /// shows them.
    pub log: Vec<String>,
}

/// Something that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it was expected: `cases.yaml:7:11`.
    pub place: String,
    /// What it is about, such as `step 2, request 1`.
    pub about: String,
    /// What there is to say of it: a label (or none) and its lines, at least one. What was expected
    /// and what was found is in the notation of case files.
    pub rows: Vec<(&'static str, Vec<String>)>,
}

/// The width of labels.
const LABEL: usize = 9;

impl Outcome {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Difference {
    pub(super) fn new(place: &str, about: impl Into<String>) -> Self {
        Self { place: place.to_owned(), about: about.into(), rows: Vec::new() }
    }

    pub(super) fn row(mut self, label: &'static str, line: impl Into<String>) -> Self {
        self.rows.push((label, vec![line.into()]));
        self
    }

    pub(super) fn lines(mut self, label: &'static str, lines: Vec<String>) -> Self {
        self.rows.push((label, lines));
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}: {}", self.place, self.about)?;
        self.rows.iter().try_for_each(|(label, lines)| rows(f, label, lines))
    }
}

/// The differences, and the log lines behind them; nothing for a case that has passed. Every line
/// is indented.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.differences.iter().try_for_each(|difference| difference.fmt(f))?;
        if self.passed() || self.log.is_empty() {
            return Ok(());
        }
        f.write_str("  log lines that were written\n")?;
        self.log.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

fn rows(f: &mut fmt::Formatter<'_>, label: &str, lines: &[String]) -> fmt::Result {
    if label.is_empty() {
        return lines.iter().try_for_each(|line| writeln!(f, "    {line}"));
    }
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(lines).try_for_each(|(label, line)| writeln!(f, "    {label:<LABEL$} {line}"))
}
