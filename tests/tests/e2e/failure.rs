//! When the server goes away, clients see errors and then recovery, and never another's reply.

mod counting;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_tests::ports::free_addr;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Topology, inline, wait_until};

use crate::{Stopping, WORKERS};
use counting::CountingServer;

const CLIENTS: usize = 8;
const ROUNDS_PER_PIPELINE: usize = 16;

/// What the clients have seen since the last look.
#[derive(Debug, Default)]
struct Seen {
    answers: AtomicUsize,
    errors: AtomicUsize,
}

impl Seen {
    #[track_caller]
    fn wait_for_more_of(counter: &AtomicUsize, what: &str) {
        let before = counter.load(Ordering::Relaxed);
        wait_until(what, SOON, || {
            (counter.load(Ordering::Relaxed) > before + CLIENTS * ROUNDS_PER_PIPELINE).then_some(())
        });
    }
}

/// Pipelines tagged requests until it is told to stop, and checks that each reply is the request's own, or an error.
fn tagged_load(mut client: Client, name: usize, stop: &AtomicBool, seen: &Seen) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let tags: Vec<String> = (0..ROUNDS_PER_PIPELINE).map(|n| format!("{name}-{}", round + n)).collect();
        round += tags.len();
        let requests: Vec<u8> = tags
            .iter()
            .flat_map(|tag| {
                [inline(&format!("SET k:{tag} {tag}")), inline(&format!("GET k:{tag}")), inline(&format!("ECHO {tag}"))]
            })
            .flatten()
            .collect();
        client.send(&requests);
        for tag in &tags {
            let own: Bytes = format!("${}\r\n{tag}\r\n", tag.len()).into();
            let [set, get, echo] = [client.reply(), client.reply(), client.reply()];
            let is_error = |reply: &Bytes| reply.starts_with(b"-");
            assert!(set == "+OK\r\n" || is_error(&set), "SET {tag}: {set:?}");
            // The server comes back empty, so a value that was set may be gone.
            assert!(get == own || get == "$-1\r\n" || is_error(&get), "GET {tag}: {get:?}");
            assert!(echo == own || is_error(&echo), "ECHO {tag}: {echo:?}");
            let errors = [&set, &get, &echo].into_iter().filter(|reply| is_error(reply)).count();
            seen.errors.fetch_add(errors, Ordering::Relaxed);
            seen.answers.fetch_add(3 - errors, Ordering::Relaxed);
        }
        if seen.errors.load(Ordering::Relaxed) > 0 {
            // While the server is away errors come at once; the machine is needed to start it again.
            std::thread::yield_now();
        }
    }
    // Nothing more comes: no reply was given twice.
    assert!(client.silent_for(Duration::from_millis(50)));
}

#[test]
fn killing_the_server_under_load_gives_errors_then_recovery_and_no_reply_is_swapped() {
    for workers in WORKERS {
        let mut server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut idle = proxy.client();
        assert_eq!(idle.ask("PING"), "+PONG\r\n");
        let (stop, seen) = (AtomicBool::new(false), Seen::default());
        std::thread::scope(|scope| {
            let _stopping = Stopping(&stop);
            for name in 0..CLIENTS {
                let client = proxy.client();
                let (stop, seen) = (&stop, &seen);
                scope.spawn(move || tagged_load(client, name, stop, seen));
            }
            for _ in 0..3 {
                Seen::wait_for_more_of(&seen.answers, "clients are answered");
                server.kill();
                Seen::wait_for_more_of(&seen.errors, "clients get errors");
                server.restart();
                Seen::wait_for_more_of(&seen.answers, "clients are answered again");
            }
        });
        // A session that did nothing meanwhile goes on as if nothing had been.
        assert_eq!(idle.ask("ECHO still-here"), "$10\r\nstill-here\r\n");
    }
}

#[test]
fn a_proxy_without_its_server_starts_answers_with_errors_and_recovers() {
    for workers in WORKERS {
        let mut server = RedisServer::start();
        server.kill();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        client.send(&[inline("GET a"), inline("SET a 1"), inline("ECHO x")].concat());
        for reply in client.replies(3) {
            assert!(reply.starts_with(b"-") && reply.len() > 5, "{reply:?}");
        }
        server.restart();
        wait_until("the proxy has found the server", SOON, || (client.ask("PING") == "+PONG\r\n").then_some(()));
        assert_eq!(client.ask("SET a 1"), "+OK\r\n");
    }
}

#[test]
fn what_the_operator_wrote_about_his_servers_is_not_told_to_clients() {
    let addr = free_addr();
    let proxy = Topology::new().sink_at(&addr).start();
    let reply = proxy.client().ask("GET a");
    let text = String::from_utf8_lossy(&reply);
    assert!(text.starts_with('-'), "{text}");
    assert!(!text.contains(&addr) && !text.contains("os error"), "{text}");
}

#[test]
fn a_server_that_pauses_delays_replies_and_loses_none() {
    for workers in WORKERS {
        let mut server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut clients: Vec<Client> = (0..20).map(|_| proxy.client()).collect();
        for client in &mut clients {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        server.pause();
        for (n, client) in clients.iter_mut().enumerate() {
            let requests: Vec<u8> = (0..100).flat_map(|m| inline(&format!("ECHO {n:02}-{m:02}"))).collect();
            client.send(&requests);
        }
        assert!(clients[0].silent_for(Duration::from_millis(100)));
        server.resume();
        for (n, client) in clients.iter_mut().enumerate() {
            for m in 0..100 {
                assert_eq!(client.reply(), format!("$5\r\n{n:02}-{m:02}\r\n"));
            }
        }
    }
}

#[test]
fn the_replies_of_a_client_that_has_gone_reach_nobody() {
    for workers in WORKERS {
        let mut server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut others: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
        for client in &mut others {
            assert_eq!(client.ask("PING"), "+PONG\r\n");
        }
        for round in 0..10 {
            server.pause();
            let mut leaver = proxy.client();
            let requests: Vec<u8> = (0..50).flat_map(|_| inline("ECHO left-behind")).collect();
            leaver.send(&requests);
            for (n, client) in others.iter_mut().enumerate() {
                client.send(&inline(&format!("ECHO {round}-{n}")));
            }
            drop(leaver);
            server.resume();
            for (n, client) in others.iter_mut().enumerate() {
                assert_eq!(client.reply(), format!("$3\r\n{round}-{n}\r\n"));
            }
        }
    }
}

#[test]
fn a_write_that_may_have_been_carried_out_is_never_sent_again() {
    for workers in WORKERS {
        let server = CountingServer::start();
        let proxy = Topology::new().workers(workers).sink_at(&server.addr()).start();
        let mut clients: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
        for round in 0..10 {
            for (n, client) in clients.iter_mut().enumerate() {
                // The server takes it and closes without an answer.
                let reply = client.ask(&format!("INCR once:{round}:{n}"));
                assert!(reply.starts_with(b"-"), "{reply:?}");
            }
        }
        for (request, count) in server.requests() {
            assert_eq!(count, 1, "{request} was sent {count} times");
        }
        assert!(!server.requests().is_empty());
    }
}

#[test]
fn a_private_session_learns_that_its_connection_was_lost() {
    for workers in WORKERS {
        let mut server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        let mut other = proxy.client();
        assert_eq!(client.ask("SET a 1"), "+OK\r\n");
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        assert_eq!(client.ask("INCR a"), "+QUEUED\r\n");
        server.restart();
        // An error or a closed connection; but never the result of half a transaction.
        client.send(&inline("EXEC"));
        if let Ok(Some(reply)) = client.try_reply() {
            assert!(reply.starts_with(b"-"), "{reply:?}");
        }
        wait_until("the others recover", SOON, || (other.ask("PING") == "+PONG\r\n").then_some(()));
        assert_eq!(other.ask("GET a"), "$-1\r\n", "the transaction did not happen");
    }
}

#[test]
fn a_blocked_client_is_told_when_the_server_dies() {
    for workers in WORKERS {
        let mut server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        client.send(&inline("BLPOP queue 0"));
        assert!(client.silent_for(Duration::from_millis(100)));
        let began = Instant::now();
        server.kill();
        match client.try_reply() {
            Ok(Some(reply)) => assert!(reply.starts_with(b"-"), "{reply:?}"),
            Ok(None) => {}
            Err(error) => panic!("told nothing: {error}"),
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
