//! Requests that only read go to the nodes that the topology names, and nothing else goes there.

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisCluster, Topology, wait_until};

const SHARDS: usize = 3;
const KEYS: usize = 300;

fn key(number: usize) -> String {
    format!("key:{number}")
}

/// A cluster with a replica of each primary, in which every key is everywhere, and the proxy before it, connected to all of it.
fn start(read_from: &str) -> (RedisCluster, sluice_tests::Sluice, Client) {
    let cluster = RedisCluster::start(SHARDS, 1);
    let topology =
        Topology::new().workers(1).hiding(&cluster, &format!("read_from: {read_from}, refresh_interval: 200ms"));
    let proxy = topology.start();
    let mut client = Client::connect(proxy.addr());
    for number in 0..KEYS {
        assert_eq!(client.ask(&format!("SET {} {number}", key(number))), "+OK\r\n");
    }
    // What has been written is at the replicas, the replicas are known, and connected to.
    wait_until("all replicas have all keys", SOON, || {
        let sizes =
            (0..SHARDS).map(|shard| (cluster.client(shard).ask("DBSIZE"), cluster.client((shard, 0)).ask("DBSIZE")));
        sizes.into_iter().all(|(primary, replica)| primary == replica).then_some(())
    });
    if ["prefer_replica", "round_robin"].contains(&read_from) {
        // One of two sessions, at least, reads from replicas as soon as they are connected to.
        let mut other = Client::connect(proxy.addr());
        wait_until("replicas are read from", SOON, || {
            read_all(&mut client);
            read_all(&mut other);
            gets(&cluster, true).iter().all(|&count| count > 0).then_some(())
        });
    }
    (cluster, proxy, client)
}

fn read_all(client: &mut Client) {
    for number in 0..KEYS {
        let value = number.to_string();
        assert_eq!(client.ask(&format!("GET {}", key(number))), format!("${}\r\n{value}\r\n", value.len()));
    }
}

/// How often each shard's primary, or its replica, has executed GET.
fn gets(cluster: &RedisCluster, replicas: bool) -> Vec<u64> {
    let count = |shard: usize| {
        let mut client = if replicas { cluster.client((shard, 0)) } else { cluster.client(shard) };
        let info = client.ask("INFO commandstats");
        let info = String::from_utf8_lossy(&info).into_owned();
        let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    };
    (0..SHARDS).map(count).collect()
}

/// What reading every key once adds to the counts of primaries and replicas.
fn added(cluster: &RedisCluster, client: &mut Client) -> (u64, u64) {
    let sum = |replicas| gets(cluster, replicas).iter().sum::<u64>();
    let before = (sum(false), sum(true));
    read_all(client);
    (sum(false) - before.0, sum(true) - before.1)
}

#[test]
fn the_primaries_are_read_from_unless_the_topology_says_otherwise() {
    let (cluster, proxy, mut client) = start("primary");
    assert_eq!(added(&cluster, &mut client), (KEYS as u64, 0));
    wait_until("what each primary was sent is counted", SOON, || {
        let metrics = proxy.metrics();
        let sent = |shard: usize| {
            let node = cluster.primary(shard).addr();
            metrics.sum("sluice_cluster_node_requests_total", &[("node", &node)])
        };
        let counts: Vec<f64> = (0..SHARDS).map(sent).collect::<Option<_>>()?;
        (counts.iter().sum::<f64>() as usize == 2 * KEYS && counts.iter().all(|&count| count > 0.0)).then_some(())
    });
}

#[test]
fn replicas_are_preferred_and_stand_in_for_no_write_and_no_transaction() {
    let (mut cluster, _proxy, mut client) = start("prefer_replica");
    assert_eq!(added(&cluster, &mut client), (0, KEYS as u64));

    let calls = gets(&cluster, false).iter().sum::<u64>();
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let values = client.ask(&format!("MGET {}", keys.join(" ")));
    assert!(values.starts_with(format!("*{KEYS}\r\n$1\r\n0\r\n").as_bytes()));
    for number in 0..10 {
        let key = key(number);
        for (line, reply) in [("MULTI".to_owned(), "+OK\r\n"), (format!("GET {key}"), "+QUEUED\r\n")] {
            assert_eq!(client.ask(&line), reply);
        }
        assert_eq!(client.ask("EXEC"), format!("*1\r\n$1\r\n{number}\r\n"));
        assert_eq!(client.ask(&format!("SET {key} {number}")), "+OK\r\n");
    }
    assert_eq!(gets(&cluster, false).iter().sum::<u64>() - calls, 10, "only transactions read from primaries");

    // Without its replica, a shard is read from its primary.
    let lost = cluster.owner_of_key(key(0));
    cluster.kill((lost, 0));
    let before = gets(&cluster, false)[lost];
    read_all(&mut client);
    assert!(gets(&cluster, false)[lost] > before);
}

#[test]
fn sessions_share_all_nodes_of_a_shard_and_each_keeps_to_one() {
    let (cluster, proxy, _client) = start("round_robin");
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(proxy.addr())).collect();
    let counts: Vec<(u64, u64)> = clients.iter_mut().map(|client| added(&cluster, client)).collect();
    let all = KEYS as u64;
    assert!(counts == [(all, 0), (0, all)] || counts == [(0, all), (all, 0)], "{counts:?}");
}

#[test]
fn the_nearest_node_is_one_that_has_the_key() {
    // On one machine all nodes are near, so any of a shard will do.
    let (cluster, _proxy, mut client) = start("nearest");
    let (primaries, replicas) = added(&cluster, &mut client);
    assert_eq!(primaries + replicas, KEYS as u64);
}
