//! The topologies in `examples/`, moved to free addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_yaml::Value;

use crate::certificates::{Authority, Identity};
use crate::cluster::RedisCluster;
use crate::ports::{free_addr, free_port};
use crate::programs;
use crate::redis_server::RedisServer;
use crate::sluice::Sluice;

/// An example that runs, and the servers that it needs.
#[derive(Debug)]
pub struct Example {
    /// The proxy.
    pub proxy: Sluice,
    /// Where its sources listen now, by their names.
    pub sources: BTreeMap<String, String>,
    /// A server for each remote address, by that address as the file has it.
    pub servers: BTreeMap<String, RedisServer>,
    /// The cluster whose nodes sources stand for, if any do.
    pub cluster: Option<RedisCluster>,
    /// The clusters that the sinks are in front of, by their first contact points as the file has them.
    pub clusters: BTreeMap<Vec<String>, RedisCluster>,
    /// Who has signed the certificates that stand for those in the file.
    pub authority: Authority,
}

/// The directory of the examples.
pub fn directory() -> PathBuf {
    programs::repository().join("examples")
}

/// The names of all example topologies, sorted.
///
/// # Panics
///
/// If the directory cannot be read.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(directory()).expect("examples/ can be read");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("examples/ can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    names
}

impl Example {
    /// Starts the example of this name with real servers where it expects some.
    ///
    /// # Panics
    ///
    /// If it is not valid, or does not start.
    #[track_caller]
    pub fn start(name: &str) -> Self {
        let text = std::fs::read_to_string(directory().join(name)).expect("the example can be read");
        let mut topology: Value = serde_yaml::from_str(&text).expect("the example is YAML");
        topology.apply_merge().expect("merge keys that can be applied");
        let mut moved = Moved::new(nodes(&topology));
        moved.everything(&mut topology);
        let admin = topology.get("admin").and_then(Value::as_str).map(str::to_owned);
        let sources = moved.sources(&topology);
        let first = sources.values().next().expect("an example has a source").clone();
        let yaml = serde_yaml::to_string(&topology).expect("what was read can be written");
        Self {
            proxy: Sluice::start(&yaml, &first, admin.as_deref()),
            sources,
            servers: moved.servers,
            cluster: moved.cluster,
            clusters: moved.clusters,
            authority: moved.authority,
        }
    }
}

/// The free addresses that stand for those in the file, and the certificates.
#[derive(Debug)]
struct Moved {
    servers: BTreeMap<String, RedisServer>,
    cluster: Option<RedisCluster>,
    /// Addresses of nodes and listeners by those in the file.
    addresses: BTreeMap<String, String>,
    clusters: BTreeMap<Vec<String>, RedisCluster>,
    authority: Authority,
    /// The proxy's own certificate, and the servers'.
    identity: Identity,
}

impl Moved {
    /// With a cluster of so many nodes as the file has.
    fn new(nodes: BTreeSet<String>) -> Self {
        let authority = Authority::new();
        let identity = authority.sign("proxy");
        let cluster = (!nodes.is_empty()).then(|| RedisCluster::start(nodes.len(), 0));
        let running = cluster.iter().flat_map(RedisCluster::addresses);
        let addresses = nodes.into_iter().zip(running).collect();
        Self { servers: BTreeMap::new(), cluster, addresses, clusters: BTreeMap::new(), authority, identity }
    }

    /// Replaces every address and every relative path below this node.
    fn everything(&mut self, node: &mut Value) {
        match node {
            Value::Mapping(map) => {
                let tls = map.contains_key("tls");
                if let Some(table) = map.get_mut("rewrite").and_then(Value::as_mapping_mut) {
                    *table = std::mem::take(table).into_iter().map(|pair| self.pair(pair)).collect();
                }
                for (key, value) in map.iter_mut() {
                    if key.as_str() == Some("first_contact_points") {
                        self.contact_points(value);
                        continue;
                    }
                    let replaced = match (key.as_str(), value.as_str()) {
                        (Some("listen_addr"), Some(path)) if path.starts_with("unix:") => Some(self.unix(path)),
                        (Some("listen_addr" | "admin" | "direct_destination"), Some(address)) => {
                            Some(self.address(address))
                        }
                        (Some("remote_address"), Some(remote)) => Some(self.server(remote, tls)),
                        (Some("certificate_path"), Some(_)) => Some(self.identity.certificate.display().to_string()),
                        (Some("private_key_path"), Some(_)) => Some(self.identity.key.display().to_string()),
                        (Some("certificate_authority_path"), Some(_)) => {
                            Some(self.authority.file().display().to_string())
                        }
                        (Some("component"), Some(path)) => Some(component(path)),
                        _ => None,
                    };
                    match replaced {
                        Some(text) => *value = Value::String(text),
                        None => self.everything(value),
                    }
                }
            }
            Value::Sequence(entries) => entries.iter_mut().for_each(|entry| self.everything(entry)),
            _ => {}
        }
    }

    /// The address that stands for this one.
    fn address(&mut self, address: &str) -> String {
        self.addresses.entry(address.to_owned()).or_insert_with(free_addr).clone()
    }

    /// The addresses that stand for those of a node and its proxy.
    fn pair(&mut self, (node, proxy): (Value, Value)) -> (Value, Value) {
        let mut moved = |address: Value| {
            let address = address.as_str().expect("the address of a node or its proxy");
            Value::String(self.address(address))
        };
        (moved(node), moved(proxy))
    }

    /// A Unix socket of the same name, beside the certificates.
    fn unix(&self, path: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or(path);
        format!("unix:{}", self.authority.file().with_file_name(name).display())
    }

    /// The server that stands for this address; with `tls`, its address for TLS, with clients of our authority only.
    fn server(&mut self, remote: &str, tls: bool) -> String {
        if !tls {
            return self.servers.entry(remote.to_owned()).or_insert_with(RedisServer::start).addr();
        }
        let server = self.servers.entry(remote.to_owned()).or_insert_with(|| {
            let options = self.authority.redis_options(free_port(), &self.identity, true);
            RedisServer::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>())
        });
        format!("127.0.0.1:{}", server.option("--tls-port").expect("it speaks TLS"))
    }

    /// The cluster that stands for the one of these contact points: a primary for each.
    fn contact_points(&mut self, points: &mut Value) {
        let points = points.as_sequence_mut().expect("contact points are a list");
        let texts = points.iter().map(|point| point.as_str().expect("a contact point is an address").to_owned());
        let cluster =
            self.clusters.entry(texts.collect()).or_insert_with_key(|points| RedisCluster::start(points.len(), 0));
        for (shard, point) in points.iter_mut().enumerate() {
            *point = Value::String(cluster.primary(shard).addr());
        }
    }

    fn sources(&self, topology: &Value) -> BTreeMap<String, String> {
        let entries = topology.get("sources").and_then(Value::as_sequence).expect("an example has sources");
        let text = |source: &Value, key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
        entries
            .iter()
            .filter_map(|entry| {
                let source = entry.get("Valkey")?;
                Some((text(source, "name")?, text(source, "listen_addr")?))
            })
            .collect()
    }
}

/// The nodes of a cluster that sources stand for.
fn nodes(topology: &Value) -> BTreeSet<String> {
    match topology {
        Value::Mapping(map) => {
            let own = map.get("direct_destination").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(map.values().flat_map(nodes)).collect()
        }
        Value::Sequence(entries) => entries.iter().flat_map(nodes).collect(),
        _ => BTreeSet::new(),
    }
}

/// Components that `cargo xtask` builds are taken from where the tests have them; others lie beside the example.
fn component(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let beside = directory().join(path);
    let found =
        if path.contains("target/components/") || !beside.exists() { programs::component(file) } else { beside };
    found.display().to_string()
}
