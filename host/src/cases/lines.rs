//! Log lines: those that a case expects, and those that its component writes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use super::scalar::yaml;
use crate::plugin::LOG_TARGET;
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::Problems;

const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// A log line that a case expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpectedLine {
    level: Level,
    text: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Exactly(String),
    StartsWith(String),
}

/// A log line that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    level: Level,
    text: String,
}

const A_LINE: &str =
    "a log line by its level, such as `info: the text`; or its beginning: `info: { starts_with: the }`";

impl ExpectedLine {
    pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        if !node.value.is_mapping() {
            return node.unexpected(A_LINE, problems);
        }
        let (name, text) = node.choice(&LEVELS.map(|(name, _)| Key::read(name)), A_LINE, problems)?;
        let (_, level) = LEVELS.into_iter().find(|(known, _)| *known == name)?;
        let text = match text.value.as_str() {
            Some(text) => Text::Exactly(text.to_owned()),
            None if !text.value.is_mapping() => return text.unexpected(A_LINE, problems),
            None => {
                let (_, start) = text.choice(&[Key::read("starts_with")], A_LINE, problems)?;
                Text::StartsWith(start.text("the beginning of a line", problems)?.to_owned())
            }
        };
        Some(Self { level, text })
    }

    fn is(&self, line: &Line) -> bool {
        let same = match &self.text {
            Text::Exactly(text) => line.text == *text,
            Text::StartsWith(start) => line.text.starts_with(start),
        };
        same && self.level == line.level
    }

    fn show(&self) -> String {
        match &self.text {
            Text::Exactly(text) => show(self.level, &yaml(text)),
            Text::StartsWith(start) => show(self.level, &format!("{{ starts_with: {} }}", yaml(start))),
        }
    }
}

impl Line {
    /// In the notation.
    pub(super) fn show(&self) -> String {
        show(self.level, &yaml(&self.text))
    }
}

/// A line by its level, in the notation.
fn show(level: Level, text: &str) -> String {
    let name = LEVELS.iter().find(|(_, known)| *known == level).map_or("", |(name, _)| name);
    format!("{name}: {text}")
}

/// What level a word stands for, for `log_level`.
pub(super) fn level(node: &Node<'_>, problems: &mut Problems) -> Option<Level> {
    crate::topology::terms::one_of(&LEVELS, node, problems)
}

/// The lines in which what was written differs from what was expected, among those in which it does
/// not: `- ` is missing, `+ ` is not expected. `None`: it is as expected.
pub(super) fn difference(expected: &[ExpectedLine], written: &[Line]) -> Option<Vec<String>> {
    let common = common(expected, written);
    let (mut e, mut w) = (0, 0);
    let mut shown = Vec::new();
    let mut differs = false;
    while e < expected.len() || w < written.len() {
        match (expected.get(e), written.get(w)) {
            (Some(want), Some(line)) if want.is(line) => {
                shown.push(format!("  {}", line.show()));
                (e, w) = (e + 1, w + 1);
                continue;
            }
            (Some(want), line) if line.is_none() || common[e + 1][w] >= common[e][w + 1] => {
                shown.push(format!("- {}", want.show()));
                e += 1;
            }
            (_, line) => {
                shown.extend(line.map(|line| format!("+ {}", line.show())));
                w += 1;
            }
        }
        differs = true;
    }
    differs.then_some(shown)
}

/// How many lines the rests from each pair of places on have in common.
fn common(expected: &[ExpectedLine], written: &[Line]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; written.len() + 1]; expected.len() + 1];
    for (e, want) in expected.iter().enumerate().rev() {
        for (w, line) in written.iter().enumerate().rev() {
            table[e][w] = if want.is(line) { table[e + 1][w + 1] + 1 } else { table[e + 1][w].max(table[e][w + 1]) };
        }
    }
    table
}

/// Keeps the lines that plugins write on this thread, as long as its subscriber is in force.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    kept: Arc<Mutex<Vec<Line>>>,
    level: Level,
}

impl Lines {
    /// None yet; only those of this level and of more important ones will be kept.
    pub(super) fn new(level: Level) -> Self {
        Self { kept: Arc::default(), level }
    }

    pub(super) fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        Registry::default().with(self.clone())
    }

    /// Those that were written since they were last taken.
    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == LOG_TARGET && *metadata.level() <= self.level
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let line = Line { level: *event.metadata().level(), text: message.0 };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// The text of an event, without its fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn expected(texts: &[&str]) -> Vec<ExpectedLine> {
        let line = |text: &&str| ExpectedLine {
            level: Level::INFO,
            text: match text.strip_suffix('…') {
                Some(start) => Text::StartsWith(start.to_owned()),
                None => Text::Exactly((*text).to_owned()),
            },
        };
        texts.iter().map(line).collect()
    }

    fn written(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line { level: Level::INFO, text: (*text).to_owned() }).collect()
    }

    #[test]
    fn lines_are_as_expected_or_shown_where_they_differ() {
        assert_eq!(difference(&expected(&["a", "took …"]), &written(&["a", "took 5 ms"])), None);
        assert_eq!(difference(&[], &[]), None);
        assert_eq!(
            difference(&expected(&["a", "b", "d", "e…"]), &written(&["a", "c", "d"])).unwrap(),
            ["  info: a", "- info: b", "+ info: c", "  info: d", "- info: { starts_with: e }"]
        );
        assert_eq!(difference(&[], &written(&["x: y"])).unwrap(), ["+ info: 'x: y'"]);
    }

    #[test]
    fn a_line_of_another_level_is_another_line() {
        let other = [Line { level: Level::WARN, text: "a".to_owned() }];
        assert_eq!(difference(&expected(&["a"]), &other).unwrap(), ["- info: a", "+ warn: a"]);
    }

    #[test]
    fn the_lines_of_plugins_are_kept_and_no_others() {
        let lines = Lines::new(Level::INFO);
        tracing::subscriber::with_default(lines.subscriber(), || {
            tracing::warn!("the host's own");
            tracing::info!(target: LOG_TARGET, plugin = "p", "kept");
            tracing::debug!(target: LOG_TARGET, plugin = "p", "too detailed");
            assert!(!tracing::enabled!(target: LOG_TARGET, Level::DEBUG));
        });
        assert_eq!(lines.take(), written(&["kept"]));
        assert_eq!(lines.take(), []);
    }
}
