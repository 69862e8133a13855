//! XREAD and XREADGROUP: which of their words are options is decided by their grammar, not by the
//! words.

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisCluster, RedisServer, Sluice, Topology, inline, wait_until};

use crate::WORKERS;
use crate::sessions::{blocked_clients, neighbours, undisturbed};

/// Words that are options in some places, and names in others.
const WORDS: [&str; 6] = ["streams", "STREAMS", "block", "count", "group", "noack"];

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// What XREAD or XREADGROUP replies that reads this one entry.
fn entry(key: &str, id: &str) -> String {
    format!("*1\r\n*2\r\n{}*1\r\n*2\r\n{}*2\r\n{}{}", bulk(key), bulk(id), bulk("f"), bulk("v"))
}

/// Private connections that the proxy has at the moment.
fn private(proxy: &Sluice) -> f64 {
    proxy.metrics().sum("sluice_upstream_connections", &[("kind", "private")]).unwrap_or_default()
}

#[track_caller]
fn create_groups(client: &mut Client, keys: &[&str]) {
    for key in keys {
        for group in WORDS {
            let created = client.ask(&format!("XGROUP CREATE {key} {group} $ MKSTREAM"));
            assert!(created == "+OK\r\n" || created.starts_with(b"-BUSYGROUP"), "{created:?}");
        }
    }
}

#[test]
fn a_group_a_consumer_and_a_stream_may_be_called_like_options_and_block_nobody_else() {
    for workers in WORKERS {
        let server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut others = neighbours(&proxy);
        create_groups(&mut others[0], &WORDS);
        let mut number = 0;
        for (at, consumer) in WORDS.into_iter().enumerate() {
            for group in WORDS {
                // Every pair of a consumer and a group, each word as a key in turn.
                number += 1;
                let key = WORDS[(at + number) % WORDS.len()];
                let options = ["BLOCK 0", "COUNT 1 BLOCK 0", "block 0 count 1", "NOACK BLOCK 0"][number % 4];
                let line = format!("XREADGROUP GROUP {group} {consumer} {options} STREAMS {key} >");
                // What others have been told of the stream is not new to this group.
                assert_eq!(others[0].ask(&format!("XGROUP SETID {key} {group} $")), "+OK\r\n", "{line}");
                let mut client = proxy.client();
                client.send(&inline(&line));
                blocked_clients(&server, 1);
                undisturbed(&mut others, &line);
                assert_eq!(
                    others[1].ask(&format!("XADD {key} {number}-1 f v")),
                    bulk(&format!("{number}-1")),
                    "{line}"
                );
                assert_eq!(client.reply(), entry(key, &format!("{number}-1")), "{line}");
            }
        }
    }
}

#[test]
fn a_client_that_leaves_while_a_consumer_called_streams_waits_takes_its_wait_along() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).start();
    let mut others = neighbours(&proxy);
    create_groups(&mut others[0], &["s"]);
    for line in [
        "XREADGROUP GROUP block streams BLOCK 0 STREAMS s >",
        "XREADGROUP GROUP streams streams BLOCK 0 STREAMS s >",
        "XREAD COUNT 1 BLOCK 0 STREAMS s $",
        "XREAD BLOCK 0 STREAMS streams $",
    ] {
        let mut client = proxy.client();
        client.send(&inline(line));
        blocked_clients(&server, 1);
        drop(client);
        blocked_clients(&server, 0);
        undisturbed(&mut others, line);
    }
}

#[test]
fn a_read_that_only_names_something_block_shares_a_connection() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let mut client = proxy.client();
    create_groups(&mut client, &WORDS);
    for key in WORDS {
        assert!(!client.ask(&format!("XADD {key} 1-1 f v")).starts_with(b"-"));
    }
    for line in [
        "XREAD STREAMS block 0",
        "XREAD COUNT 1 STREAMS block 0",
        "XREADGROUP GROUP block streams STREAMS block >",
        "XREADGROUP GROUP streams block STREAMS block >",
        "XREADGROUP GROUP group block COUNT 1 STREAMS block >",
    ] {
        assert_eq!(client.ask(line), entry("block", "1-1"), "{line}");
    }
    let both = client.ask("XREAD STREAMS streams block 0 0");
    assert!(both.starts_with(b"*2\r\n"), "{both:?}");
    assert_eq!(private(&proxy), 0.0, "none of them needed a connection of its own");
}

#[test]
fn a_consumer_called_streams_waits_at_the_node_of_its_stream_and_blocks_nobody_else() {
    let cluster = RedisCluster::start(3, 0);
    let proxy = Topology::three_components(&cluster).workers(2).start();
    let mut others = neighbours(&proxy);
    create_groups(&mut others[0], &WORDS);
    let mut number = 0;
    for consumer in WORDS {
        for key in WORDS {
            number += 1;
            let group = WORDS[number % WORDS.len()];
            let line = format!("XREADGROUP GROUP {group} {consumer} BLOCK 0 STREAMS {key} >");
            let mut client = proxy.client();
            client.send(&inline(&line));
            let mut direct = cluster.client(cluster.owner_of_key(format!("e2e:{key}")));
            wait_until("it waits at the node of its stream", SOON, || {
                (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
            });
            undisturbed(&mut others, &line);
            assert_eq!(others[1].ask(&format!("XADD {key} {number}-1 f v")), bulk(&format!("{number}-1")), "{line}");
            assert_eq!(client.reply(), entry(key, &format!("{number}-1")), "{line}");
        }
    }
}
