//! A topology, put together piece by piece and written to a file when the proxy starts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cluster::RedisCluster;
use crate::ports::free_addr;
use crate::programs;
use crate::redis_server::RedisServer;
use crate::sluice::Sluice;

/// Limits with which a large value is not late because a debug build copies it into the sandbox byte by byte.
pub const UNHURRIED: &str = "limits: { crossing: 2s }";

/// What a chain can end at.
pub trait Upstream {
    /// The sink, as an entry of a chain.
    fn sink(&self) -> String;
}

impl Upstream for RedisServer {
    fn sink(&self) -> String {
        single(&self.addr())
    }
}

impl Upstream for RedisCluster {
    /// The primaries are the contact points, at most three of them: the others are to be found.
    fn sink(&self) -> String {
        hidden(self, "connect_timeout_ms: 3000")
    }
}

fn hidden(cluster: &RedisCluster, more: &str) -> String {
    let points: Vec<String> = (0..cluster.shards().min(3)).map(|shard| cluster.primary(shard).addr()).collect();
    format!("ValkeySinkCluster: {{ first_contact_points: {points:?}, {more} }}")
}

/// The sink for a single server, as an entry of a chain.
pub(crate) fn single(addr: &str) -> String {
    format!("ValkeySinkSingle: {{ remote_address: \"{addr}\", connect_timeout_ms: 3000 }}")
}

/// A topology of one source. Its addresses are free ones.
#[derive(Clone, Debug)]
pub struct Topology {
    addr: String,
    admin: String,
    workers: usize,
    top: Vec<String>,
    plugins: Vec<String>,
    source: Vec<String>,
    chain: Vec<String>,
}

impl Default for Topology {
    fn default() -> Self {
        Self::new()
    }
}

impl Topology {
    /// One worker and an empty chain.
    pub fn new() -> Self {
        Self {
            addr: free_addr(),
            admin: free_addr(),
            workers: 1,
            top: Vec::new(),
            plugins: Vec::new(),
            source: Vec::new(),
            chain: Vec::new(),
        }
    }

    /// Three components of different kinds before a server or a cluster: one rewrites every key, one judges every command, one
    /// looks at every request and response.
    pub fn three_components(upstream: &impl Upstream) -> Self {
        Self::prefixing("e2e:", upstream)
    }

    /// The same three, with this prefix to every key.
    pub fn prefixing(prefix: &str, upstream: &impl Upstream) -> Self {
        Self::new()
            .plugin("WatchAll", "watch_all.wasm", UNHURRIED)
            .transform(&format!("KeyPrefix: {{ prefix: '{prefix}' }}"))
            .transform("CommandFilter: { deny: [shutdown] }")
            .transform("WatchAll: {}")
            .sink(upstream)
    }

    /// Three components before a server or a cluster that see every request and every response, and change none that the tests
    /// send.
    pub fn watching(upstream: &impl Upstream) -> Self {
        Self::new()
            .plugin("WatchAll", "watch_all.wasm", UNHURRIED)
            .transform("CommandFilter: { deny: [shutdown] }")
            .transform("RequestLogger: { responses: true, level: debug }")
            .transform("WatchAll: {}")
            .sink(upstream)
    }

    /// How many workers.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// A line at the top level of the file.
    pub fn top(mut self, line: &str) -> Self {
        self.top.push(line.to_owned());
        self
    }

    /// Declares a plugin by the file name of its component; `more` are further entries of its map, such as
    /// `on_fault: close`, in flow style.
    pub fn plugin(self, name: &str, component: &str, more: &str) -> Self {
        self.plugin_at(name, &programs::component(component), more)
    }

    /// The same, by the path of its component.
    pub fn plugin_at(mut self, name: &str, path: &Path, more: &str) -> Self {
        let comma = if more.is_empty() { "" } else { ", " };
        self.plugins.push(format!("{name}: {{ component: \"{}\"{comma}{more} }}", path.display()));
        self
    }

    /// Declares a standard plugin, to change its limits: `more` as for [`Topology::plugin`].
    pub fn declare(mut self, name: &str, more: &str) -> Self {
        self.plugins.push(format!("{name}: {{ {more} }}"));
        self
    }

    /// A line of the source, such as `connection_limit: 10`.
    pub fn source(mut self, line: &str) -> Self {
        self.source.push(line.to_owned());
        self
    }

    /// Adds a transform, or any sink, to the chain: `Name: { key: value }`.
    pub fn transform(mut self, entry: &str) -> Self {
        self.chain.push(entry.to_owned());
        self
    }

    /// Puts a transform before all others.
    pub fn transform_first(mut self, entry: &str) -> Self {
        self.chain.insert(0, entry.to_owned());
        self
    }

    /// Ends the chain at this server, or at this cluster, which it hides.
    pub fn sink(self, upstream: &impl Upstream) -> Self {
        self.transform(&upstream.sink())
    }

    /// Ends the chain at this address.
    pub fn sink_at(self, addr: &str) -> Self {
        self.transform(&single(addr))
    }

    /// Ends the chain at the first of these addresses that works; `more` are further entries of the sink's map, in flow style,
    /// such as `pipelining: off`.
    pub fn sink_to(self, addrs: &[String], more: &str) -> Self {
        let servers: Vec<String> = addrs.iter().map(|addr| format!("\"{addr}\"")).collect();
        let comma = if more.is_empty() { "" } else { ", " };
        self.transform(&format!("ValkeySinkSingle: {{ servers: [{}]{comma}{more} }}", servers.join(", ")))
    }

    /// Ends the chain at this cluster, which it hides; `more` are further entries of the sink's map, in flow style.
    pub fn hiding(self, cluster: &RedisCluster, more: &str) -> Self {
        self.transform(&hidden(cluster, more))
    }

    /// Where the source listens.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Lets the source listen here instead.
    pub fn listen_at(mut self, addr: &str) -> Self {
        addr.clone_into(&mut self.addr);
        self
    }

    /// The admin address.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The file's text.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        let mut line = |indent: usize, line: &str| {
            writeln!(text, "{:indent$}{line}", "").expect("a string takes every line");
        };
        line(0, &format!("workers: {}", self.workers));
        line(0, &format!("admin: \"{}\"", self.admin));
        self.top.iter().for_each(|entry| line(0, entry));
        if !self.plugins.is_empty() {
            line(0, "plugins:");
            self.plugins.iter().for_each(|entry| line(2, entry));
        }
        line(0, "sources:");
        line(2, "- Valkey:");
        line(6, "name: valkey");
        line(6, &format!("listen_addr: \"{}\"", self.addr));
        self.source.iter().for_each(|entry| line(6, entry));
        line(6, "chain:");
        self.chain.iter().for_each(|entry| line(8, &format!("- {entry}")));
        text
    }

    /// Writes the file.
    pub fn write(&self, directory: &Path) -> PathBuf {
        let path = directory.join("topology.yaml");
        std::fs::write(&path, self.yaml()).expect("a temporary directory can be written to");
        path
    }

    /// Starts the proxy and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it does not become ready; the message holds what it printed.
    #[track_caller]
    pub fn start(&self) -> Sluice {
        self.start_with(&[])
    }

    /// The same, with further options for `sluice run`.
    #[track_caller]
    pub fn start_with(&self, options: &[&str]) -> Sluice {
        Sluice::start_with(&self.yaml(), &self.addr, Some(&self.admin), options)
    }
}
