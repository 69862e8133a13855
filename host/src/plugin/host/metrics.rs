//! `metrics`: series of a plugin among the host's own, bounded in number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::metrics::{Counter, Gauge, Histogram, Label};
use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::metrics::{self, Refusal, Series};
use super::interface::Interface;
use crate::plugin::versions::{V0_1, V0_2};

pub(super) const INTERFACE: Interface = Interface {
    name: "metrics",
    grant: None,
    functions: &[
        ("counter", V0_1),
        ("gauge", V0_1),
        ("histogram", V0_1),
        ("add", V0_1),
        ("set", V0_1),
        ("observe", V0_1),
        ("explain", V0_2),
    ],
};

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(to: &mut LinkerInstance<'_, T>, of: fn(&mut T) -> &mut Metrics) -> wasmtime::Result<()> {
    metrics::add_to_linker_instance::<_, HasSelf<Metrics>>(to, of)
}

/// The longest name of a series, and the longest name or value of a label, in bytes.
const NAME: usize = 128;
/// The most labels of a series.
const LABELS: usize = 16;
/// The most bytes of what a plugin says of a name.
const HELP: usize = 512;

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The kind of each name in the process: an exporter knows one for each name, whichever plugin came
/// first.
#[derive(Debug, Default)]
pub(in super::super) struct Kinds(Mutex<HashMap<String, Kind>>);

/// The series of a plugin.
pub(super) struct Registry {
    plugin: String,
    limit: usize,
    kinds: Arc<Kinds>,
    series: Mutex<HashMap<Key, (Series, Handle)>>,
    /// What the plugin has said of names.
    help: Mutex<HashMap<String, String>>,
}

/// A name and its labels, sorted.
type Key = (String, Vec<(String, String)>);

#[derive(Clone)]
enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Registry {
    pub(super) fn new(plugin: &str, limit: usize, kinds: Arc<Kinds>) -> Self {
        Self { plugin: plugin.to_owned(), limit, kinds, series: Mutex::default(), help: Mutex::default() }
    }

    /// Finds or makes a series; gives its number, which is below the limit.
    fn register(
        &self,
        kind: Kind,
        name: String,
        mut labels: Vec<(String, String)>,
    ) -> Result<(Series, Handle), Refusal> {
        labels.sort_unstable();
        check(&name, &labels).map_err(Refusal::Invalid)?;
        let mut kinds = self.kinds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.get(&name).is_some_and(|&known| known != kind) {
            let reason = format!("`{name}` is registered as another kind");
            return Err(Refusal::Invalid(reason));
        }
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name, labels);
        if let Some(known) = series.get(&key) {
            return Ok(known.clone());
        }
        if series.len() >= self.limit {
            return Err(Refusal::Full);
        }
        let number = Series::try_from(series.len()).map_err(|_| Refusal::Full)?;
        let handle = self.handle(kind, &key);
        kinds.insert(key.0.clone(), kind);
        if let Some(help) = self.help().get(&key.0) {
            tell(kind, &key.0, help);
        }
        series.insert(key, (number, handle.clone()));
        Ok((number, handle))
    }

    /// Says what a name means: now if it has a kind, and otherwise once it has one.
    fn explain(&self, name: String, help: &str) {
        if !is_name(&name) {
            return;
        }
        let help = one_line(help);
        let kinds = self.kinds.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.help();
        if known.len() >= self.limit && !known.contains_key(&name) {
            return;
        }
        if let Some(&kind) = kinds.get(&name) {
            tell(kind, &name, &help);
        }
        known.insert(name, help);
    }

    fn help(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.help.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, kind: Kind, (name, labels): &Key) -> Handle {
        let name = format!("sluice_plugin_{name}");
        let labels: Vec<Label> = std::iter::once(Label::new("plugin", self.plugin.clone()))
            .chain(labels.iter().map(|(label, value)| Label::new(label.clone(), value.clone())))
            .collect();
        match kind {
            Kind::Counter => Handle::Counter(::metrics::counter!(name, labels)),
            Kind::Gauge => Handle::Gauge(::metrics::gauge!(name, labels)),
            Kind::Histogram => Handle::Histogram(::metrics::histogram!(name, labels)),
        }
    }
}

/// Tells whoever collects the metrics of this process what a name means.
fn tell(kind: Kind, name: &str, help: &str) {
    let name = format!("sluice_plugin_{name}");
    let help = help.to_owned();
    match kind {
        Kind::Counter => ::metrics::describe_counter!(name, help),
        Kind::Gauge => ::metrics::describe_gauge!(name, help),
        Kind::Histogram => ::metrics::describe_histogram!(name, help),
    }
}

/// At most [`HELP`] bytes, without control characters.
fn one_line(help: &str) -> String {
    let mut line = String::with_capacity(help.len().min(HELP));
    for character in help.chars() {
        if line.len() + character.len_utf8() > HELP {
            break;
        }
        line.push(if character.is_control() { ' ' } else { character });
    }
    line
}

/// Checks names; `labels` are sorted.
fn check(name: &str, labels: &[(String, String)]) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("`{}` is not a name", shown(name)));
    }
    if labels.len() > LABELS {
        return Err(format!("{} labels; {LABELS} are possible", labels.len()));
    }
    for (label, value) in labels {
        if !is_name(label) {
            return Err(format!("`{}` is not a label", shown(label)));
        }
        if label == "plugin" {
            return Err("the label `plugin` is the host's".to_owned());
        }
        if value.len() > NAME {
            return Err(format!("a value of `{label}` is longer than {NAME} bytes"));
        }
    }
    let twice = labels.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
    match twice {
        Some([(label, _), ..]) => Err(format!("the label `{label}` is there twice")),
        _ => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    name.len() <= NAME
        && characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

fn shown(name: &str) -> String {
    name.chars().take(NAME).collect()
}

pub(super) struct Metrics {
    registry: Arc<Registry>,
    /// By number: the series that this instance registered.
    handles: Vec<Option<Handle>>,
}

impl Metrics {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, handles: Vec::new() }
    }

    fn register(&mut self, kind: Kind, name: String, labels: Vec<(String, String)>) -> Result<Series, Refusal> {
        let (series, handle) = self.registry.register(kind, name, labels)?;
        let at = series as usize;
        if self.handles.len() <= at {
            self.handles.resize(at + 1, None);
        }
        if let Some(slot) = self.handles.get_mut(at) {
            *slot = Some(handle);
        }
        Ok(series)
    }

    fn get(&self, series: Series) -> Option<&Handle> {
        self.handles.get(series as usize)?.as_ref()
    }
}

impl metrics::Host for Metrics {
    fn counter(&mut self, name: String, labels: Vec<(String, String)>) -> Result<Series, Refusal> {
        self.register(Kind::Counter, name, labels)
    }

    fn gauge(&mut self, name: String, labels: Vec<(String, String)>) -> Result<Series, Refusal> {
        self.register(Kind::Gauge, name, labels)
    }

    fn histogram(&mut self, name: String, labels: Vec<(String, String)>) -> Result<Series, Refusal> {
        self.register(Kind::Histogram, name, labels)
    }

    fn add(&mut self, series: Series, amount: u64) {
        if let Some(Handle::Counter(counter)) = self.get(series) {
            counter.increment(amount);
        }
    }

    fn set(&mut self, series: Series, value: f64) {
        if let Some(Handle::Gauge(gauge)) = self.get(series) {
            gauge.set(value);
        }
    }

    fn observe(&mut self, series: Series, value: f64) {
        if let Some(Handle::Histogram(histogram)) = self.get(series) {
            histogram.record(value);
        }
    }

    fn explain(&mut self, name: String, help: String) {
        self.registry.explain(name, &help);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ::metrics::{KeyName, Metadata, SharedString, Unit};

    use super::*;

    fn registry(kinds: &Arc<Kinds>, limit: usize) -> Registry {
        Registry::new("p", limit, Arc::clone(kinds))
    }

    fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|&(label, value)| (label.to_owned(), value.to_owned())).collect()
    }

    fn number(registry: &Registry, kind: Kind, name: &str, labels: &[(&str, &str)]) -> Result<Series, Refusal> {
        let registered = registry.register(kind, name.to_owned(), pairs(labels));
        registered.map(|(number, _)| number)
    }

    #[test]
    fn the_same_name_and_labels_give_the_same_series() {
        let registry = registry(&Arc::default(), 10);
        let one = number(&registry, Kind::Counter, "hits", &[("a", "1"), ("b", "2")]).unwrap();
        let two = number(&registry, Kind::Counter, "hits", &[("b", "2"), ("a", "1")]).unwrap();
        let other = number(&registry, Kind::Counter, "hits", &[("a", "2")]).unwrap();
        assert_eq!(one, two);
        assert_ne!(one, other);
    }

    #[test]
    fn a_plugin_has_no_more_series_than_it_may() {
        let registry = registry(&Arc::default(), 2);
        for value in ["1", "2"] {
            number(&registry, Kind::Gauge, "g", &[("v", value)]).unwrap();
        }
        assert!(matches!(number(&registry, Kind::Gauge, "g", &[("v", "3")]), Err(Refusal::Full)));
        assert!(number(&registry, Kind::Gauge, "g", &[("v", "2")]).is_ok());
    }

    #[test]
    fn a_name_has_one_kind_whoever_registers_it() {
        let kinds = Arc::default();
        number(&registry(&kinds, 10), Kind::Counter, "x", &[]).unwrap();
        let other = registry(&kinds, 10);
        assert!(matches!(number(&other, Kind::Gauge, "x", &[]), Err(Refusal::Invalid(_))));
        assert!(number(&other, Kind::Counter, "x", &[]).is_ok());
    }

    #[test]
    fn names_that_an_exporter_could_not_show_are_refused() {
        let registry = registry(&Arc::default(), 10);
        for name in ["", "1a", "a-b", "a b", "é", "a\n"] {
            let refused = number(&registry, Kind::Counter, name, &[]);
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{name:?}");
            let refused = number(&registry, Kind::Counter, "x", &[(name, "v")]);
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{name:?}");
        }
        for labels in [&[("plugin", "v")][..], &[("a", "1"), ("a", "2")]] {
            let refused = number(&registry, Kind::Counter, "x", labels);
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{labels:?}");
        }
    }

    /// What was explained, by name.
    #[derive(Default)]
    struct Explained(Mutex<HashMap<String, String>>);

    impl Explained {
        fn of(&self, name: &str) -> Option<String> {
            self.0.lock().unwrap().get(&format!("sluice_plugin_{name}")).cloned()
        }
    }

    impl ::metrics::Recorder for Explained {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
            self.0.lock().unwrap().insert(name.as_str().to_owned(), help.to_string());
        }

        fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
            self.describe_counter(name, unit, help);
        }

        fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
            self.describe_counter(name, unit, help);
        }

        fn register_counter(&self, _: &::metrics::Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &::metrics::Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &::metrics::Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn what_is_said_of_a_name_is_passed_on_before_and_after_it_has_series() {
        let explained = Explained::default();
        ::metrics::with_local_recorder(&explained, || {
            let registry = registry(&Arc::default(), 10);
            registry.explain("early".to_owned(), "One.");
            assert_eq!(explained.of("early"), None, "it has no kind yet");
            number(&registry, Kind::Gauge, "early", &[]).unwrap();
            assert_eq!(explained.of("early").as_deref(), Some("One."));
            number(&registry, Kind::Counter, "late", &[]).unwrap();
            registry.explain("late".to_owned(), "Two.");
            registry.explain("late".to_owned(), "Three.");
            assert_eq!(explained.of("late").as_deref(), Some("Three."));
        });
    }

    #[test]
    fn what_is_said_is_one_short_line_about_a_valid_name() {
        let explained = Explained::default();
        ::metrics::with_local_recorder(&explained, || {
            let registry = registry(&Arc::default(), 10);
            number(&registry, Kind::Counter, "x", &[]).unwrap();
            registry.explain("x".to_owned(), &format!("a\nb\u{7f}{}", "é".repeat(1000)));
            let help = explained.of("x").unwrap();
            assert!(help.starts_with("a b é") && help.len() <= HELP, "{help}");
            registry.explain("not a name".to_owned(), "Nothing.");
            assert_eq!(registry.help().len(), 1);
        });
    }

    #[test]
    fn a_plugin_explains_no_more_names_than_it_may_have_series() {
        let registry = registry(&Arc::default(), 2);
        for name in ["a", "b", "c", "a"] {
            registry.explain(name.to_owned(), name);
        }
        let mut known: Vec<_> = registry.help().keys().cloned().collect();
        known.sort_unstable();
        assert_eq!(known, ["a", "b"]);
    }
}
