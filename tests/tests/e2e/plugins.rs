//! The standard plugins, each as a user meets it.

mod key_prefix;
mod memory_store;

use bytes::Bytes;
use sluice_tests::wait::SOON;
use sluice_tests::{RedisServer, Topology, wait_until};

use crate::WORKERS;

/// The elements of an array of bulk strings, sorted.
fn sorted(reply: &Bytes) -> Vec<String> {
    use redis_protocol::resp2::types::OwnedFrame;
    let Ok(Some((OwnedFrame::Array(elements), _))) = redis_protocol::resp2::decode::decode(reply) else {
        panic!("not an array: {reply:?}");
    };
    let mut texts: Vec<String> = elements
        .into_iter()
        .map(|element| match element {
            OwnedFrame::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
            other => panic!("not a bulk string: {other:?}"),
        })
        .collect();
    texts.sort();
    texts
}

#[test]
fn command_filter_denies_by_name_and_by_category_and_lets_the_rest_through() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::new()
            .workers(workers)
            .transform("CommandFilter: { deny: [flushall, 'config|set', '@blocking', '@hash'] }")
            .sink(&server)
            .start();
        let mut client = proxy.client();
        for denied in ["FLUSHALL", "flushall ASYNC", "CONFIG SET maxmemory 0", "BLPOP a 0", "HGET a b", "hset a b c"] {
            let reply = client.ask(denied);
            assert!(reply.starts_with(b"-"), "{denied}: {reply:?}");
        }
        assert_eq!(client.ask("SET a 1"), "+OK\r\n");
        assert!(client.ask("CONFIG GET maxmemory").starts_with(b"*2\r\n"));
        assert_eq!(server.client().ask("DBSIZE"), ":1\r\n");
    }
}

#[test]
fn command_filter_allows_only_what_is_listed() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::new()
            .workers(workers)
            .transform("CommandFilter: { allow: ['@read', set, ping] }")
            .sink(&server)
            .start();
        let mut client = proxy.client();
        assert_eq!(client.ask("SET a 1"), "+OK\r\n");
        assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        for denied in ["DEL a", "INCR a", "FLUSHALL", "NOSUCHCOMMAND", "MULTI", "EVAL return 0"] {
            let reply = client.ask(denied);
            assert!(reply.starts_with(b"-"), "{denied}: {reply:?}");
        }
        assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
    }
}

#[test]
fn null_sink_answers_what_no_transform_did_with_an_error() {
    for workers in WORKERS {
        let proxy = Topology::new().workers(workers).transform("NullSink").start();
        let mut client = proxy.client();
        for request in ["GET a", "PING", "MULTI", "SUBSCRIBE a", "NOSUCHCOMMAND"] {
            let reply = client.ask(request);
            assert!(reply.starts_with(b"-"), "{request}: {reply:?}");
        }
    }
}

#[test]
fn a_denied_command_in_a_pipeline_is_answered_in_its_place() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::new().workers(workers).transform("CommandFilter: { deny: [get] }").sink(&server).start();
        let mut client = proxy.client();
        let requests: Vec<u8> = (0..300)
            .flat_map(|n| [sluice_tests::inline("GET a"), sluice_tests::inline(&format!("ECHO {n:03}"))].concat())
            .collect();
        client.send(&requests);
        for n in 0..300 {
            assert!(client.reply().starts_with(b"-"));
            assert_eq!(client.reply(), format!("$3\r\n{n:03}\r\n"));
        }
    }
}

#[test]
fn request_logger_writes_a_line_for_each_request_and_no_values() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::new().workers(workers).transform("RequestLogger: {}").sink(&server).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("SET logged-key secret-value"), "+OK\r\n");
        wait_until("the request is logged", SOON, || {
            proxy
                .output()
                .lines()
                .any(|line| line.contains("RequestLogger") && line.to_lowercase().contains("set"))
                .then_some(())
        });
        assert!(!proxy.output().contains("secret-value"), "{}", proxy.output());
    }
}
