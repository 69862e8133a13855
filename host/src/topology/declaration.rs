//! A plugin as `plugins` declares it.

use super::node::{Key, Node, quoted};
use super::path::Path;
use super::problem::Problems;
use super::suggest::did_you_mean;
use crate::plugin::{Grant, Grants, Limits, OnFault, Wasi};

/// What the operator says of a plugin; what he does not say is `None`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) path: Path,
    /// Relative to the topology file. `None`: the standard plugin of this name.
    pub(super) component: Option<String>,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) grants: Option<Grants>,
    pub(super) limits: Vec<SetLimit>,
    pub(super) on_fault: Option<OnFault>,
    pub(super) wasi: Option<Wasi>,
}

/// A limit that was given: which, and how much.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetLimit {
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

const DECLARATION: &[Key] = &[
    Key::read("component"),
    Key::read("sha256"),
    Key::read("grants"),
    Key::read("limits"),
    Key::read("on_fault"),
    Key::read("instances"),
    Key::read("wasi"),
];

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

/// Whether instances are made for each session.
const INSTANCES: &[(&str, bool)] = &[("worker", false), ("session", true)];

impl SetLimit {
    pub(super) fn apply(self, limits: &mut Limits) {
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

pub(super) fn read(name: &str, node: &Node<'_>, problems: &mut Problems) -> Option<Declaration> {
    if !is_name(name) {
        let message = "a plugin's name must consist of 1 to 64 letters, digits, `_` and `-`";
        problems.key(&node.path, message);
    }
    let fields = node.fields(DECLARATION, problems)?;
    let component = fields.get("component").and_then(|node| node.text("the path of a component", problems));
    let sha256 = fields.get("sha256").and_then(|node| sha256(&node, problems));
    let grants = fields.get("grants").and_then(|node| grants(&node, problems));
    let limits = fields.get("limits").map(|node| limits(&node, problems)).unwrap_or_default();
    let on_fault = fields.get("on_fault").and_then(|node| one_of(ON_FAULT, &node, problems));
    let wasi = fields.get("wasi").and_then(|node| one_of(WASI, &node, problems));
    if let Some(node) = fields.get("instances")
        && one_of(INSTANCES, &node, problems) == Some(true)
    {
        let message = "an instance for each session is not supported yet: leave it out, or say `worker`";
        problems.value(&node.path, message);
    }
    Some(Declaration {
        name: name.to_owned(),
        path: fields.path,
        component: component.map(str::to_owned),
        sha256,
        grants,
        limits,
        on_fault,
        wasi,
    })
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(plain)
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
pub(super) fn one_of<T: Copy>(words: &[(&str, T)], node: &Node<'_>, problems: &mut Problems) -> Option<T> {
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

/// The 32 bytes that 64 hexadecimal digits stand for.
fn sha256(node: &Node<'_>, problems: &mut Problems) -> Option<[u8; 32]> {
    let what = "a SHA-256: 64 hexadecimal digits in quotes, as `sha256sum` prints them";
    let text = node.text(what, problems)?;
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let mut bytes = [0; 32];
    match digits {
        Some(digits) if digits.len() == 64 => {
            for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                // Two hexadecimal digits always fit.
                *byte = u8::try_from((pair[0] << 4) | pair[1]).unwrap_or_default();
            }
            Some(bytes)
        }
        Some(digits) => {
            let message = format!("expected {what}, found {} digits", digits.len());
            problems.value(&node.path, message);
            None
        }
        None => node.unexpected(what, problems),
    }
}
