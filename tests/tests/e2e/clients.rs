//! The clients that people use pass through a chain of three components.

mod node;
mod rust;

use std::io::Write;
use std::process::Command;

use redis::Commands;
use sluice_tests::process::{output_of, output_of_reading};
use sluice_tests::{RedisServer, Sluice, Topology, programs, request};

use crate::WORKERS;

/// A server, and a proxy with three components before it.
fn with_workers(workers: usize) -> (RedisServer, Sluice) {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).workers(workers).start();
    (server, proxy)
}

fn redis_cli(proxy: &Sluice) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", proxy.port()]);
    command
}

#[test]
fn redis_cli_passes_through() {
    for workers in WORKERS {
        let (server, proxy) = with_workers(workers);
        let cli = |args: &[&str]| output_of(redis_cli(&proxy).args(args));
        assert_eq!(cli(&["SET", "greeting", "hello"]), "OK\n");
        assert_eq!(cli(&["GET", "greeting"]), "hello\n");
        assert_eq!(cli(&["RPUSH", "list", "a", "b"]), "2\n");
        assert_eq!(cli(&["LRANGE", "list", "0", "-1"]), "a\nb\n");
        assert_eq!(cli(&["-3", "HSET", "map", "field", "value"]), "1\n");
        assert_eq!(cli(&["-3", "--no-raw", "HGETALL", "map"]), "1# \"field\" => \"value\"\n");
        assert_eq!(cli(&["-n", "3", "SET", "elsewhere", "1"]), "OK\n");
        assert_eq!(cli(&["-r", "3", "INCR", "counter"]), "1\n2\n3\n");
        assert!(cli(&["GET", "list"]).starts_with("WRONGTYPE "));
        assert!(cli(&["SHUTDOWN"]).starts_with("NOPERM "), "the filter denies it");
        assert_eq!(server.client().ask("GET e2e:greeting"), "$5\r\nhello\r\n");
    }
}

#[test]
fn redis_cli_pipes_a_mass_insertion_through() {
    for workers in WORKERS {
        let (server, proxy) = with_workers(workers);
        let mut commands = tempfile::tempfile().unwrap();
        for n in 0..20_000 {
            commands.write_all(&request(&["SET", &format!("key:{n}"), &format!("value {n}")])).unwrap();
        }
        std::io::Seek::rewind(&mut commands).unwrap();
        let output = output_of_reading(redis_cli(&proxy).arg("--pipe"), commands);
        assert!(output.contains("errors: 0, replies: 20000"), "{output}");
        assert_eq!(server.client().ask("DBSIZE"), ":20000\r\n");
        assert_eq!(proxy.client().ask("GET key:19999"), "$11\r\nvalue 19999\r\n");
    }
}

#[test]
fn redis_benchmark_passes_through() {
    for workers in WORKERS {
        let (_server, proxy) = with_workers(workers);
        for pipeline in ["1", "16"] {
            let output = output_of(
                Command::new("redis-benchmark")
                    .args(["-h", "127.0.0.1", "-p", proxy.port(), "-t", "set,get,incr,lpush,mset"])
                    .args(["-n", "8000", "-c", "50", "-r", "1000", "-P", pipeline, "-q"]),
            );
            for test in ["SET", "GET", "INCR", "LPUSH", "MSET (10 keys)"] {
                assert!(output.contains(&format!("{test}: ")), "no result for {test}:\n{output}");
            }
            let lower = output.to_lowercase();
            assert!(!lower.contains("error") && !lower.contains("warn"), "{output}");
        }
    }
}

#[test]
fn python_passes_through_in_both_protocols() {
    for workers in WORKERS {
        let (_server, proxy) = with_workers(workers);
        for protocol in ["2", "3"] {
            let script = programs::repository().join("tests/tests/e2e/client.py");
            let output = output_of(Command::new(programs::python()).arg(script).args([proxy.port(), protocol]));
            assert_eq!(output, "ok\n");
        }
    }
}

#[test]
fn a_rust_client_passes_through_in_both_protocols() {
    for workers in WORKERS {
        let (_server, proxy) = with_workers(workers);
        for protocol in ["resp2", "resp3"] {
            let client = redis::Client::open(format!("redis://{}/?protocol={protocol}", proxy.addr())).unwrap();
            let mut connection = client.get_connection().unwrap();
            let key = |name: &str| format!("{protocol}:{name}");

            let () = connection.set(key("binary"), b"\0\r\n\xff".as_slice()).unwrap();
            let value: Vec<u8> = connection.get(key("binary")).unwrap();
            assert_eq!(value, b"\0\r\n\xff");
            let missing: Option<String> = connection.get(key("missing")).unwrap();
            assert_eq!(missing, None);

            let () = connection.hset_multiple(key("map"), &[("a", 1), ("b", 2)]).unwrap();
            let map: std::collections::BTreeMap<String, u32> = connection.hgetall(key("map")).unwrap();
            assert_eq!(map, [("a".to_owned(), 1), ("b".to_owned(), 2)].into());

            let mut pipeline = redis::pipe();
            for n in 0..1000 {
                pipeline.set(key(&format!("n:{n}")), n).ignore().get(key(&format!("n:{n}")));
            }
            let values: Vec<u32> = pipeline.query(&mut connection).unwrap();
            assert_eq!(values, (0..1000).collect::<Vec<_>>());

            let (first, second): (u32, u32) =
                redis::pipe().atomic().incr(key("count"), 1).incr(key("count"), 1).query(&mut connection).unwrap();
            assert_eq!((first, second), (1, 2));

            let mut found: Vec<String> = connection.scan_match(key("n:99*")).unwrap().map(Result::unwrap).collect();
            found.sort();
            assert_eq!(found.len(), 11, "{found:?}");
            assert_eq!(found[0], key("n:99"));

            let error = connection.lpush::<_, _, ()>(key("binary"), 1).unwrap_err();
            assert_eq!(error.code(), Some("WRONGTYPE"));
        }
    }
}
