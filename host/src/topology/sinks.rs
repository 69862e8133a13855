//! The sinks: what a chain can end with.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::node::{Key, Node};
use super::problem::Problems;
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
    let remote_address = fields.require("remote_address", what, problems).and_then(|node| remote(&node, problems));
    let milliseconds = fields.get("connect_timeout_ms").and_then(|node| node.milliseconds(problems));
    let duration = fields.get("connect_timeout").and_then(|node| node.duration(problems));
    if milliseconds.is_some() && duration.is_some() {
        let message = "`connect_timeout` and `connect_timeout_ms` mean the same: give one of them";
        problems.value(&fields.path, message);
    }
    let connections = fields.get("connections").and_then(|node| node.count(problems)).map_or(1, NonZeroUsize::get);
    Some(SinkPlan::Single {
        address: remote_address?.to_owned(),
        connect_timeout: duration.or(milliseconds).unwrap_or(CONNECT_TIMEOUT),
        connections,
    })
}

/// `host:port`; the host may be a name, an IPv4 address, or an IPv6 address in brackets.
fn remote<'a>(node: &Node<'a>, problems: &mut Problems) -> Option<&'a str> {
    let what = "a host and port, such as \"127.0.0.1:6379\", \"valkey.local:6379\" or \"[::1]:6379\"";
    let text = node.text(what, problems)?;
    if is_remote(text) {
        return Some(text);
    }
    node.unexpected(what, problems)
}

fn is_remote(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = !host.is_empty() && host.chars().all(is_name);
    is_port && (is_host || text.parse::<std::net::SocketAddrV6>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for text in ["127.0.0.1:6379", "localhost:1", "a-b.c_d:65535", "[::1]:6379"] {
            assert!(is_remote(text), "{text}");
        }
        for text in [
            "",
            ":6379",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "a b:1",
            "::1:6379",
            "redis://localhost:6379",
            "localhost:+1",
            "[::1]",
            "[::g]:1",
        ] {
            assert!(!is_remote(text), "{text}");
        }
    }
}
