//! Metrics: those that a case expects, and those that its component has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_yaml::Value;

use super::scalar::yaml;
use crate::yaml::node::Node;
use crate::yaml::problem::Problems;

/// What exporters put before the names of plugins' series.
const PREFIX: &str = "sluice_plugin_";

/// A series as the plugin names it: a name, and labels in any order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    name: String,
    labels: BTreeMap<String, String>,
}

/// What a series has come to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reading {
    /// A counter or a gauge.
    Number(f64),
    /// Everything that a histogram has recorded, in order.
    Recorded(Vec<f64>),
}

const A_SERIES: &str = "a series: a name such as `denied_total`, or with labels: 'denied_total{command=\"get\"}'";

const A_READING: &str = "what it comes to: a number, or for a histogram the list of what it records";

impl Series {
    fn parse(text: &str) -> Option<Self> {
        let (name, mut rest) = match text.split_once('{') {
            None => (text, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
        };
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let mut labels = BTreeMap::new();
        while !rest.is_empty() {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = value(behind)?;
            if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            rest = match behind.strip_prefix(',') {
                Some("") => return None,
                Some(more) => more,
                None if behind.is_empty() => "",
                None => return None,
            };
        }
        is_name(name).then(|| Self { name: name.to_owned(), labels })
    }

    /// The series of a plugin; `None` for one of the host's own.
    fn of(key: &Key) -> Option<Self> {
        let labels = key.labels().filter(|label| label.key() != "plugin");
        Some(Self {
            name: key.name().strip_prefix(PREFIX)?.to_owned(),
            labels: labels.map(|label| (label.key().to_owned(), label.value().to_owned())).collect(),
        })
    }
}

/// The value of a label, whose quote has been opened, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, character) => value.push(character),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            self.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
        if labels.is_empty() { Ok(()) } else { write!(f, "{{{}}}", labels.join(",")) }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Recorded(values) => {
                write!(f, "[{}]", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A series and its reading in the notation.
pub(super) fn show(series: &Series, reading: &Reading) -> String {
    format!("{}: {reading}", yaml(&series.to_string()))
}

/// The series that a case expects, with their readings.
pub(super) fn expected(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<(Series, Reading)>> {
    let what = "a map from series to what they come to";
    let entries = node.entries(what, problems);
    if entries.is_empty() && node.value.is_mapping() {
        problems.value(&node.path, format!("nothing is checked: expected {what}, with at least one"));
        return None;
    }
    let read = |(name, node): &(&str, Node<'_>), problems: &mut Problems| {
        let Some(series) = Series::parse(name) else {
            problems.key(&node.path, format!("expected {A_SERIES}"));
            return None;
        };
        let number = |value: &Value| value.as_f64();
        let reading = match node.value {
            Value::Sequence(values) => values.iter().map(number).collect::<Option<_>>().map(Reading::Recorded),
            value => number(value).map(Reading::Number),
        };
        match reading {
            Some(reading) => Some((series, reading)),
            None => node.unexpected(A_READING, problems),
        }
    };
    let series: Vec<_> = entries.iter().map(|entry| read(entry, problems)).collect();
    series.into_iter().collect()
}

/// Records the series of plugins, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<Series, Cell>>);

#[derive(Clone, Debug)]
enum Cell {
    Counter(Arc<AtomicU64>),
    /// The bits of the number.
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Recorded>),
}

#[derive(Debug, Default)]
struct Recorded(Mutex<Vec<f64>>);

impl HistogramFn for Recorded {
    fn record(&self, value: f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

impl Ledger {
    /// What all series have come to.
    pub(super) fn read(&self) -> BTreeMap<Series, Reading> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().map(|(series, cell)| (series.clone(), cell.read())).collect()
    }

    /// Has all series begin again.
    pub(super) fn reset(&self) {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.values().for_each(Cell::reset);
    }

    /// The cell of a series of a plugin: made where there is none.
    fn cell(&self, key: &Key, make: impl FnOnce() -> Cell) -> Option<Cell> {
        let series = Series::of(key)?;
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(cells.entry(series).or_insert_with(make).clone())
    }
}

impl Cell {
    fn read(&self) -> Reading {
        match self {
            Self::Counter(count) => Reading::Number(count.load(Ordering::Relaxed) as f64),
            Self::Gauge(bits) => Reading::Number(f64::from_bits(bits.load(Ordering::Relaxed))),
            Self::Histogram(recorded) => {
                Reading::Recorded(recorded.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
            }
        }
    }

    fn reset(&self) {
        match self {
            // The bits of 0.0 are 0.
            Self::Counter(number) | Self::Gauge(number) => number.store(0, Ordering::Relaxed),
            Self::Histogram(recorded) => recorded.0.lock().unwrap_or_else(PoisonError::into_inner).clear(),
        }
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    // A plugin's name is of one kind: the sandbox refuses another.
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.cell(key, || Cell::Counter(Arc::default())) {
            Some(Cell::Counter(count)) => Counter::from_arc(count),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.cell(key, || Cell::Gauge(Arc::default())) {
            Some(Cell::Gauge(bits)) => Gauge::from_arc(bits),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.cell(key, || Cell::Histogram(Arc::default())) {
            Some(Cell::Histogram(recorded)) => Histogram::from_arc(recorded),
            _ => Histogram::noop(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_series_is_written_as_exporters_do() {
        for text in ["hits", "hits{a=\"1\"}", "hits{a=\"1\",b=\"x,}\\\"\\\\\\n\"}"] {
            assert_eq!(Series::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Series::parse("hits{b=\"2\",a=\"1\"}"), Series::parse("hits{a=\"1\",b=\"2\"}"));
        for text in [
            "",
            "{}",
            "a-b",
            "hits{",
            "hits{a}",
            "hits{a=1}",
            "hits{a=\"1\"",
            "hits{a=\"1\",}",
            "hits{a=\"1\",a=\"2\"}",
        ] {
            assert_eq!(Series::parse(text), None, "{text}");
        }
    }

    #[test]
    fn series_of_plugins_are_recorded_by_the_plugins_own_names() {
        let ledger = Ledger::default();
        metrics::with_local_recorder(&ledger, || {
            metrics::counter!("sluice_requests_total").increment(1);
            metrics::counter!("sluice_plugin_hits", "plugin" => "p", "a" => "1").increment(2);
            metrics::gauge!("sluice_plugin_level", "plugin" => "p").set(-1.5);
            metrics::histogram!("sluice_plugin_sizes", "plugin" => "p").record(3.0);
            metrics::histogram!("sluice_plugin_sizes", "plugin" => "p").record(0.5);
        });
        let shown: Vec<String> = ledger.read().iter().map(|(series, reading)| show(series, reading)).collect();
        assert_eq!(shown, ["'hits{a=\"1\"}': 2", "level: -1.5", "sizes: [3, 0.5]"]);
        ledger.reset();
        let shown: Vec<String> = ledger.read().iter().map(|(series, reading)| show(series, reading)).collect();
        assert_eq!(shown, ["'hits{a=\"1\"}': 0", "level: 0", "sizes: []"]);
    }
}
