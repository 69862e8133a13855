//! What a client is told of the cluster's nodes.

use sluice_tests::{Authority, Client, ClusterOptions, RedisCluster, Topology, inline, request};

use super::proxies::{COMPONENTS, Proxies, Told};

/// Where the text of a reply says something of a port, or of a bus.
fn without_buses(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(at) = text.find('@') {
        let end = text[at..].find([' ', ',']).map_or(text.len(), |len| at + len);
        text.replace_range(at..end, "");
    }
    text
}

/// The lines of a reply without the length that it begins with: addresses may be of different lengths.
fn body(reply: &[u8]) -> String {
    let text = String::from_utf8(reply.to_vec()).unwrap();
    text.split_once("\r\n").unwrap().1.to_owned()
}

/// Whose ports stand in a reply, one after the other.
fn ports(reply: &[u8], addrs: &[String]) -> Vec<usize> {
    // The last slot, which could be a port.
    let text = String::from_utf8_lossy(reply).replace(":16383\r\n", "");
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, addr) in addrs.iter().enumerate() {
        let port = format!(":{}", addr.rsplit(':').next().unwrap());
        let ends = |place: usize| !text[place..].starts_with(|next: char| next.is_ascii_digit());
        let places = text.match_indices(&port).filter(|(place, found)| ends(place + found.len()));
        found.extend(places.map(|(place, _)| (place, at)));
    }
    found.sort_unstable();
    found.into_iter().map(|(_, at)| at).collect()
}

#[test]
fn every_reply_that_names_nodes_names_their_proxies() {
    replies_name_proxies(&Proxies::start(1, Told::ByRewriting, 1));
}

#[test]
fn replies_that_leave_together_name_proxies_too() {
    // Where no transform waits for them.
    replies_name_proxies(&Proxies::with(&[], 1, Told::ByRewriting, 1));
}

fn replies_name_proxies(proxies: &Proxies) {
    let replicas = format!("CLUSTER REPLICAS {}", proxies.cluster.node_id(1));
    let requests =
        ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", &replicas, &replicas.replace("REPLICAS", "slaves")];
    for resp3 in [false, true] {
        let (mut client, mut direct) = (proxies.client(0), proxies.direct(&proxies.cluster.addresses()[0]));
        if resp3 {
            client.hello3();
            direct.hello3();
        }
        for line in requests {
            let found = client.ask(line);
            let (nodes, told) = (proxies.cluster.addresses(), direct.ask(line));
            assert_eq!(ports(&found, &nodes).len(), 0, "{line}: {found:?}");
            assert_eq!(ports(&found, &proxies.addrs), ports(&told, &nodes), "{line}");
            assert_ne!(ports(&told, &nodes).len(), 0, "{line}: {told:?}");
        }
        let nodes = without_buses(&body(&direct.ask("CLUSTER NODES")));
        let found = body(&client.ask("CLUSTER NODES"));
        assert_eq!(found.matches("@0 ").count(), 6, "{found}");
        assert_eq!(untimed(&without_buses(&found)), untimed(&proxies.rewritten(&nodes)));
        in_every_company(proxies, &mut client, resp3);
    }
    proxies.assert_nobody_came_past_them();
}

/// The lines of CLUSTER NODES without when was heard of a node; their order is nobody's promise.
fn untimed(lines: &str) -> Vec<String> {
    let fields = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if words.len() > 5 {
            (words[4], words[5]) = ("", "");
        }
        words.join(" ")
    };
    let mut lines: Vec<String> = lines.trim_end().lines().map(fields).collect();
    lines.sort();
    lines
}

/// Between other requests, in a transaction, on a connection of its own.
fn in_every_company(proxies: &Proxies, client: &mut Client, resp3: bool) {
    let key = key_of(proxies, 0);
    let alone = client.ask("CLUSTER SLOTS");
    let lines = ["PING", "PING", "CLUSTER SLOTS", "PING", "CLUSTER SLOTS", "CLUSTER SLOTS", "PING"];
    client.send(&lines.map(inline).concat());
    for line in lines {
        let reply = client.reply();
        assert_eq!(reply, if line == "PING" { "+PONG\r\n".into() } else { alone.clone() });
    }

    let lines = ["MULTI", "CLUSTER SLOTS", "PING", "CLUSTER SLOTS", "EXEC", "CLUSTER SLOTS"];
    client.send(&lines.map(inline).concat());
    let replies = client.replies(6);
    assert_eq!(replies[..4], ["+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "+QUEUED\r\n"]);
    assert_eq!(replies[4], [b"*3\r\n", &alone[..], b"+PONG\r\n", &alone].concat());
    assert_eq!(replies[5], alone);

    assert_eq!(client.call(&["WATCH", &key]), "+OK\r\n");
    assert_eq!(client.ask("CLUSTER SLOTS"), alone);
    assert_eq!(client.ask("UNWATCH"), "+OK\r\n");
    if resp3 {
        assert!(client.ask("SUBSCRIBE news").starts_with(b">3\r\n"));
        assert_eq!(client.ask("CLUSTER SLOTS"), alone);
        assert!(client.ask("UNSUBSCRIBE").starts_with(b">3\r\n"));
    }
    // Data that looks like it is data.
    assert_eq!(client.call(&[b"SET", key.as_bytes(), &alone]), "+OK\r\n");
    let node = proxies.cluster.primary(1).addr();
    let error = format!("\r\n-MOVED 1 {node}\r\n");
    let lines: [&[&str]; 3] = [&["PING"], &["ECHO", &error], &["PING"]];
    client.send(&lines.map(request).concat());
    assert_eq!(client.replies(3)[1], format!("${}\r\n{error}\r\n", error.len()));
}

/// A key of this shard.
pub(super) fn key_of(proxies: &Proxies, shard: usize) -> String {
    let mut keys = (0..).map(|n| format!("key:{n}"));
    keys.find(|key| proxies.cluster.owner_of_key(key) == shard).unwrap()
}

#[test]
fn a_request_at_the_wrong_proxy_is_sent_on_to_the_right_one() {
    for chain in [COMPONENTS, &[]] {
        errors_name_proxies(&Proxies::with(chain, 0, Told::ByRewriting, 1));
    }
}

fn errors_name_proxies(proxies: &Proxies) {
    let keys: Vec<String> = (0..3).map(|shard| key_of(proxies, shard)).collect();
    let slot = |shard: usize| proxies.cluster.slot_of(&keys[shard]);
    let moved = |shard: usize| format!("-MOVED {} {}\r\n", slot(shard), proxies.addrs[shard]);
    for resp3 in [false, true] {
        let mut client = proxies.client(0);
        if resp3 {
            client.hello3();
        }
        assert_eq!(client.call(&["SET", &keys[1], "1"]), moved(1));
        // Side by side with others.
        let lines = [("SET", 0), ("SET", 1), ("SET", 2), ("SET", 0), ("SET", 2)];
        client.send(&lines.map(|(name, at)| request(&[name, &keys[at], "1"])).concat());
        assert_eq!(client.replies(5), ["+OK\r\n", &moved(1), &moved(2), "+OK\r\n", &moved(2)]);
        // On a connection of its own, and where the reply could take long.
        let lines =
            [&["MULTI"][..], &["GET", &keys[1]], &["EXEC"], &["BLPOP", &keys[2], "0"], &["SSUBSCRIBE", &keys[1]]];
        client.send(&lines.map(request).concat());
        let replies = client.replies(5);
        assert_eq!(replies[..2], ["+OK\r\n", &moved(1)]);
        assert!(replies[2].starts_with(b"-EXECABORT"), "{replies:?}");
        assert_eq!(replies[3..], [moved(2), moved(1)]);
        let script = ["EVAL", "return redis.call('GET', KEYS[1])", "1", &keys[1]];
        assert_eq!(client.call(&script), moved(1));
    }
    proxies.assert_nobody_came_past_them();
}

#[test]
fn nodes_that_speak_tls_are_known_by_their_ports_for_it() {
    let authority = Authority::new();
    let identity = authority.sign("nodes");
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().tls(&authority, &identity, false));
    let nodes: Vec<String> =
        (0..3).map(|shard| format!("127.0.0.1:{}", cluster.primary(shard).option("--tls-port").unwrap())).collect();
    let proxies: Vec<String> = (1..=3).map(|shard| format!("192.0.2.{shard}:6379")).collect();
    let table: Vec<String> =
        nodes.iter().zip(&proxies).map(|(node, proxy)| format!("\"{node}\": \"{proxy}\"")).collect();
    let sink = format!(
        "ValkeySinkCluster: {{ direct_destination: \"{}\", tls: {{ certificate_authority_path: \"{}\" }}, rewrite: {{ {} }} }}",
        nodes[0],
        authority.file().display(),
        table.join(", ")
    );
    let proxy = Topology::new().transform(&sink).start();
    let mut client = proxy.client();
    for line in ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES"] {
        let reply = client.ask(line);
        let text = String::from_utf8_lossy(&reply);
        for (node, plain) in nodes.iter().zip(cluster.addresses()) {
            for of_node in [node, &plain] {
                let port = of_node.rsplit(':').next().unwrap();
                assert!(
                    !text.contains(&format!(":{port}\r\n")) && !text.contains(&format!(":{port}@")),
                    "{line}: {text}"
                );
            }
        }
        for proxy in &proxies {
            let host = proxy.split(':').next().unwrap();
            assert!(text.contains(host), "{line}: {text}");
        }
    }
    let key = (0..).map(|n| format!("key:{n}")).find(|key| cluster.owner_of_key(key) == 2).unwrap();
    let moved = format!("-MOVED {} {}\r\n", cluster.slot_of(&key), proxies[2]);
    assert_eq!(client.call(&["GET", &key]), moved);
}
