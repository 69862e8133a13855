//! What the file says: its shape is checked, what its parts mean to each other is not.
//!
//! A part that could not be read is `None` here, and the reason is among the problems.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::declaration::{self, Declaration};
use super::limits;
use super::{traffic, transport};
use crate::net::Address;
use crate::net::tls::Inbound;
use crate::traffic::Plan;
use crate::worker::{Drain, SessionLimits};
use crate::yaml::node::{Fields, Key, Node};
use crate::yaml::path::Path;
use crate::yaml::problem::{Origin, Problems};

/// A whole topology file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) plugins: Vec<Declaration>,
    pub(super) sources: Vec<SourceEntry<'a>>,
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) admin: Option<Placed>,
    pub(super) drain: Drain,
}

/// One entry of `sources`.
#[derive(Debug)]
pub(super) struct SourceEntry<'a> {
    pub(super) path: Path,
    pub(super) name: Option<&'a str>,
    pub(super) listen: Option<Placed>,
    pub(super) unix_mode: Option<u32>,
    pub(super) proxy_protocol: bool,
    pub(super) tls: Option<Arc<Inbound>>,
    pub(super) connection_limit: usize,
    pub(super) limits: SessionLimits,
    pub(super) traffic_log: Option<Plan>,
    /// The transforms and the sink, by name, each with its configuration. `None` where there is no
    /// readable chain.
    pub(super) chain: Option<Vec<(&'a str, Node<'a>)>>,
}

/// An address, and where it was given.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) address: Address,
    pub(super) path: Path,
}

const DRAIN: &[Key] = &[Key::read("delay"), Key::read("spread")];

const TOP: &[Key] = &[
    Key::read("plugins"),
    Key::read("sources"),
    Key::read("workers"),
    Key::read("admin"),
    Key::read("drain_timeout"),
    Key::read("drain"),
    Key::refused("chain_config", "chains are no longer declared apart: write each under its source, as `chain`"),
    Key::refused("source_to_chain_mapping", "chains are no longer mapped: write each under its source, as `chain`"),
];

const KINDS: &[Key] = &[
    Key::read("Valkey"),
    Key::refused("Redis", "this source is called `Valkey`; it serves both"),
    Key::refused("Cassandra", "Sluice speaks the Redis/Valkey protocol only"),
    Key::refused("Kafka", "Sluice speaks the Redis/Valkey protocol only"),
];

const SOURCE: &[Key] = &[
    Key::read("name"),
    Key::read("listen_addr"),
    Key::read("unix_mode"),
    Key::read("proxy_protocol"),
    Key::read("tls"),
    Key::read("connection_limit"),
    Key::read("hard_connection_limit"),
    Key::read("limits"),
    Key::read("traffic_log"),
    Key::read("chain"),
    Key::read("idle_timeout"),
    Key::read("timeout"),
];

const CONNECTION_LIMIT: usize = 10_000;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

impl<'a> Document<'a> {
    /// Reads the document's top; `None` where it is no map at all.
    pub(super) fn read(top: &Node<'a>, origin: Origin<'_>, problems: &mut Problems) -> Option<Self> {
        let fields = top.fields(TOP, problems)?;
        let plugins = fields.get("plugins").map_or_else(Vec::new, |node| {
            let entries = node.entries("a map from plugin names to what they are", problems);
            let read = |(name, node)| declaration::read(name, &node, problems);
            entries.into_iter().filter_map(read).collect()
        });
        let sources = sources(&fields, origin, problems);
        let workers = fields.get("workers").and_then(|node| node.count(problems));
        let admin = fields.get("admin").and_then(|node| admin(&node, problems));
        let drain = drain(&fields, problems);
        Some(Self { plugins, sources, workers, admin, drain })
    }
}

/// What is done once the process is told to end.
fn drain(top: &Fields<'_>, problems: &mut Problems) -> Drain {
    let timeout = top.get("drain_timeout").and_then(|node| node.duration(problems)).unwrap_or(DRAIN_TIMEOUT);
    let mut drain = Drain { delay: Duration::ZERO, spread: Duration::ZERO, timeout };
    let Some(fields) = top.get("drain").and_then(|node| node.fields(DRAIN, problems)) else { return drain };
    for (key, field) in [("delay", &mut drain.delay), ("spread", &mut drain.spread)] {
        *field = fields.get(key).and_then(|node| node.duration(problems)).unwrap_or_default();
    }
    if let Some(node) = fields.get("spread").filter(|_| drain.spread >= timeout) {
        problems.value(&node.path, format!("must be shorter than drain_timeout, which is {timeout:?}"));
    }
    drain
}

fn sources<'a>(top: &Fields<'a>, origin: Origin<'_>, problems: &mut Problems) -> Vec<SourceEntry<'a>> {
    let Some(node) = top.require("sources", "the list of addresses to serve", problems) else {
        return Vec::new();
    };
    let what = "a list of sources, each beginning with `- Valkey:`";
    let entries = match node.list(what, problems) {
        Some(entries) if entries.is_empty() => {
            problems.value(&node.path, "there must be at least one source");
            entries
        }
        entries => entries.unwrap_or_default(),
    };
    let read = |entry: &Node<'a>| source(entry, origin, problems);
    entries.iter().filter_map(read).collect()
}

fn source<'a>(entry: &Node<'a>, origin: Origin<'_>, problems: &mut Problems) -> Option<SourceEntry<'a>> {
    let kinds = entry.fields(KINDS, problems)?;
    let Some(node) = kinds.get("Valkey") else {
        if kinds.is_empty() {
            problems.value(&entry.path, "expected a source: `Valkey: { … }`");
        }
        return None;
    };
    let fields = node.fields(SOURCE, problems)?;
    let name = fields
        .require("name", "it names the source in logs and metrics", problems)
        .and_then(|node| name(&node, problems));
    let listen =
        fields.require("listen_addr", "such as \"127.0.0.1:6379\"", problems).and_then(|node| listen(&node, problems));
    let unix_mode = fields.get("unix_mode").and_then(|node| unix_mode(&node, listen.as_ref(), problems));
    let proxy_protocol = fields.get("proxy_protocol").and_then(|node| node.flag(problems)).unwrap_or(false);
    let tls = fields.get("tls").and_then(|node| transport::inbound(&node, origin, problems));
    let connection_limit = fields
        .get("connection_limit")
        .and_then(|node| node.count(problems))
        .map_or(CONNECTION_LIMIT, NonZeroUsize::get);
    hard_connection_limit(&fields, problems);
    let limits = limits::read(&fields, problems);
    let traffic_log = fields.get("traffic_log").and_then(|node| traffic::read(&node, problems));
    let chain = fields
        .require("chain", "the transforms, and a sink as the last", problems)
        .and_then(|node| chain(&node, problems));
    Some(SourceEntry {
        path: fields.path,
        name,
        listen,
        unix_mode,
        proxy_protocol,
        tls,
        connection_limit,
        limits,
        traffic_log,
        chain,
    })
}

/// Shotover's choice of what happens beyond `connection_limit`; here there is one answer.
fn hard_connection_limit(source: &Fields<'_>, problems: &mut Problems) {
    let Some(node) = source.get("hard_connection_limit") else { return };
    if node.flag(problems) == Some(false) {
        let message = "letting clients beyond `connection_limit` wait is not supported: they get an error and are closed, \
                       as the servers do it; leave it out, or say `true`";
        problems.value(&node.path, message);
    }
}

fn name<'a>(node: &Node<'a>, problems: &mut Problems) -> Option<&'a str> {
    let text = node.text("a name", problems)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return node.unexpected("a name that can be printed", problems);
    }
    Some(text)
}

fn chain<'a>(node: &Node<'a>, problems: &mut Problems) -> Option<Vec<(&'a str, Node<'a>)>> {
    let what = "a list of transforms, each `- Name` or `- Name: { … }`";
    let entries = node.list(what, problems)?;
    let what = "a transform: `Name` or `Name: { … }`";
    let links = entries.iter().map(|entry| entry.named(what, problems));
    // Every entry is looked at, so that each bad one is reported; but a chain with holes is none.
    let links: Vec<_> = links.collect();
    links.into_iter().collect()
}

/// Where clients connect.
fn listen(node: &Node<'_>, problems: &mut Problems) -> Option<Placed> {
    let what = "an IP address and port, such as \"127.0.0.1:6379\" or \"[::1]:6379\", or a Unix socket, such as \"unix:/run/sluice.sock\"";
    let address = node.address(what, problems)?;
    Some(Placed { address, path: node.path.clone() })
}

/// Where the admin address is served: an IP address and a port.
fn admin(node: &Node<'_>, problems: &mut Problems) -> Option<Placed> {
    let what = "an IP address and port, such as \"127.0.0.1:9001\"";
    match node.address(what, problems)? {
        Address::Unix(_) => node.unexpected(what, problems),
        address => Some(Placed { address, path: node.path.clone() }),
    }
}

/// The permissions of a Unix socket, in octal as `chmod` takes them.
fn unix_mode(node: &Node<'_>, listen: Option<&Placed>, problems: &mut Problems) -> Option<u32> {
    let what = "permissions in octal, in quotes, such as \"0660\"";
    let text = node.text(what, problems)?;
    if let Some(Placed { address: Address::Tcp(address), .. }) = listen {
        problems.key(&node.path, format!("it is for Unix sockets, and this source listens on {address}"));
    }
    let octal = text.bytes().all(|c| c.is_ascii_digit()).then(|| u32::from_str_radix(text, 8).ok());
    match octal.flatten().filter(|mode| *mode <= 0o777) {
        None => node.unexpected(what, problems),
        mode => mode,
    }
}
