//! What a cluster is started with.

use std::time::Duration;

use crate::certificates::{Authority, Identity};
use crate::ports::free_port;
use crate::redis_server::RedisServer;

/// Settings of all nodes alike.
///
/// Unless they say otherwise, nothing changes but by the test's hand: no replica promotes itself, and none moves to another primary.
#[derive(Clone, Debug)]
pub struct ClusterOptions<'a> {
    node_timeout: Duration,
    full_coverage: bool,
    automatic_failover: bool,
    password: Option<String>,
    tls: Option<Tls<'a>>,
    server: Vec<String>,
    valkey: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tls<'a> {
    authority: &'a Authority,
    identity: &'a Identity,
    mutual: bool,
}

impl<'a> ClusterOptions<'a> {
    /// A node is taken for dead after two seconds; a cluster without some of its slots serves none.
    pub fn new() -> Self {
        Self {
            node_timeout: Duration::from_secs(2),
            full_coverage: true,
            automatic_failover: false,
            password: None,
            tls: None,
            server: Vec::new(),
            valkey: false,
        }
    }

    /// After how long a node that does not answer is taken for dead.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// The slots that somebody owns are served even if others have been lost.
    pub fn partial_coverage(mut self) -> Self {
        self.full_coverage = false;
        self
    }

    /// A replica takes over by itself where its primary is dead: see
    /// [`RedisCluster::wait_until_promoted`](super::RedisCluster::wait_until_promoted).
    pub fn automatic_failover(mut self) -> Self {
        self.automatic_failover = true;
        self
    }

    /// Clients must say this first, and so must replicas.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The nodes speak TLS as `identity`, also among themselves, each at the port that [`RedisServer::option`] calls `--tls-port`;
    /// `mutual`: with clients of this authority only. Without TLS they can be reached as ever.
    ///
    /// [`RedisServer::option`]: crate::RedisServer::option
    pub fn tls(mut self, authority: &'a Authority, identity: &'a Identity, mutual: bool) -> Self {
        self.tls = Some(Tls { authority, identity, mutual });
        self
    }

    /// Further options of `redis-server`, such as `["--appendonly", "yes"]`; they are stronger than all others.
    pub fn server(mut self, options: &[&str]) -> Self {
        self.server.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// The nodes are Valkey 9, which has commands that Debian's `redis-server` lacks.
    pub fn valkey(mut self) -> Self {
        self.valkey = true;
        self
    }

    /// Starts a server with these options.
    #[track_caller]
    pub(super) fn start(&self, options: &[&str]) -> RedisServer {
        if self.valkey { RedisServer::start_valkey_with(options) } else { RedisServer::start_with(options) }
    }

    pub(super) fn password_of_all(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The options of one node, whose bus is at this port.
    pub(super) fn of_node(&self, bus_port: u16) -> Vec<String> {
        let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let table = [
            ("--cluster-enabled", yes_or_no(true)),
            ("--cluster-port", bus_port.to_string()),
            ("--cluster-node-timeout", self.node_timeout.as_millis().to_string()),
            ("--cluster-require-full-coverage", yes_or_no(self.full_coverage)),
            ("--cluster-replica-no-failover", yes_or_no(!self.automatic_failover)),
            ("--cluster-allow-replica-migration", yes_or_no(false)),
            // Else a primary waits for five seconds whether a second replica comes.
            ("--repl-diskless-sync-delay", "0".to_owned()),
            // A replica is not shown to clients before it has got anything: let that be soon.
            ("--repl-ping-replica-period", "1".to_owned()),
        ];
        let mut options: Vec<String> =
            table.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect();
        if let Some(password) = &self.password {
            options.extend(["--requirepass", password, "--masterauth", password].map(str::to_owned));
        }
        if let Some(Tls { authority, identity, mutual }) = self.tls {
            options.extend(authority.redis_options(free_port(), identity, mutual));
            options.extend(["--tls-cluster", "yes", "--tls-replication", "yes"].map(str::to_owned));
        }
        options.extend(self.server.iter().cloned());
        options
    }
}

impl Default for ClusterOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}
