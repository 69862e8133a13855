//! A case file: how its component is loaded, what all cases share, and the cases.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use super::case::Case;
use crate::plugin::{SessionInfo, Spec};
use crate::topology::terms::{self, Terms};
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::{Origin, Problems};
use crate::yaml::{self, DocumentError};

/// A case file, checked as far as that goes without its component.
#[derive(Clone, Debug)]
pub struct Cases {
    terms: Terms,
    cases: Vec<Case>,
}

/// What cases have that say nothing of it.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// A JSON object.
    pub(super) config: serde_json::Value,
    pub(super) sessions: BTreeMap<u64, SessionInfo>,
    /// Whether a request goes on whose crossing faults.
    pub(super) bypasses: bool,
}

const OWN: [Key; 3] = [Key::read("config"), Key::read("sessions"), Key::read("cases")];

const SESSION: [Key; 6] = [
    Key::read("user"),
    Key::read("peer"),
    Key::read("source"),
    Key::read("database"),
    Key::read("protocol"),
    Key::read("tls_subject"),
];

impl Cases {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, in one report.
    pub fn load(file: &FilePath) -> Result<Self, DocumentError> {
        Self::parse(file, &yaml::read(file, "case file")?)
    }

    /// Checks a text as if it stood in `file`, which need not exist.
    ///
    /// # Errors
    ///
    /// As for [`Cases::load`].
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, DocumentError> {
        let origin = Origin { file, text };
        let document = yaml::Document::parse(origin)?;
        let mut problems = Problems::default();
        let cases = read(&document.top(), origin, &mut problems);
        problems.into_result(cases, origin)
    }

    /// Changes what is declared of the component to what the file says of it.
    pub fn apply(&self, spec: &mut Spec) {
        self.terms.apply(spec);
    }

    /// The cases, in the order of the file. At least one; no two of the same name.
    pub fn list(&self) -> &[Case] {
        &self.cases
    }
}

fn read(top: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<Cases> {
    let fields = top.fields(&[&OWN[..], &terms::KEYS].concat(), problems)?;
    let terms = Terms::read(&fields, problems);
    let config = match fields.get("config") {
        Some(node) => node.json_object(problems),
        None => Some(serde_json::Value::Object(serde_json::Map::new())),
    };
    let sessions = fields.get("sessions").map(|node| sessions(&node, problems)).unwrap_or_default();
    let node = fields.require("cases", "the list of cases", problems)?;
    let entries = node.list("a list of cases, each beginning with `- name:`", problems)?;
    if entries.is_empty() {
        problems.value(&node.path, "there must be at least one case");
    }
    let shared = Shared { config: config?, sessions, bypasses: terms.bypasses() };
    // Each case is looked at, so that the problems of all are found.
    let cases: Vec<_> = entries.iter().map(|entry| Case::read(entry, &shared, origin, problems)).collect();
    let cases: Vec<Case> = cases.into_iter().collect::<Option<_>>()?;
    for (position, case) in cases.iter().enumerate() {
        if let Some(first) = cases[..position].iter().position(|earlier| earlier.name() == case.name()) {
            let path = node.path.index(position).key("name");
            problems.value(&path, format!("{:?} is also the name of {}", case.name(), node.path.index(first)));
        }
    }
    Some(Cases { terms, cases })
}

/// What is known of sessions, by their numbers.
pub(super) fn sessions(node: &Node<'_>, problems: &mut Problems) -> BTreeMap<u64, SessionInfo> {
    let what = "a map from the numbers of sessions to what is known of them";
    let entries = node.numbered(what, problems);
    entries.into_iter().filter_map(|(id, node)| Some((id, session(id, &node, problems)?))).collect()
}

fn session(id: u64, node: &Node<'_>, problems: &mut Problems) -> Option<SessionInfo> {
    if id == 0 {
        problems.key(&node.path, "sessions are counted from 1");
    }
    let fields = node.fields(&SESSION, problems)?;
    let text = |key: &str, problems: &mut Problems| {
        fields.get(key).and_then(|node| node.text("text", problems)).map(str::to_owned)
    };
    let usual = usual_session(id);
    let protocol = fields.get("protocol").and_then(|node| match node.value.as_u64() {
        Some(2) => Some(2),
        Some(3) => Some(3),
        _ => node.unexpected("a protocol: 2 or 3", problems),
    });
    Some(SessionInfo {
        peer: text("peer", problems).unwrap_or(usual.peer),
        source: text("source", problems).unwrap_or(usual.source),
        user: text("user", problems).unwrap_or(usual.user),
        tls_subject: text("tls_subject", problems),
        database: fields.get("database").and_then(|node| node.number(problems)).unwrap_or(usual.database),
        protocol: protocol.unwrap_or(usual.protocol),
    })
}

/// What is known of a session of which the file says nothing.
pub(super) fn usual_session(id: u64) -> SessionInfo {
    SessionInfo {
        // Each from a port of its own, as long as there are ports.
        peer: format!("127.0.0.1:{}", 50_000 + id % 10_000),
        source: "valkey".to_owned(),
        user: "default".to_owned(),
        tls_subject: None,
        database: 0,
        protocol: 2,
    }
}
