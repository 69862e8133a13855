//! What cases have that say nothing of it: a configuration, and who is behind each session.

use std::collections::BTreeMap;

use crate::plugin::SessionInfo;
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::Problems;

/// What cases have that say nothing of it.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    /// A JSON object.
    pub(super) config: serde_json::Value,
    pub(super) sessions: BTreeMap<u64, SessionInfo>,
    /// Whether a request goes on whose crossing faults.
    pub(super) bypasses: bool,
}

const SESSION: [Key; 6] = [
    Key::read("user"),
    Key::read("peer"),
    Key::read("source"),
    Key::read("database"),
    Key::read("protocol"),
    Key::read("tls_subject"),
];

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
