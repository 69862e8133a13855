//! A cluster with a proxy in front of each of its nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_tests::cluster::ClusterOptions;
use sluice_tests::ports::free_addr;
use sluice_tests::{Client, RedisCluster, Sluice, UNHURRIED, programs, wait_until};

/// What the nodes want to hear first: the proxies say it, and clients do not know it.
const PASSWORD: &str = "for-proxies-only";

/// How long nodes may take to hear of each other.
const GOSSIP: Duration = Duration::from_secs(10);

/// Three that see every request and every response, and change none.
pub(super) const COMPONENTS: &[&str] =
    &["CommandFilter: { deny: [shutdown] }", "RequestLogger: { responses: true, level: debug }", "WatchAll: {}"];

/// How clients come to know the addresses of the proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The proxies rewrite what the nodes say.
    ByRewriting,
    /// The nodes themselves announce the proxies.
    ByNodes,
    /// They do not, and go to the nodes by themselves, which let them in.
    Never,
}

/// A cluster, and one process of which each source stands for one of its nodes.
#[derive(Debug)]
pub(super) struct Proxies {
    pub(super) cluster: RedisCluster,
    pub(super) proxy: Sluice,
    /// Where the proxies are, in the order of [`RedisCluster::addresses`].
    pub(super) addrs: Vec<String>,
    told: Told,
}

impl Proxies {
    /// Starts a cluster of three shards and its proxies, each with a chain of three components.
    #[track_caller]
    pub(super) fn start(replicas_of_each: usize, told: Told, workers: usize) -> Self {
        Self::with(COMPONENTS, replicas_of_each, told, workers)
    }

    /// The same, with this chain.
    #[track_caller]
    pub(super) fn with(chain: &[&str], replicas_of_each: usize, told: Told, workers: usize) -> Self {
        // On a busy machine, nodes are not to take each other for dead.
        let options = ClusterOptions::new().node_timeout(GOSSIP);
        let options = if told == Told::Never { options } else { options.password(PASSWORD) };
        let cluster = RedisCluster::start_with(3, replicas_of_each, &options);
        let nodes = cluster.addresses();
        let addrs: Vec<String> = nodes.iter().map(|_| free_addr()).collect();
        let admin = free_addr();
        let yaml = topology(&nodes, &addrs, &admin, told, workers, chain);
        let proxy = Sluice::start(&yaml, &addrs[0], Some(&admin));
        let proxies = Self { cluster, proxy, addrs, told };
        if told == Told::ByNodes {
            proxies.announce();
        }
        proxies.forget_errors();
        proxies
    }

    /// Lets each node say that it is where its proxy is, and waits until all have heard of it.
    #[track_caller]
    fn announce(&self) {
        for (node, addr) in self.nodes().into_iter().zip(&self.addrs) {
            let port = addr.rsplit(':').next().unwrap();
            assert_eq!(self.direct(&node).ask(&format!("CONFIG SET cluster-announce-port {port}")), "+OK\r\n");
        }
        for node in self.nodes() {
            wait_until("every node announces its proxy", GOSSIP * 3, || {
                let nodes = self.direct(&node).ask("CLUSTER NODES");
                let nodes = String::from_utf8_lossy(&nodes);
                self.addrs.iter().all(|addr| nodes.contains(&format!(" {addr}@"))).then_some(())
            });
        }
    }

    fn forget_errors(&self) {
        for node in self.nodes() {
            assert_eq!(self.direct(&node).ask("CONFIG RESETSTAT"), "+OK\r\n");
        }
    }

    fn nodes(&self) -> Vec<String> {
        self.cluster.addresses()
    }

    /// A connection to a node past its proxy, that may do everything.
    #[track_caller]
    pub(super) fn direct(&self, node: &str) -> Client {
        let mut client = Client::connect(node);
        if self.told != Told::Never {
            assert_eq!(client.call(&["AUTH", PASSWORD]), "+OK\r\n");
        }
        client
    }

    /// A connection to the proxy of a shard's primary.
    #[track_caller]
    pub(super) fn client(&self, shard: usize) -> Client {
        Client::connect(&self.addrs[shard])
    }

    /// The addresses that clients are to find: those of the proxies, where they are told.
    pub(super) fn to_be_found(&self) -> Vec<String> {
        match self.told {
            Told::ByRewriting | Told::ByNodes => self.addrs.clone(),
            Told::Never => self.nodes(),
        }
    }

    /// A reply of a node as the client of a proxy is to get it.
    pub(super) fn rewritten(&self, text: &str) -> String {
        let by_node: BTreeMap<String, &String> = self.nodes().into_iter().zip(&self.addrs).collect();
        by_node.iter().fold(text.to_owned(), |text, (node, proxy)| text.replace(node.as_str(), proxy))
    }

    /// How many errors of this kind the nodes have given.
    #[track_caller]
    pub(super) fn errors(&self, kind: &str) -> u64 {
        self.count("errorstats", &format!("errorstat_{kind}:"), "count=")
    }

    /// Checks that every request that the nodes got came from a proxy: nobody else knows the password.
    #[track_caller]
    pub(super) fn assert_nobody_came_past_them(&self) {
        // The proxies themselves try this one without the password first.
        let tried = self.count("commandstats", "cmdstat_readonly:", "rejected_calls=");
        assert_eq!(self.errors("NOAUTH") - tried, 0, "a client came to a node itself");
    }

    /// The sum of what all nodes tell in a line of INFO.
    #[track_caller]
    fn count(&self, section: &str, line: &str, field: &str) -> u64 {
        let of = |node: String| -> u64 {
            let info = self.direct(&node).ask(&format!("INFO {section}"));
            let info = String::from_utf8_lossy(&info);
            let found = info.lines().find_map(|found| found.strip_prefix(line));
            let count = found.and_then(|fields| fields.split(',').find_map(|found| found.strip_prefix(field)));
            count.map_or(0, |count| count.parse().unwrap())
        };
        self.nodes().into_iter().map(of).sum()
    }
}

fn topology(nodes: &[String], addrs: &[String], admin: &str, told: Told, workers: usize, chain: &[&str]) -> String {
    let table: Vec<String> = nodes.iter().zip(addrs).map(|(node, addr)| format!("\"{node}\": \"{addr}\"")).collect();
    let rewrite =
        if told == Told::ByRewriting { format!(", rewrite: {{ {} }}", table.join(", ")) } else { String::new() };
    let password = if told == Told::Never { String::new() } else { format!(", password: {PASSWORD}") };
    let source = |(node, addr): (&String, &String)| {
        let sink = format!("ValkeySinkCluster: {{ direct_destination: \"{node}\"{password}{rewrite} }}");
        let chain: Vec<&str> = chain.iter().copied().chain([sink.as_str()]).collect();
        let chain = chain.join("\n        - ");
        format!(
            "
  - Valkey:
      name: \"{node}\"
      listen_addr: \"{addr}\"
      chain:
        - {chain}"
        )
    };
    let sources: String = nodes.iter().zip(addrs).map(source).collect();
    format!(
        "workers: {workers}
admin: \"{admin}\"
plugins:
  WatchAll: {{ component: \"{}\", {UNHURRIED} }}
sources:{sources}
",
        programs::component("watch_all.wasm").display()
    )
}
