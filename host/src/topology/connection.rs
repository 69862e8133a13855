//! How a sink reaches its servers and shares connections to them: the keys that all sinks with
//! servers have.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use sluice_commands::{CommandId, lookup};

use super::transport;
use crate::net::Endpoint;
use crate::upstream::{InFlight, Pipelining, PrivateLimits, ServerCommands, SinglePlan};
use crate::yaml::node::{Fields, Key, Node};
use crate::yaml::problem::{Origin, Problems};

const KEYS: &[Key] = &[
    Key::read("username"),
    Key::read("password"),
    Key::read("connect_timeout_ms"),
    Key::read("connect_timeout"),
    Key::read("request_timeout"),
    Key::read("health_interval"),
    Key::read("connections"),
    Key::read("pipelining"),
    Key::read("in_flight"),
    Key::read("private_connections"),
    Key::read("renamed"),
    Key::read("shared"),
    Key::read("tls"),
];

const IN_FLIGHT: &[Key] = &[Key::read("requests"), Key::read("bytes")];

const PRIVATE: &[Key] = &[Key::read("limit"), Key::read("idle"), Key::read("wait")];

const PIPELINING: &[(&str, Pipelining)] =
    &[("off", Pipelining::Off), ("batch", Pipelining::Batch), ("auto", Pipelining::Auto)];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const HEALTH_INTERVAL: Duration = Duration::from_secs(5);

/// The keys of a sink that has these of its own.
pub(super) fn with(own: &[Key]) -> Vec<Key> {
    [own, KEYS].concat()
}

/// Reads the keys that all have; `endpoints`: where the servers are, as the sink's own keys say.
pub(super) fn plan(
    endpoints: Option<Vec<Endpoint>>,
    fields: &Fields<'_>,
    origin: Origin<'_>,
    problems: &mut Problems,
) -> Option<SinglePlan> {
    let servers = transport::remotes(endpoints, fields, origin, problems);
    let credentials = credentials(fields, problems);
    let milliseconds = fields.get("connect_timeout_ms").and_then(|node| node.milliseconds(problems));
    let mut duration = |key| fields.get(key).and_then(|node| node.duration(problems));
    let connect_timeout = duration("connect_timeout");
    let request_timeout = duration("request_timeout");
    let health_interval = duration("health_interval");
    if milliseconds.is_some() && connect_timeout.is_some() {
        same(fields, "connect_timeout", "connect_timeout_ms", problems);
    }
    let connections = either(fields, "connections", "connection_count", problems);
    let connections = connections.and_then(|node| node.count(problems)).map_or(1, NonZeroUsize::get);
    let pipelining = fields.get("pipelining").and_then(|node| pipelining(&node, problems)).unwrap_or_default();
    let in_flight = fields.get("in_flight").and_then(|node| in_flight(&node, problems)).unwrap_or_default();
    let private = fields.get("private_connections").and_then(|node| private(&node, problems)).unwrap_or_default();
    let commands = Arc::new(commands(fields, problems));
    Some(SinglePlan {
        servers: servers?,
        connect_timeout: connect_timeout.or(milliseconds).unwrap_or(CONNECT_TIMEOUT),
        request_timeout,
        health_interval: Some(health_interval.unwrap_or(HEALTH_INTERVAL)),
        connections,
        pipelining,
        in_flight,
        private,
        credentials,
        epoch: Arc::default(),
        hangs_up: false,
        rewrite: None,
        commands,
    })
}

/// The address of a server.
pub(super) fn server(node: &Node<'_>, problems: &mut Problems) -> Option<Endpoint> {
    let what = "a host and port, such as \"127.0.0.1:6379\", \"valkey.local:6379\" or \"[::1]:6379\", or a Unix socket, such as \"unix:/run/valkey.sock\"";
    node.address(what, problems)
}

/// What the address of a node looks like.
pub(super) const A_NODE: &str = "a host and port, such as \"127.0.0.1:6379\", \"node.example:6379\" or \"[::1]:6379\"";

/// An address that a cluster can name.
pub(super) fn tcp(node: &Node<'_>, problems: &mut Problems) -> Option<Arc<str>> {
    match node.text(A_NODE, problems)?.parse() {
        Ok(Endpoint::Tcp(address)) => Some(address),
        _ => node.unexpected(A_NODE, problems),
    }
}

/// What stands under one of two keys that mean the same.
fn either<'a>(fields: &Fields<'a>, key: &str, other: &str, problems: &mut Problems) -> Option<Node<'a>> {
    let (first, second) = (fields.get(key), fields.get(other));
    if first.is_some() && second.is_some() {
        same(fields, key, other, problems);
    }
    first.or(second)
}

fn same(fields: &Fields<'_>, key: &str, other: &str, problems: &mut Problems) {
    problems.value(&fields.path, format!("`{key}` and `{other}` mean the same: give one of them"));
}

/// The user that sessions are to the server until they authenticate.
fn credentials(fields: &Fields<'_>, problems: &mut Problems) -> Option<(Option<String>, String)> {
    let mut text = |key, what| fields.get(key).and_then(|node| node.text(what, problems).map(str::to_owned));
    let (user, password) = (text("username", "a user of the server"), text("password", "its password"));
    if user.is_some() && password.is_none() {
        problems.value(&fields.path, "a `username` needs a `password`");
    }
    Some((user, password?))
}

fn pipelining(node: &Node<'_>, problems: &mut Problems) -> Option<Pipelining> {
    let what = "`off`, `batch` or `auto`";
    let text = node.text(what, problems)?;
    let Some((_, mode)) = PIPELINING.iter().find(|(name, _)| *name == text) else {
        return node.unexpected(what, problems);
    };
    Some(*mode)
}

/// What the servers call their commands, and which of their own may share a connection.
fn commands(fields: &Fields<'_>, problems: &mut Problems) -> ServerCommands {
    let what = "a map from commands to the servers' names of them, such as { FLUSHALL: x9f }";
    let table = fields.get("renamed").map(|node| node.entries(what, problems)).unwrap_or_default();
    let mut renamed: Vec<(&str, &str)> = Vec::new();
    for (name, node) in table {
        let Some(server_name) = node.text("the servers' name of the command", problems) else { continue };
        if lookup(name.as_bytes(), || None) == CommandId::UNKNOWN {
            problems.key(
                &node.path,
                format!("{name:?} is no command: expected one of the server's own, such as `FLUSHALL`"),
            );
        } else if server_name.is_empty() {
            problems
                .value(&node.path, "a command with an empty name is one that the server has disabled: leave it out");
        } else if lookup(server_name.as_bytes(), || None) != CommandId::UNKNOWN {
            problems.value(&node.path, format!("{server_name:?} is the name of another command"));
        } else if renamed.iter().any(|(_, known)| known.eq_ignore_ascii_case(server_name)) {
            problems.value(&node.path, format!("{server_name:?} is the name of two commands"));
        } else {
            renamed.push((name, server_name));
        }
    }
    let what = "a list of commands that may share a connection, such as [\"json.*\"]";
    let shared = fields.get("shared").and_then(|node| node.list(what, problems)).unwrap_or_default();
    let shared: Vec<&str> =
        shared.iter().filter_map(|node| node.text("a command, or a pattern with `*`", problems)).collect();
    ServerCommands::new(renamed.into_iter(), shared.into_iter())
}

fn in_flight(node: &Node<'_>, problems: &mut Problems) -> Option<InFlight> {
    let fields = node.fields(IN_FLIGHT, problems)?;
    let default = InFlight::default();
    let requests = fields.get("requests").and_then(|node| node.count(problems));
    let bytes = fields.get("bytes").and_then(|node| node.size(1..=usize::MAX, problems));
    Some(InFlight {
        requests: requests.map_or(default.requests, NonZeroUsize::get),
        bytes: bytes.unwrap_or(default.bytes),
    })
}

fn private(node: &Node<'_>, problems: &mut Problems) -> Option<PrivateLimits> {
    let fields = node.fields(PRIVATE, problems)?;
    let default = PrivateLimits::default();
    let mut count = |key| fields.get(key).and_then(|node| node.count(problems)).map(NonZeroUsize::get);
    let (limit, idle) = (count("limit"), count("idle"));
    let wait = fields.get("wait").and_then(|node| node.duration(problems));
    Some(PrivateLimits {
        limit: limit.unwrap_or(default.limit),
        idle: idle.unwrap_or(default.idle),
        wait: wait.unwrap_or(default.wait),
    })
}
