//! Every topology in `examples/` runs and does what its first lines say.

use std::process::Command;

use sluice_tests::examples::{self, Example};
use sluice_tests::process::output_of;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, wait_until};

/// An example and its test.
type Story = (&'static str, fn(&Example));

const STORIES: &[Story] = &[
    ("chain.yaml", chain),
    ("cluster-handling.yaml", cluster_handling),
    ("cluster.yaml", cluster),
    ("declared.yaml", declared),
    ("memory.yaml", memory),
    ("request-log.yaml", request_log),
    ("single.yaml", single),
    ("sources.yaml", sources),
    ("tenants.yaml", tenants),
    ("tls.yaml", tls),
    ("traffic-log.yaml", traffic_log),
];

#[test]
fn every_example_does_what_it_says() {
    for (name, story) in STORIES {
        println!("{name}");
        story(&Example::start(name));
    }
}

#[test]
fn every_example_has_a_test() {
    let tested: Vec<&str> = STORIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(examples::names(), tested);
}

/// A connection to the source of this name.
fn at(example: &Example, source: &str) -> Client {
    Client::connect(&example.sources[source])
}

/// A direct connection to the only server.
fn server(example: &Example) -> Client {
    assert_eq!(example.servers.len(), 1);
    example.servers.values().next().unwrap().client()
}

#[track_caller]
fn assert_refused(client: &mut Client, request: &str) {
    let reply = client.ask(request);
    assert!(reply.starts_with(b"-"), "{request}: {reply:?}");
}

fn chain(example: &Example) {
    let mut client = at(example, "valkey");
    assert_eq!(client.ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(server(example).ask("GET app:greeting"), "$5\r\nhello\r\n");
    assert_refused(&mut client, "FLUSHALL");
    assert_eq!(client.ask("GET greeting"), "$5\r\nhello\r\n");
    assert_eq!(example.proxy.get("/metrics").status, 200);
    wait_until("requests are logged", SOON, || example.proxy.output().contains("RequestLogger").then_some(()));
}

fn cluster_handling(example: &Example) {
    let cluster = example.cluster.as_ref().unwrap();
    let ports: Vec<&str> = example.sources.values().map(|addr| addr.rsplit(':').next().unwrap()).collect();
    let cli = |port: &str, args: &[&str]| output_of(Command::new("redis-cli").args(["-c", "-p", port]).args(args));
    for n in 0..20 {
        let key = format!("greeting:{n}");
        assert_eq!(cli(ports[n % 3], &["SET", &key, "hello"]), "OK\n");
        assert_eq!(cli(ports[(n + 1) % 3], &["GET", &key]), "hello\n");
    }
    let nodes = cli(ports[0], &["CLUSTER", "NODES"]);
    for (proxy, node) in example.sources.values().zip(cluster.addresses()) {
        assert!(nodes.contains(&format!(" {proxy}@0 ")) && !nodes.contains(&format!(" {node}@")), "{nodes}");
    }
    for name in example.sources.keys() {
        assert_refused(&mut at(example, name), "FLUSHALL");
    }
}

fn cluster(example: &Example) {
    let mut client = at(example, "valkey");
    assert_eq!(client.ask("SET foo bar"), "+OK\r\n");
    assert_eq!(client.ask("SET hello world"), "+OK\r\n");
    assert_eq!(client.ask("MGET foo hello"), "*2\r\n$3\r\nbar\r\n$5\r\nworld\r\n");
    let cluster = example.clusters.values().next().unwrap();
    assert_eq!(cluster.owner_of_key("foo"), 2);
    assert_ne!(cluster.owner_of_key("hello"), 2);
    assert_eq!(cluster.client(2).ask("GET foo"), "$3\r\nbar\r\n");
}

fn declared(example: &Example) {
    assert_eq!(at(example, "valkey").ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(server(example).ask("KEYS *"), "*1\r\n$13\r\nmine:greeting\r\n");
}

fn memory(example: &Example) {
    let mut client = at(example, "memory");
    assert_eq!(client.ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(at(example, "memory").ask("GET greeting"), "$5\r\nhello\r\n");
}

fn request_log(example: &Example) {
    let mut client = at(example, "watched");
    assert_eq!(client.ask("SET greeting hello"), "+OK\r\n");
    wait_until("the request is logged", SOON, || example.proxy.output().contains("RequestLogger").then_some(()));
}

fn single(example: &Example) {
    assert_eq!(at(example, "valkey").ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(server(example).ask("GET greeting"), "$5\r\nhello\r\n");
}

fn sources(example: &Example) {
    let mut reports = at(example, "reports");
    assert_eq!(at(example, "application").ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(reports.ask("GET greeting"), "$5\r\nhello\r\n");
    assert_refused(&mut reports, "SET greeting bye");
    assert_eq!(at(example, "experiments").ask("GET greeting"), "$-1\r\n");
    assert_eq!(server(example).ask("GET greeting"), "$5\r\nhello\r\n");
}

fn tls(example: &Example) {
    let alice = example.authority.sign("alice");
    let mut client =
        Client::try_connect_tls(&example.sources["remote"], &example.authority.client(Some(&alice))).unwrap();
    assert_eq!(client.ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(server(example).ask("GET greeting"), "$5\r\nhello\r\n");
    let socket = example.sources["local"].strip_prefix("unix:").unwrap();
    assert_eq!(output_of(Command::new("redis-cli").args(["-s", socket, "GET", "greeting"])), "hello\n");
    wait_until("the client is named", SOON, || example.proxy.output().contains("tls=\"alice\"").then_some(()));
    let mut stranger = at(example, "remote");
    stranger.send(b"PING\r\n");
    assert!(!stranger.try_reply().is_ok_and(|reply| reply.is_some()));
}

fn tenants(example: &Example) {
    let [mut a, mut b] = ["tenant-a", "tenant-b"].map(|name| at(example, name));
    assert_eq!(a.ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(b.ask("GET greeting"), "$-1\r\n");
    assert_eq!(b.ask("SET mine 1"), "+OK\r\n");
    assert_eq!(a.ask("SCAN 0 COUNT 1000"), "*2\r\n$1\r\n0\r\n*1\r\n$8\r\ngreeting\r\n");
    for beyond in ["CONFIG GET *", "FLUSHALL", "EVAL return(redis.call('get','b:mine')) 0", "SELECT 1", "SWAPDB 0 1"] {
        assert_refused(&mut a, beyond);
    }
    assert_eq!(server(example).ask("DBSIZE"), ":2\r\n");
}

fn traffic_log(example: &Example) {
    let mut client = at(example, "watched");
    assert_eq!(client.ask("SET greeting hello"), "+OK\r\n");
    assert_eq!(client.ask("GET greeting"), "$5\r\nhello\r\n");
    let lines = wait_until("the write is logged", SOON, || {
        let output = example.proxy.output();
        output.contains("\"command\":\"set\"").then_some(output)
    });
    assert!(lines.contains("\"text\":\"greeting\"") && !lines.contains("hello"), "{lines}");
    assert!(!lines.contains("\"command\":\"get\""), "{lines}");
}
