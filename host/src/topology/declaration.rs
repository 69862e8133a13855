//! A plugin as `plugins` declares it.

use std::time::Duration;

use super::node::{Key, Node, quoted};
use super::path::Path;
use super::problem::Problems;
use super::suggest::did_you_mean;

/// What the operator says of a plugin; what he does not say is `None`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) path: Path,
    /// Relative to the topology file. `None`: the standard plugin of this name.
    pub(super) component: Option<String>,
    pub(super) settings: Settings,
}

/// What the operator allows a plugin; `None`: he did not say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What the component must hash to.
    pub sha256: Option<[u8; 32]>,
    /// The capabilities that it may use beyond those that are always granted.
    pub grants: Option<Vec<&'static str>>,
    /// Its bounds.
    pub limits: Limits,
    /// What a fault costs: `reject`, `bypass` or `close`.
    pub on_fault: Option<&'static str>,
    /// `none` or `stub`.
    pub wasi: Option<&'static str>,
}

/// A plugin's bounds, as far as they were given.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Bytes, summed over all memories and tables of an instance.
    pub memory: Option<usize>,
    /// The longest that one crossing may take.
    pub crossing: Option<Duration>,
    /// Bytes of shared state.
    pub state: Option<usize>,
}

const DECLARATION: &[Key] = &[
    Key::read("component"),
    Key::read("sha256"),
    Key::read("grants"),
    Key::read("limits"),
    Key::read("on_fault"),
    Key::read("instances"),
    Key::read("wasi"),
];

const LIMITS: &[Key] = &[Key::read("memory"), Key::read("crossing"), Key::read("state")];

/// What can be granted. (`log`, `metrics` and `commands` always are.)
const GRANTS: &[&str] = &["clock", "random", "sessions", "state"];
const ALWAYS_GRANTED: &[&str] = &["log", "metrics", "commands"];
const ON_FAULT: &[&str] = &["reject", "bypass", "close"];
const WASI: &[&str] = &["none", "stub"];

/// A wasm page: no memory is smaller.
const LEAST_MEMORY: usize = 64 * 1024;

pub(super) fn read(name: &str, node: &Node<'_>, problems: &mut Problems) -> Option<Declaration> {
    if !is_name(name) {
        let message = "a plugin's name must consist of 1 to 64 letters, digits, `_` and `-`";
        problems.key(&node.path, message);
    }
    let fields = node.fields(DECLARATION, problems)?;
    let component =
        fields.get("component").and_then(|node| node.text("the path of a component", problems)).map(str::to_owned);
    let sha256 = fields.get("sha256").and_then(|node| sha256(&node, problems));
    let grants = fields.get("grants").and_then(|node| grants(&node, problems));
    let limits = fields.get("limits").and_then(|node| limits(&node, problems)).unwrap_or_default();
    let on_fault = fields.get("on_fault").and_then(|node| one_of(ON_FAULT, &node, problems));
    let wasi = fields.get("wasi").and_then(|node| one_of(WASI, &node, problems));
    if let Some(node) = fields.get("instances") {
        instances(&node, problems);
    }
    Some(Declaration {
        name: name.to_owned(),
        path: fields.path,
        component,
        settings: Settings { sha256, grants, limits, on_fault, wasi },
    })
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

fn limits(node: &Node<'_>, problems: &mut Problems) -> Option<Limits> {
    let fields = node.fields(LIMITS, problems)?;
    Some(Limits {
        memory: fields.get("memory").and_then(|node| node.size(LEAST_MEMORY, problems)),
        crossing: fields.get("crossing").and_then(|node| node.duration(problems)),
        state: fields.get("state").and_then(|node| node.size(0, problems)),
    })
}

fn grants(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<&'static str>> {
    let what = format!("a list of grants out of {}", quoted(GRANTS));
    let entries = node.list(&what, problems)?;
    let mut granted = Vec::with_capacity(entries.len());
    for entry in &entries {
        match entry.text("the name of a grant", problems) {
            Some(name) if ALWAYS_GRANTED.contains(&name) => {}
            Some(_) => granted.extend(one_of(GRANTS, entry, problems)),
            None => {}
        }
    }
    Some(granted)
}

/// One word out of a table.
fn one_of(words: &[&'static str], node: &Node<'_>, problems: &mut Problems) -> Option<&'static str> {
    let what = format!("one of {}", quoted(words));
    let text = node.text(&what, problems)?;
    let found = words.iter().find(|word| **word == text).copied();
    if found.is_none() {
        let hint = did_you_mean(text, words.iter().copied());
        let message = format!("expected {what}, found {text:?}{hint}");
        problems.value(&node.path, message);
    }
    found
}

fn instances(node: &Node<'_>, problems: &mut Problems) {
    if let Some("session") = one_of(&["worker", "session"], node, problems) {
        let message = "an instance for each session is not supported yet: leave it out, or say `worker`";
        problems.value(&node.path, message);
    }
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
                *byte = u8::try_from(pair[0] << 4 | pair[1]).unwrap_or_default();
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
