//! One node of a cluster.

use bytes::Bytes;

use super::options::ClusterOptions;
use crate::client::Client;
use crate::ports::free_port;
use crate::redis_server::RedisServer;

/// A server that knows its own name.
#[derive(Debug)]
pub(super) struct Node {
    server: RedisServer,
    id: String,
    bus_port: u16,
    password: Option<String>,
    runs: bool,
}

impl Node {
    /// Starts so many at once, none of which knows another.
    #[track_caller]
    pub(super) fn start(count: usize, options: &ClusterOptions<'_>) -> Vec<Self> {
        std::thread::scope(|scope| {
            let starting: Vec<_> = (0..count).map(|_| scope.spawn(|| Self::start_one(options))).collect();
            starting.into_iter().map(|node| node.join().expect("a node of the cluster starts")).collect()
        })
    }

    fn start_one(options: &ClusterOptions<'_>) -> Self {
        let bus_port = free_port();
        let all = options.of_node(bus_port);
        let server = options.start(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let password = options.password_of_all().map(str::to_owned);
        let mut node = Self { server, id: String::new(), bus_port, password, runs: true };
        let id = node.ask("CLUSTER MYID");
        node.id = String::from_utf8_lossy(&id).lines().nth(1).unwrap_or_default().to_owned();
        assert_eq!(node.id.len(), 40, "not the ID of a node: {id:?}");
        node
    }

    pub(super) fn server(&self) -> &RedisServer {
        &self.server
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it has been neither killed nor paused.
    pub(super) fn runs(&self) -> bool {
        self.runs
    }

    /// A direct connection that may do everything.
    #[track_caller]
    pub(super) fn client(&self) -> Client {
        let mut client = self.server.client();
        if let Some(password) = &self.password {
            assert_eq!(client.call(&["AUTH", password]), "+OK\r\n");
        }
        client
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub(super) fn ask(&self, line: &str) -> Bytes {
        self.client().ask(line)
    }

    /// Asks for something that must be granted.
    #[track_caller]
    pub(super) fn must(&self, line: &str) {
        assert_eq!(self.ask(line), "+OK\r\n", "{line} at {}", self.server.addr());
    }

    /// Introduces itself to `other`.
    #[track_caller]
    pub(super) fn meet(&self, other: &Self) {
        self.must(&format!("CLUSTER MEET 127.0.0.1 {} {}", other.cluster_port(), other.bus_port));
    }

    /// Where other nodes reach it that do not come by the bus: `MIGRATE` and replicas.
    pub(super) fn cluster_port(&self) -> u16 {
        let tls = self.server.option("--tls-port").and_then(|port| port.parse().ok());
        tls.unwrap_or_else(|| self.server.port())
    }

    /// Whether it serves and, as a replica, has all that its primary has.
    #[track_caller]
    pub(super) fn is_well(&self) -> bool {
        let mut client = self.client();
        let cluster = client.ask("CLUSTER INFO");
        let replication = client.ask("INFO replication");
        let (cluster, replication) = (String::from_utf8_lossy(&cluster), String::from_utf8_lossy(&replication));
        cluster.contains("cluster_state:ok")
            && (replication.contains("role:master") || replication.contains("master_link_status:up"))
    }

    /// Whether it tells clients of all these nodes.
    #[track_caller]
    pub(super) fn offers(&self, ids: &[&str]) -> bool {
        let slots = self.ask("CLUSTER SLOTS");
        let slots = String::from_utf8_lossy(&slots);
        ids.iter().all(|id| slots.contains(id))
    }

    pub(super) fn kill(&mut self) {
        self.runs = false;
        self.server.kill();
    }

    pub(super) fn pause(&mut self) {
        self.runs = false;
        self.server.pause();
    }

    pub(super) fn resume(&mut self) {
        self.server.resume();
        self.runs = true;
    }

    #[track_caller]
    pub(super) fn restart(&mut self) {
        self.server.restart();
        self.runs = true;
    }
}
