//! Clusters that are used for one family after another: to start one takes seconds.

use std::collections::BTreeMap;

use sluice_tests::{ClusterOptions, RedisCluster, Topology};

use super::case::{Action, Family};
use super::reply::Reply;
use super::target::{Came, Chain, SERVER, Server, Target, Wire};

/// A cluster that can be made as good as new.
pub(super) struct Stage {
    nodes: Vec<Node>,
    primaries: usize,
    cluster: RedisCluster,
}

/// A node, and a connection to it from before anything was changed: it may do everything, whoever else may not.
struct Node {
    addr: String,
    primary: bool,
    wire: std::cell::RefCell<Wire>,
    config: BTreeMap<String, String>,
}

/// Requests of which the proxy makes several where their keys lie in several slots, with the distance from one key to the next.
const TAKEN_APART: [(&str, usize); 6] =
    [("DEL", 1), ("EXISTS", 1), ("MGET", 1), ("MSET", 2), ("TOUCH", 1), ("UNLINK", 1)];

impl Stage {
    /// Starts a cluster of so many primaries with so many replicas each.
    pub(super) fn start(server: Server, primaries: usize, replicas: usize) -> Self {
        let options = ClusterOptions::new().node_timeout(std::time::Duration::from_secs(15)).server(&SERVER);
        let options = if server == Server::Valkey { options.valkey() } else { options };
        let cluster = RedisCluster::start_with(primaries, replicas, &options);
        let addrs = cluster.addresses().into_iter().enumerate();
        let nodes = addrs.map(|(at, addr)| Node::new(addr, at < primaries)).collect();
        Self { nodes, primaries, cluster }
    }

    /// All of it as if it had just been started, and a proxy before it, if the chain is one.
    pub(super) fn target(&self, chain: Chain) -> Target {
        self.nodes.iter().for_each(Node::renew);
        self.nodes
            .iter()
            .filter(|node| node.primary)
            .for_each(|node| node.replicated(self.nodes.len() / self.primaries - 1));
        let nodes = self.nodes.iter().map(|node| node.addr.clone()).collect();
        let proxy = match chain {
            Chain::OneNode => None,
            Chain::ThreeNodes | Chain::SixNodes => Some(Topology::watching(&self.cluster)),
            Chain::OneSlotOfOne => Some(Topology::prefixing("{x}", self.cluster.primary(0))),
            Chain::OneSlot => Some(Topology::prefixing("{x}", &self.cluster)),
            other => unreachable!("{} is no chain before a cluster", other.name()),
        };
        Target::before(nodes, proxy.map(|topology| topology.start()))
    }

    /// The family without what the proxy does where the server would not: requests that it takes apart.
    pub(super) fn without_taken_apart(&self, family: &Family) -> Family {
        let mut in_transaction: BTreeMap<u8, bool> = BTreeMap::new();
        let mut steps = family.steps.clone();
        steps.retain(|step| {
            let Action::Request(words) = &step.action else { return true };
            let name = String::from_utf8_lossy(&words[0]).to_uppercase();
            let within = in_transaction.entry(step.connection).or_default();
            match &*name {
                "MULTI" => *within = true,
                "EXEC" | "DISCARD" | "RESET" => *within = false,
                _ => {}
            }
            let step = TAKEN_APART.iter().find(|(known, _)| *known == name);
            *within || step.is_none_or(|(_, step)| !self.spread(words[1..].iter().step_by(*step)))
        });
        Family { steps, ..family.clone() }
    }

    /// Whether keys lie in several slots.
    fn spread<'a>(&self, keys: impl Iterator<Item = &'a Vec<u8>>) -> bool {
        let slots = keys.map(|key| self.nodes[0].ask(&["CLUSTER".as_bytes(), b"KEYSLOT", key]).text);
        slots.collect::<std::collections::BTreeSet<_>>().len() > 1
    }
}

impl Node {
    fn new(addr: String, primary: bool) -> Self {
        let wire = std::cell::RefCell::new(Wire::connect(&addr));
        let node = Self { addr, primary, wire, config: BTreeMap::new() };
        Self { config: node.config(), ..node }
    }

    fn ask(&self, words: &[impl AsRef<[u8]>]) -> Reply {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_ref().to_vec()).collect();
        let mut wire = self.wire.borrow_mut();
        wire.send_request(&words);
        match wire.reply() {
            Came::Reply(reply, _) => reply,
            Came::End(how) => panic!("{} answers {words:?} with {how}", self.addr),
        }
    }

    /// Asks for something that is granted.
    fn must(&self, words: &[&str]) {
        let reply = self.ask(words);
        assert_ne!(reply.kind, b'-', "{} answers {words:?} with {}", self.addr, reply.shown());
    }

    fn config(&self) -> BTreeMap<String, String> {
        let all = self.ask(&["CONFIG", "GET", "*"]).words();
        all.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    }

    /// Undoes what a family may have done.
    fn renew(&self) {
        // Where nothing runs, they say so.
        self.ask(&["SCRIPT", "KILL"]);
        self.ask(&["FUNCTION", "KILL"]);
        self.must(&["CLIENT", "UNPAUSE"]);
        self.must(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        self.must(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        for user in self.ask(&["ACL", "USERS"]).words().iter().filter(|user| *user != "default") {
            self.must(&["ACL", "DELUSER", user]);
        }
        self.must(&["ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all"]);
        for (name, now) in self.config() {
            match self.config.get(&name) {
                Some(first) if *first != now => self.must(&["CONFIG", "SET", &name, first]),
                _ => {}
            }
        }
        if self.primary {
            self.must(&["FLUSHALL"]);
            self.must(&["FUNCTION", "FLUSH"]);
        }
        for what in ["SCRIPT FLUSH", "ACL LOG RESET", "SLOWLOG RESET", "LATENCY RESET", "CONFIG RESETSTAT"] {
            self.must(&what.split(' ').collect::<Vec<_>>());
        }
    }

    /// Waits until the replicas have done the same.
    fn replicated(&self, replicas: usize) {
        let replicas = replicas.to_string();
        let reply = self.ask(&["WAIT", &replicas, "10000"]);
        assert_eq!(reply.text, replicas.as_bytes(), "the replicas of {} keep up", self.addr);
    }
}
