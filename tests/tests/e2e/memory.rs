//! An idle session costs next to nothing, however many transforms its chain has.

use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Topology, wait_until};

use crate::WORKERS;

const SESSIONS: u64 = 2000;
const BYTES_PER_SESSION: u64 = 8 << 10;

/// Sessions before the count begins: buffers and tables that are there once for all are paid for by these.
const FIRST: u64 = 200;

#[test]
fn an_idle_session_costs_at_most_8_kib_with_three_transforms() {
    // Both this process and the proxy, which inherits it, hold a descriptor for each session.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();

    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        // A session that has been used: it went through the whole chain and back.
        let connect = || {
            let mut client = proxy.client();
            assert_eq!(client.ask("GET nothing"), "$-1\r\n");
            client
        };
        let mut clients: Vec<Client> = (0..FIRST).map(|_| connect()).collect();
        let before = proxy.resident_bytes();
        clients.extend((0..SESSIONS).map(|_| connect()));
        let after = proxy.resident_bytes();
        let each = after.saturating_sub(before) / SESSIONS;
        println!("{workers} workers: {each} bytes a session");
        assert!(each <= BYTES_PER_SESSION, "an idle session costs {each} bytes");

        // They all are still there, and when they go, so does what they cost.
        for client in clients.iter_mut().step_by(97) {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        drop(clients);
        let mut last = proxy.client();
        wait_until("the server sees no more connections than the workers share", SOON, || {
            std::thread::sleep(Duration::from_millis(20));
            let list = last.ask("CLIENT LIST");
            (String::from_utf8_lossy(&list).matches("id=").count() <= workers).then_some(())
        });
    }
}

#[test]
fn a_session_that_had_large_values_gives_their_memory_back() {
    const LARGE: usize = 32 << 20;
    let server = RedisServer::start();
    let proxy = Topology::new().transform("KeyPrefix: { prefix: 'a:' }").sink(&server).start();
    let mut clients: Vec<Client> = (0..8).map(|_| proxy.client()).collect();
    assert_eq!(clients[0].ask("PING"), "+PONG\r\n");
    let before = proxy.resident_bytes();
    let value = vec![b'x'; LARGE];
    for client in &mut clients {
        assert_eq!(client.call(&[b"SET".as_slice(), b"large", &value]), "+OK\r\n");
        assert_eq!(client.ask("GET large").len(), LARGE + 13);
    }
    // Each of the eight sessions had 32 MiB in and out; an allocator may keep one such piece for the next.
    wait_until("the memory is given back", SOON, || {
        let kept = proxy.resident_bytes().saturating_sub(before);
        (kept < 4 * LARGE as u64).then_some(())
    });
}
