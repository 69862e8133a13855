//! The sinks: what a chain can end with.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::node::{Key, Node};
use super::problem::Problems;
use crate::net::Endpoint;
use crate::worker::SinkPlan;

/// Reads a sink's configuration.
pub(super) type Read = fn(&Node<'_>, &mut Problems) -> Option<SinkPlan>;

const SINKS: &[(&str, Read)] = &[("ValkeySinkSingle", single), ("NullSink", null)];

const SINGLE: &[Key] = &[
    Key::read("remote_address"),
    Key::read("connect_timeout_ms"),
    Key::read("connect_timeout"),
    Key::read("connections"),
    Key::refused("tls", "TLS towards the server is not supported yet"),
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How the sink of this name is read; `None` where no sink has it.
pub(super) fn find(name: &str) -> Option<Read> {
    let (_, read) = SINKS.iter().find(|(known, _)| *known == name)?;
    Some(*read)
}

pub(super) fn names() -> Vec<&'static str> {
    SINKS.iter().map(|(name, _)| *name).collect()
}

fn null(node: &Node<'_>, problems: &mut Problems) -> Option<SinkPlan> {
    node.fields(&[], problems)?;
    Some(SinkPlan::Null)
}

fn single(node: &Node<'_>, problems: &mut Problems) -> Option<SinkPlan> {
    let fields = node.fields(SINGLE, problems)?;
    let what = "the server, such as \"127.0.0.1:6379\"";
    let endpoint = fields.require("remote_address", what, problems).and_then(|node| {
        let what = "a host and port, such as \"127.0.0.1:6379\", \"valkey.local:6379\" or \"[::1]:6379\", or a Unix socket, such as \"unix:/run/valkey.sock\"";
        node.address::<Endpoint>(what, problems)
    });
    let milliseconds = fields.get("connect_timeout_ms").and_then(|node| node.milliseconds(problems));
    let duration = fields.get("connect_timeout").and_then(|node| node.duration(problems));
    if milliseconds.is_some() && duration.is_some() {
        let message = "`connect_timeout` and `connect_timeout_ms` mean the same: give one of them";
        problems.value(&fields.path, message);
    }
    let connections = fields.get("connections").and_then(|node| node.count(problems)).map_or(1, NonZeroUsize::get);
    Some(SinkPlan::Single {
        remote: endpoint?.into(),
        connect_timeout: duration.or(milliseconds).unwrap_or(CONNECT_TIMEOUT),
        connections,
    })
}
