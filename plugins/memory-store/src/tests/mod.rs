//! What the comparison with a real server does not show: time, several workers, limits, and what this store says of itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod connecting;
mod families;
mod keyspace;
mod long_lists;
mod sharing;

use sluice_plugin::Reply;
use sluice_plugin::testing::{Harness, IntoArgs};

use super::*;

type Store = Harness<MemoryStore>;

fn store() -> Store {
    Harness::new(serde_json::json!({})).unwrap()
}

/// What is replied to a request.
#[track_caller]
fn ask(store: &mut Store, line: impl IntoArgs) -> Reply<'static> {
    store.request(line).reply().expect("a reply").clone()
}

/// The same, as `redis-cli` would show it.
#[track_caller]
fn said(store: &mut Store, line: impl IntoArgs) -> String {
    shown(&ask(store, line))
}

fn shown(reply: &Reply<'_>) -> String {
    let all = |elements: &[Reply<'_>]| elements.iter().map(shown).collect::<Vec<_>>().join(" ");
    match reply {
        Reply::Null | Reply::NullArray => "(nil)".into(),
        Reply::Integer(value) => value.to_string(),
        Reply::Array(elements) => format!("[{}]", all(elements)),
        Reply::Set(elements) => format!("{{{}}}", all(elements)),
        Reply::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}={}", shown(key), shown(value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
        Reply::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        other => other.as_bytes().unwrap_or_default().escape_ascii().to_string(),
    }
}
