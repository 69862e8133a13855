//! A real cluster of `redis-server`s.
//!
//! ```no_run
//! use sluice_tests::RedisCluster;
//!
//! let mut cluster = RedisCluster::start(3, 1);
//! let slot = cluster.slot_of("greeting");
//! let owner = cluster.owner_of_slot(slot);
//! cluster.migrate_slot(slot, owner, (owner + 1) % 3);
//! cluster.kill(owner);
//! cluster.promote(owner, 0);
//! cluster.restart((owner, 0));
//! ```

mod failover;
mod migration;
mod node;
mod options;
mod statistics;
mod view;

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::time::Duration;

use crate::client::Client;
use crate::redis_server::RedisServer;
use crate::wait::wait_until;
pub use migration::Migration;
use node::Node;
pub use options::ClusterOptions;
use view::View;

/// How many slots every cluster has.
pub const SLOTS: u16 = 16_384;

/// How long the nodes may take to agree on something: they tell each other within a second or two, if the machine is idle.
const AGREEMENT: Duration = Duration::from_secs(60);

/// Shards of one primary and its replicas each. What is started here ends with this value.
///
/// Which node of a shard is its primary is what this value has made of it: [`RedisCluster::promote`] lets the two change places, so
/// that `primary(i)` is always the one that has the slots, and `replica(i, j)` the one that has lost them.
#[derive(Debug)]
pub struct RedisCluster {
    /// The primary of each shard stands first.
    shards: Vec<Vec<Node>>,
    password: Option<String>,
    /// Held while keys move, and while a slot changes its owner.
    moving: Mutex<()>,
}

/// One node of a [`RedisCluster`]: `i` is the primary of that shard, `(i, j)` one of its replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    shard: usize,
    place: usize,
}

impl From<usize> for Member {
    fn from(shard: usize) -> Self {
        Self { shard, place: 0 }
    }
}

impl From<(usize, usize)> for Member {
    fn from((shard, replica): (usize, usize)) -> Self {
        Self { shard, place: replica + 1 }
    }
}

impl RedisCluster {
    /// Starts one and waits until every node serves and knows all others. The slots are spread evenly, in order.
    ///
    /// It takes more than two seconds: for so long no primary that has just been started says that all is well.
    #[track_caller]
    pub fn start(primaries: usize, replicas_of_each: usize) -> Self {
        Self::start_with(primaries, replicas_of_each, &ClusterOptions::new())
    }

    /// The same, with options.
    ///
    /// # Panics
    ///
    /// If there is to be no primary, a server does not start, or the nodes do not come together.
    #[track_caller]
    pub fn start_with(primaries: usize, replicas_of_each: usize, options: &ClusterOptions<'_>) -> Self {
        assert!(primaries > 0, "a cluster has at least one primary");
        let nodes = Node::start(primaries * (1 + replicas_of_each), options);
        let mut nodes = nodes.into_iter();
        let shards = (0..primaries).map(|_| nodes.by_ref().take(1 + replicas_of_each).collect()).collect();
        let password = options.password_of_all().map(str::to_owned);
        let cluster = Self { shards, password, moving: Mutex::default() };
        cluster.join();
        cluster
    }

    /// Makes one cluster of the nodes, none of which knows another yet.
    #[track_caller]
    fn join(&self) {
        let nodes: Vec<&Node> = self.nodes().collect();
        for (at, node) in nodes.iter().enumerate() {
            // Different for each, so that no two of them contend for anything.
            node.must(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
        }
        for (shard, slots) in self.shards.iter().zip(spread(self.shards.len())) {
            shard[0].must(&format!("CLUSTER ADDSLOTSRANGE {} {}", slots.start(), slots.end()));
        }
        // All could hear of each other by gossip, but that takes longer.
        for (at, node) in nodes.iter().enumerate() {
            nodes[at + 1..].iter().for_each(|other| node.meet(other));
        }
        for shard in &self.shards {
            for replica in &shard[1..] {
                wait_until("a replica knows its primary", AGREEMENT, || {
                    (replica.ask(&format!("CLUSTER REPLICATE {}", shard[0].id())) == "+OK\r\n").then_some(())
                });
            }
        }
        let views = self.shards.iter().zip(spread(self.shards.len())).flat_map(|(shard, slots)| {
            let primary = View::primary(shard[0].id(), [slots]);
            let replicas = shard[1..].iter().map(|replica| View::replica(replica.id(), shard[0].id()));
            std::iter::once(primary).chain(replicas)
        });
        let views = View::sorted(views);
        let replicas: Vec<&str> = self.shards.iter().flat_map(|shard| &shard[1..]).map(Node::id).collect();
        for node in nodes {
            wait_until("every node sees the whole cluster", AGREEMENT, || {
                let whole = node.is_well() && View::of(node) == views && node.offers(&replicas);
                whole.then_some(())
            });
        }
    }

    /// How many shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Where the nodes listen, as `127.0.0.1:<port>`: all primaries, then all replicas.
    pub fn addresses(&self) -> Vec<String> {
        let primaries = self.shards.iter().map(|shard| &shard[0]);
        let replicas = self.shards.iter().flat_map(|shard| &shard[1..]);
        primaries.chain(replicas).map(|node| node.server().addr()).collect()
    }

    /// The server of a node.
    pub fn node(&self, member: impl Into<Member>) -> &RedisServer {
        self.member(member.into()).server()
    }

    /// The primary of shard `shard`.
    pub fn primary(&self, shard: usize) -> &RedisServer {
        self.node(shard)
    }

    /// A replica of shard `shard`.
    pub fn replica(&self, shard: usize, replica: usize) -> &RedisServer {
        self.node((shard, replica))
    }

    /// What the nodes call this one.
    pub fn node_id(&self, member: impl Into<Member>) -> &str {
        self.member(member.into()).id()
    }

    /// A direct connection to a node, without TLS; where there is a password it has been given.
    #[track_caller]
    pub fn client(&self, member: impl Into<Member>) -> Client {
        self.member(member.into()).client()
    }

    /// The slot of a key, as a server computes it.
    #[track_caller]
    pub fn slot_of(&self, key: impl AsRef<[u8]>) -> u16 {
        let reply = self.running().client().call(&[b"CLUSTER".as_slice(), b"KEYSLOT", key.as_ref()]);
        let slot = std::str::from_utf8(&reply).ok().and_then(|text| text.strip_prefix(':')?.trim_end().parse().ok());
        slot.unwrap_or_else(|| panic!("not a slot: {reply:?}"))
    }

    /// The shard that owns `slot` according to every primary that runs; if they do not agree, waits until they do.
    #[track_caller]
    pub fn owner_of_slot(&self, slot: u16) -> usize {
        let mut owner = None;
        for node in self.primaries_running() {
            let id = wait_until("all primaries name the same owner", AGREEMENT, || {
                let id = View::owner_of(slot, &View::of(node))?;
                owner.as_ref().is_none_or(|known| *known == id).then_some(id)
            });
            owner = Some(id);
        }
        let owner = owner.expect("a primary that runs");
        let shard = self.shards.iter().position(|shard| shard.iter().any(|node| node.id() == owner));
        shard.unwrap_or_else(|| panic!("{owner} owns {slot}, and is none of ours"))
    }

    /// The shard that owns the slot of `key`.
    #[track_caller]
    pub fn owner_of_key(&self, key: impl AsRef<[u8]>) -> usize {
        self.owner_of_slot(self.slot_of(key))
    }

    fn member(&self, member: Member) -> &Node {
        &self.shards[member.shard][member.place]
    }

    fn member_mut(&mut self, member: Member) -> &mut Node {
        &mut self.shards[member.shard][member.place]
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.shards.iter().flatten()
    }

    fn primaries_running(&self) -> impl Iterator<Item = &Node> {
        self.shards.iter().map(|shard| &shard[0]).filter(|node| node.runs())
    }

    /// Any node that answers.
    #[track_caller]
    fn running(&self) -> &Node {
        self.nodes().find(|node| node.runs()).expect("a node that runs")
    }
}

/// All slots, in as many ranges of equal length, give or take one.
fn spread(ranges: usize) -> impl Iterator<Item = RangeInclusive<u16>> {
    let border = move |at: usize| (at * usize::from(SLOTS) / ranges) as u16;
    (0..ranges).map(move |at| border(at)..=border(at + 1) - 1)
}
