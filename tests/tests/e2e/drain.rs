//! SIGTERM: what is in flight is answered, nobody new comes in, and nobody keeps the process from ending in time.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Topology, inline, request, wait_until};

use crate::WORKERS;

/// What these tests' topologies say.
const DRAIN: Duration = Duration::from_secs(3);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(4);

fn topology(server: &RedisServer, workers: usize) -> Topology {
    Topology::three_components(server).workers(workers).top("drain_timeout: 3s")
}

#[test]
fn sigterm_ends_an_idle_proxy_at_once() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let mut proxy = topology(&server, workers).start();
        let mut idle: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
        for client in &mut idle {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        let began = Instant::now();
        proxy.terminate();
        assert!(proxy.wait_for_end(SOON).success());
        assert!(began.elapsed() < DRAIN, "nothing was in flight, and it took {:?}", began.elapsed());
        for client in &mut idle {
            assert_eq!(client.rest(), "");
        }
    }
}

#[test]
fn sigterm_answers_what_is_in_flight_and_accepts_nobody_new() {
    let mut server = RedisServer::start();
    for workers in WORKERS {
        let mut proxy = topology(&server, workers).start();
        let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
        for client in &mut clients {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        server.pause();
        for client in &mut clients {
            client.send(&[inline("ECHO in"), inline("ECHO flight")].concat());
        }
        // Nothing comes back, and by then all of it has been read.
        assert!(clients[9].silent_for(Duration::from_millis(300)));
        proxy.terminate();
        wait_until("new connections are refused", SOON, || {
            // One that the kernel had accepted already is closed without an answer.
            let error = Client::try_connect(proxy.addr()).err()?;
            (error.kind() == ErrorKind::ConnectionRefused).then_some(())
        });
        assert!(!proxy.has_ended(), "there is work in flight");
        server.resume();
        for client in &mut clients {
            assert_eq!(client.rest(), "$2\r\nin\r\n$6\r\nflight\r\n");
        }
        assert!(proxy.wait_for_end(DRAIN + SLACK).success());
    }
}

#[test]
fn a_client_that_never_reads_does_not_keep_sigterm_from_ending_the_process() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let mut proxy = topology(&server, workers).start();
        let mut client = proxy.client();
        let large = vec![b'x'; 1 << 20];
        assert_eq!(client.call(&[b"SET".as_slice(), b"large", &large]), "+OK\r\n");
        // 64 MiB of replies: more than the sockets hold.
        let gets: Vec<u8> = (0..64).flat_map(|_| inline("GET large")).collect();
        client.send(&gets);
        let mut other = proxy.client();
        for _ in 0..20 {
            assert_eq!(other.ask("PING"), "+PONG\r\n");
        }
        let began = Instant::now();
        proxy.terminate();
        assert!(proxy.wait_for_end(DRAIN + SLACK).success());
        assert!(began.elapsed() < DRAIN + SLACK);
    }
}

#[test]
fn a_client_that_waits_in_blpop_does_not_keep_sigterm_from_ending_the_process() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let mut proxy = topology(&server, workers).start();
        let mut blocked = proxy.client();
        blocked.send(&inline("BLPOP queue 0"));
        let mut subscribed = proxy.client();
        assert!(subscribed.ask("SUBSCRIBE news").starts_with(b"*3\r\n"));
        assert!(blocked.silent_for(Duration::from_millis(100)));
        proxy.terminate();
        assert!(proxy.wait_for_end(DRAIN + SLACK).success());
    }
}

#[test]
fn a_server_that_never_answers_does_not_keep_sigterm_from_ending_the_process() {
    let mut server = RedisServer::start();
    for workers in WORKERS {
        let mut proxy = topology(&server, workers).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        server.pause();
        client.send(&request(&["SET", "a", "1"]));
        let mut half = proxy.client();
        half.send(b"*2\r\n$4\r\nECHO\r\n$100\r\nhalf a request");
        assert!(client.silent_for(Duration::from_millis(100)));
        proxy.terminate();
        assert!(proxy.wait_for_end(DRAIN + SLACK).success());
        server.resume();
    }
}

#[test]
fn readiness_ends_with_sigterm() {
    let mut server = RedisServer::start();
    let mut proxy = topology(&server, 1).start();
    let mut client = proxy.client();
    assert_eq!(client.ask("PING"), "+PONG\r\n");
    server.pause();
    client.send(&inline("PING"));
    assert!(client.silent_for(Duration::from_millis(100)));
    proxy.terminate();
    // A balancer that asks learns that it should send nobody, while the process still works off what it has.
    wait_until("the proxy is not ready", SOON, || match proxy.try_get("/readyz") {
        Some(answer) => (answer.status == 503).then_some(()),
        None => panic!("the admin address went away before the work was done"),
    });
    assert_eq!(proxy.get("/healthz").status, 200);
    server.resume();
    assert_eq!(client.rest(), "+PONG\r\n");
    assert!(proxy.wait_for_end(DRAIN + SLACK).success());
}
