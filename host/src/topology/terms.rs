//! The terms that a plugin runs on: what it may use, how much of it, and what becomes of its
//! requests when it faults.

use crate::plugin::{Grant, Grants, Limits, OnFault, Spec, Wasi};
use crate::yaml::node::{Fields, Key, Node, quoted};
use crate::yaml::problem::Problems;
use crate::yaml::suggest::did_you_mean;

/// What the operator says of them; what he does not say is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    grants: Option<Grants>,
    limits: Vec<SetLimit>,
    on_fault: Option<OnFault>,
    wasi: Option<Wasi>,
}

/// A limit that was given: which, and how much.
#[derive(Clone, Copy, Debug)]
enum SetLimit {
    Memory(usize),
    Crossing(std::time::Duration),
    Setup(std::time::Duration),
    Stack(usize),
    Output(usize),
    State(usize),
    LogLines(u32),
    Series(usize),
}

/// Reads one limit.
type ReadLimit = fn(&Node<'_>, &mut Problems) -> Option<SetLimit>;

/// The keys that say it.
pub(crate) const KEYS: [Key; 4] = [Key::read("grants"), Key::read("limits"), Key::read("on_fault"), Key::read("wasi")];

/// A wasm page: no memory is smaller.
const PAGE: usize = 64 << 10;

const LIMITS: &[(Key, ReadLimit)] = &[
    (Key::read("memory"), |node, problems| node.size(PAGE..=usize::MAX, problems).map(SetLimit::Memory)),
    (Key::read("crossing"), |node, problems| node.duration(problems).map(SetLimit::Crossing)),
    (Key::read("setup"), |node, problems| node.duration(problems).map(SetLimit::Setup)),
    (Key::read("stack"), |node, problems| node.size(STACK, problems).map(SetLimit::Stack)),
    (Key::read("output"), |node, problems| node.size(1..=usize::MAX, problems).map(SetLimit::Output)),
    (Key::read("state"), |node, problems| node.size(0..=usize::MAX, problems).map(SetLimit::State)),
    (Key::read("log_lines"), |node, problems| node.number(problems).map(SetLimit::LogLines)),
    (Key::read("series"), |node, problems| node.number(problems).map(|n: u32| SetLimit::Series(n as usize))),
];

/// What [`Limits::stack`] may be.
const STACK: std::ops::RangeInclusive<usize> = 64 << 10..=1 << 20;

/// Interfaces that everyone may import: naming them as grants does no harm.
const ALWAYS_GRANTED: &[&str] = &["log", "metrics", "commands"];

const ON_FAULT: &[(&str, OnFault)] =
    &[("reject", OnFault::Reject), ("bypass", OnFault::Bypass), ("close", OnFault::Close)];

const WASI: &[(&str, Wasi)] = &[("none", Wasi::None), ("stub", Wasi::Stub)];

impl Terms {
    /// Reads those of the [`KEYS`] that are given.
    pub(crate) fn read(fields: &Fields<'_>, problems: &mut Problems) -> Self {
        Self {
            grants: fields.get("grants").and_then(|node| grants(&node, problems)),
            limits: fields.get("limits").map(|node| limits(&node, problems)).unwrap_or_default(),
            on_fault: fields.get("on_fault").and_then(|node| one_of(ON_FAULT, &node, problems)),
            wasi: fields.get("wasi").and_then(|node| one_of(WASI, &node, problems)),
        }
    }

    /// Whether it is said that requests go on without a plugin that faults.
    pub(crate) fn bypasses(&self) -> bool {
        self.on_fault == Some(OnFault::Bypass)
    }

    /// Puts what was said in the place of what `spec` says.
    pub(crate) fn apply(&self, spec: &mut Spec) {
        spec.grants = self.grants.unwrap_or(spec.grants);
        spec.on_fault = self.on_fault.unwrap_or(spec.on_fault);
        spec.wasi = self.wasi.unwrap_or(spec.wasi);
        self.limits.iter().for_each(|limit| limit.apply(&mut spec.limits));
    }
}

impl SetLimit {
    fn apply(self, limits: &mut Limits) {
        match self {
            Self::Memory(bytes) => limits.memory = bytes,
            Self::Crossing(time) => limits.crossing = time,
            Self::Setup(time) => limits.setup = time,
            Self::Stack(bytes) => limits.stack = bytes,
            Self::Output(bytes) => limits.output = bytes,
            Self::State(bytes) => limits.state = bytes,
            Self::LogLines(count) => limits.log_lines = count,
            Self::Series(count) => limits.series = count,
        }
    }
}

fn limits(node: &Node<'_>, problems: &mut Problems) -> Vec<SetLimit> {
    let keys: Vec<Key> = LIMITS.iter().map(|(key, _)| *key).collect();
    let Some(fields) = node.fields(&keys, problems) else {
        return Vec::new();
    };
    let given = LIMITS.iter().filter_map(|(key, read)| Some((fields.get(key.name())?, read)));
    given.filter_map(|(node, read)| read(&node, problems)).collect()
}

fn grants(node: &Node<'_>, problems: &mut Problems) -> Option<Grants> {
    let table = Grant::ALL.map(|grant| (grant.name(), grant));
    let names = table.map(|(name, _)| name);
    let what = format!("a list of grants out of {}", quoted(&names));
    let entries = node.list(&what, problems)?;
    let mut granted = Grants::NONE;
    for entry in &entries {
        if entry.value.as_str().is_some_and(|name| ALWAYS_GRANTED.contains(&name)) {
            continue;
        }
        if let Some(grant) = one_of(&table, entry, problems) {
            granted = granted.with(grant);
        }
    }
    Some(granted)
}

/// What a word out of a table stands for.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)], node: &Node<'_>, problems: &mut Problems) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let what = format!("one of {}", quoted(&names));
    let text = node.text(&what, problems)?;
    let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) else {
        let hint = did_you_mean(text, names.into_iter());
        problems.value(&node.path, format!("expected {what}, found {text:?}{hint}"));
        return None;
    };
    Some(*meaning)
}
