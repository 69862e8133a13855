//! A hidden cluster looks like one node: in what it says of itself, and when all of its keys are asked for.

use std::collections::BTreeSet;

use redis_protocol::resp2::types::OwnedFrame;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, RedisCluster, Sluice, Topology, wait_until};

use crate::WORKERS;

/// What clients ask to learn about a cluster, what they get wrong, and what is no matter of one node.
const QUESTIONS: &[&str] = &[
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "CLUSTER NODES",
    "CLUSTER INFO",
    "CLUSTER MYID",
    "CLUSTER LINKS",
    "CLUSTER KEYSLOT {a}b",
    "CLUSTER COUNTKEYSINSLOT 15495",
    "CLUSTER GETKEYSINSLOT 15495 10",
    "CLUSTER GETKEYSINSLOT 1 10",
    "CLUSTER REPLICAS nobody",
    "CLUSTER COUNT-FAILURE-REPORTS nobody",
    "CLUSTER COUNTKEYSINSLOT 16384",
    "CLUSTER COUNTKEYSINSLOT a",
    "CLUSTER GETKEYSINSLOT 1 -1",
    "CLUSTER KEYSLOT",
    "CLUSTER NOSUCH a",
    "CLUSTER",
    "ROLE",
    "ROLE x",
];

fn hidden(cluster: &RedisCluster, topology: &Topology) -> Sluice {
    let points: Vec<String> = cluster.addresses().iter().map(|addr| format!("\"{addr}\"")).collect();
    let sink =
        format!("ValkeySinkCluster: {{ first_contact_points: [{}], connect_timeout_ms: 3000 }}", points.join(", "));
    topology.clone().transform(&sink).start()
}

/// What a node says to each question, with `ID` for what it calls itself.
fn answers(client: &mut Client) -> Vec<(&'static str, String)> {
    let id = client.ask("CLUSTER MYID");
    let id = std::str::from_utf8(&id).unwrap().split("\r\n").nth(1).unwrap().to_owned();
    assert_eq!(id.len(), 40);
    let answer = |question: &&'static str| {
        let answer = client.ask(question);
        (*question, String::from_utf8(answer.to_vec()).unwrap().replace(&id, "ID"))
    };
    QUESTIONS.iter().map(answer).collect()
}

#[test]
fn a_hidden_cluster_says_of_itself_what_a_cluster_of_one_node_says() {
    let topology = Topology::new();
    let (ip, port) = topology.addr().split_once(':').unwrap();
    let bus = (port.parse::<u32>().unwrap() + 10_000).to_string();
    // A real node that claims to be where the proxy is.
    let announce = ["--cluster-announce-ip", ip, "--cluster-announce-port", port, "--cluster-announce-bus-port", &bus];
    let model = RedisCluster::start_with(1, 0, &ClusterOptions::new().automatic_failover().server(&announce));
    let cluster = RedisCluster::start(3, 1);
    let proxy = hidden(&cluster, &topology);
    let (mut through, mut to_model) = (proxy.client(), model.client(0));
    for client in [&mut through, &mut to_model] {
        assert_eq!(client.ask("MSET {a}1 1 {a}2 2"), "+OK\r\n");
    }
    for _protocol in 2..=3 {
        let (hidden, real) = (answers(&mut through), answers(&mut to_model));
        for (hidden, real) in hidden.into_iter().zip(real) {
            assert_eq!(hidden, real);
        }
        through.hello3();
        to_model.hello3();
    }
    for addr in cluster.addresses() {
        let port = addr.split_once(':').unwrap().1;
        for question in ["CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "ROLE", "INFO"] {
            let said = String::from_utf8(through.ask(question).to_vec()).unwrap();
            assert!(!said.contains(port), "{question} names {addr}: {said}");
        }
    }
}

/// All keys, in the order in which a scan returns them; `between` is called when it has returned this many steps.
fn scan(client: &mut Client, options: &[&str], mut between: impl FnMut(usize)) -> Vec<String> {
    let mut cursor = "0".to_owned();
    let mut found = Vec::new();
    for step in 0.. {
        between(step);
        let reply = client.call(&[&["SCAN", &cursor], options].concat());
        let Ok(Some((OwnedFrame::Array(parts), _))) = redis_protocol::resp2::decode::decode(&reply) else {
            panic!("not the reply to SCAN: {reply:?}");
        };
        let [OwnedFrame::BulkString(next), OwnedFrame::Array(keys)] = &parts[..] else { panic!("{parts:?}") };
        for key in keys {
            let OwnedFrame::BulkString(key) = key else { panic!("{key:?}") };
            found.push(String::from_utf8(key.clone()).unwrap());
        }
        cursor = String::from_utf8(next.clone()).unwrap();
        let number: u64 = cursor.parse().unwrap();
        assert!(number < 1 << 53, "{number} is not exact in every client");
        if number == 0 {
            break;
        }
    }
    found
}

fn filled(client: &mut Client) -> BTreeSet<String> {
    let keys: Vec<String> = (0..3_000).map(|key| format!("key:{key}")).collect();
    for keys in keys.chunks(500) {
        let pairs = keys.iter().flat_map(|key| [key.as_str(), "value"]);
        let request: Vec<&str> = ["MSET"].into_iter().chain(pairs).collect();
        assert_eq!(client.call(&request), "+OK\r\n");
    }
    keys.into_iter().collect()
}

#[test]
fn a_scan_of_a_hidden_cluster_returns_each_key_once() {
    for workers in WORKERS {
        let cluster = RedisCluster::start(3, 0);
        let proxy = hidden(&cluster, &Topology::new().workers(workers));
        let mut client = proxy.client();
        let keys = filled(&mut client);
        for options in [&["COUNT", "100"][..], &["COUNT", "5000"], &["MATCH", "key:*", "COUNT", "70", "TYPE", "string"]]
        {
            let found = scan(&mut client, options, |_| {});
            assert_eq!(found.len(), keys.len(), "{options:?}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys, "{options:?}");
        }
        assert_eq!(scan(&mut client, &["MATCH", "key:7??"], |_| {}).len(), 100);
        // Another client goes on where this one is: the cursor is all there is.
        let mut others = (0..50).map(|_| proxy.client()).collect::<Vec<_>>().into_iter();
        let mut cursor = "0".to_owned();
        let mut found = BTreeSet::new();
        for other in others.by_ref() {
            let mut other = other;
            let reply = other.call(&["SCAN", &cursor, "COUNT", "200"]);
            let text = String::from_utf8(reply.to_vec()).unwrap();
            let mut words = text.split("\r\n").filter(|word| !word.starts_with(['*', '$']));
            words.next().unwrap().clone_into(&mut cursor);
            found.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(found, keys);
        assert_eq!(client.ask("SCAN a"), "-ERR invalid cursor\r\n");
        assert_eq!(client.ask("SCAN 0 COUNT 0"), "-ERR syntax error\r\n");
    }
}

/// Waits until the proxy knows who has these keys: no node sends it elsewhere.
#[track_caller]
fn settle(proxy: &Sluice, keys: &[&String]) {
    let moved = || proxy.metrics().sum("sluice_cluster_redirections_total", &[("kind", "moved")]).unwrap_or(0.0);
    let mut client = proxy.client();
    wait_until("the proxy knows the cluster as it is", SOON, || {
        let before = moved();
        keys.iter().for_each(|key| assert_eq!(client.call(&["GET", key]), "$5\r\nvalue\r\n"));
        (moved() <= before).then_some(())
    });
}

/// A scan of a cluster that `change` changes at step 5, while the first of three shards is being visited, finds every key.
#[track_caller]
fn scan_through(shard: usize, change: impl FnOnce(&mut RedisCluster, &[&String])) {
    let mut cluster = RedisCluster::start(3, 1);
    let proxy = hidden(&cluster, &Topology::new());
    let mut client = proxy.client();
    let keys = filled(&mut client);
    let concerned: Vec<&String> = keys.iter().filter(|key| cluster.owner_of_key(key) == shard).take(8).collect();
    let maps = || proxy.metrics().sum("sluice_cluster_maps_total", &[]).unwrap_or(0.0);
    let before = maps();
    let mut change = Some(change);
    let found = scan(&mut client, &["COUNT", "50"], |step| {
        if let Some(change) = change.take_if(|_| step == 5) {
            change(&mut cluster, &concerned);
            settle(&proxy, &concerned);
        }
    });
    assert!(change.is_none() && maps() > before, "nothing has changed");
    let found: BTreeSet<String> = found.into_iter().collect();
    assert_eq!(keys.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_scan_survives_a_failover_of_the_shard_that_is_being_visited() {
    scan_through(0, |cluster, _| cluster.hand_over(0, 0));
}

#[test]
fn a_scan_finds_what_moves_to_the_shard_that_is_being_visited() {
    scan_through(2, |cluster, keys| {
        let slots: BTreeSet<u16> = keys.iter().map(|key| cluster.slot_of(key)).collect();
        slots.into_iter().for_each(|slot| cluster.migrate_slot(slot, 2, 0));
    });
}
