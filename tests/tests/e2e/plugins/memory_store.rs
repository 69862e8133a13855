//! `MemoryStore`: the embedded default answers as a real server does.

use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Topology, wait_until};

use crate::WORKERS;

fn topology(workers: usize) -> Topology {
    Topology::new().workers(workers).transform("MemoryStore: {}").transform("NullSink: {}")
}

/// What people try first. Each is also sent to a real server, which must say the same.
const TRIED: &[&str] = &[
    "PING",
    "PING hello",
    "ECHO hello",
    "SET a 1",
    "GET a",
    "GET nothing",
    "SET a 2 NX",
    "SET a 3 XX",
    "SET a 4 GET",
    "SETNX b 1",
    "SETNX b 2",
    "GETSET b 3",
    "APPEND b xyz",
    "STRLEN b",
    "GETRANGE b 1 2",
    "SETRANGE b 2 Q",
    "MSET c 1 d 2",
    "MGET a b c d nothing",
    "INCR c",
    "INCRBY c 10",
    "DECR c",
    "DECRBY c 5",
    "INCR b",
    "INCRBYFLOAT d 0.5",
    "EXISTS a b nothing a",
    "TYPE a",
    "DEL c d nothing",
    "EXPIRE a 1000",
    "PERSIST a",
    "PERSIST a",
    "TTL a",
    "TTL nothing",
    "EXPIRE nothing 10",
    "EXPIRE a -1",
    "GET a",
    "HSET h f 1 g 2",
    "HGET h f",
    "HGET h nothing",
    "HMGET h f nothing g",
    "HGETALL h",
    "HLEN h",
    "HEXISTS h f",
    "HINCRBY h f 5",
    "HDEL h f nothing",
    "HKEYS h",
    "HVALS h",
    "GET h",
    "TYPE h",
    "RPUSH l a b c",
    "LPUSH l z",
    "LRANGE l 0 -1",
    "LRANGE l 5 1",
    "LLEN l",
    "LINDEX l -1",
    "LPOP l",
    "RPOP l",
    "LPOP nothing",
    "LREM l 1 a",
    "INCR l",
    "SADD s x",
    "SADD s x y",
    "SISMEMBER s x",
    "SISMEMBER s nothing",
    "SCARD s",
    "SREM s x",
    "SMEMBERS s",
    "LPUSH s 1",
    "GET",
    "SET a",
    "SET a 1 NX XX",
    "LPUSH l",
    "DBSIZE",
    "FLUSHALL",
    "DBSIZE",
    "SELECT 0",
];

#[test]
fn common_commands_are_answered_as_by_a_real_server() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = topology(workers).start();
        let mut direct = server.client();
        let mut client = proxy.client();
        for request in TRIED {
            assert_eq!(client.ask(request), direct.ask(request), "{request}");
        }
    }
}

#[test]
fn a_key_expires_when_its_time_has_come() {
    for workers in WORKERS {
        let proxy = topology(workers).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("SET a 1 PX 150"), "+OK\r\n");
        assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
        wait_until("the key has expired", SOON, || (client.ask("GET a") == "$-1\r\n").then_some(()));
        assert_eq!(client.ask("EXISTS a"), ":0\r\n");
        assert_eq!(client.ask("SET b 1 EX 100"), "+OK\r\n");
        let left = client.ask("PTTL b");
        let milliseconds: u64 = String::from_utf8_lossy(&left[1..left.len() - 2]).parse().unwrap();
        assert!((1..=100_000).contains(&milliseconds), "{left:?}");
    }
}

#[test]
fn all_workers_share_one_store() {
    let proxy = topology(2).start();
    let mut clients: Vec<Client> = (0..8).map(|_| proxy.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.ask("INCR counter"), format!(":{}\r\n", n + 1));
    }
    std::thread::scope(|scope| {
        for mut client in clients.drain(..) {
            scope.spawn(move || (0..100).for_each(|_| assert!(client.ask("INCR counter").starts_with(b":"))));
        }
    });
    assert_eq!(proxy.client().ask("GET counter"), "$3\r\n808\r\n");
}

#[test]
fn clients_can_connect_to_it() {
    for workers in WORKERS {
        let proxy = topology(workers).start();
        for protocol in ["resp2", "resp3"] {
            let url = format!("redis://{}/?protocol={protocol}", proxy.addr());
            let mut connection =
                redis::Client::open(url).unwrap().get_connection_with_timeout(Duration::from_secs(20)).unwrap();
            let () = redis::cmd("SET").arg("a").arg("1").query(&mut connection).unwrap();
            let value: String = redis::cmd("GET").arg("a").query(&mut connection).unwrap();
            assert_eq!(value, "1");
        }
        let output = sluice_tests::process::output_of(std::process::Command::new("redis-cli").args([
            "-p",
            proxy.port(),
            "INFO",
            "server",
        ]));
        assert!(output.contains("# Server"), "{output}");
    }
}
