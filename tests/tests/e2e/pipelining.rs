//! What the server sees of the three modes of pipelining.
//!
//! A recorder stands between the proxy and a real server. It notes what arrives, and how many reads that took, before it lets a reply
//! back.

mod recorder;

use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Sluice, Topology, inline, wait_until};

use recorder::{Event, Recorder};

const SESSIONS: usize = 16;
const PIPELINE: usize = 8;

/// One round: every session sends its pipeline while the proxy does not look, so that the next turn has all of them.
fn round(proxy: &mut Sluice, clients: &mut [Client], number: usize) {
    proxy.pause();
    for (session, client) in clients.iter_mut().enumerate() {
        let requests = (0..PIPELINE).flat_map(|at| inline(&format!("ECHO {number}-{session}-{at}")));
        client.send(&requests.collect::<Vec<u8>>());
    }
    proxy.resume();
    for (session, client) in clients.iter_mut().enumerate() {
        for at in 0..PIPELINE {
            let text = format!("{number}-{session}-{at}");
            assert_eq!(client.reply(), format!("${}\r\n{text}\r\n", text.len()));
        }
    }
}

/// What a server has seen of a few rounds.
struct Seen {
    /// The most requests that waited for their replies together.
    most: usize,
    /// The most sessions that those were of.
    sessions: usize,
    /// How often requests of one pipeline did not follow each other.
    torn: usize,
    /// How many reads brought how many requests.
    reads: usize,
    requests: usize,
}

/// Runs a few rounds in this mode.
fn seen(mode: &str) -> Seen {
    const ROUNDS: usize = 4;
    let server = RedisServer::start();
    let recorder = Recorder::start(&server.addr(), Duration::from_micros(500));
    let sink = format!("pipelining: {mode}, health_interval: 1h");
    let mut proxy = Topology::new().sink_to(&[recorder.addr()], &sink).start();
    let mut clients: Vec<Client> = (0..SESSIONS).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    recorder.take();
    for number in 0..ROUNDS {
        round(&mut proxy, &mut clients, number);
    }
    let events = recorder.take();
    let mut seen = Seen { most: 0, sessions: 0, torn: 0, reads: 0, requests: 0 };
    let mut waiting: Vec<String> = Vec::new();
    let mut last: Option<String> = None;
    for event in events {
        match event {
            Event::Read => seen.reads += 1,
            Event::Arrived(request) => {
                // `ECHO <round>-<session>-<at>`: the request's place in its pipeline, and the pipeline.
                let (pipeline, at) = request[1].rsplit_once('-').unwrap();
                seen.torn += usize::from(at != "0" && last.as_deref() != Some(pipeline));
                last = Some(pipeline.to_owned());
                seen.requests += 1;
                waiting.push(pipeline.to_owned());
                seen.most = seen.most.max(waiting.len());
                let mut sessions = waiting.clone();
                sessions.dedup();
                seen.sessions = seen.sessions.max(sessions.len());
            }
            Event::Answered => drop(waiting.remove(0)),
        }
    }
    assert_eq!(seen.requests, ROUNDS * SESSIONS * PIPELINE);
    assert!(waiting.is_empty());
    println!(
        "{mode}: {} requests in {} reads; at most {} in flight, of {} sessions; {} torn",
        seen.requests, seen.reads, seen.most, seen.sessions, seen.torn
    );
    seen
}

#[test]
fn the_modes_differ_in_what_the_server_receives() {
    let [off, batch, auto] = ["off", "batch", "auto"].map(seen);
    // Never a second request before the first is answered.
    assert_eq!((off.most, off.sessions), (1, 1));
    assert_eq!(off.reads, off.requests);
    // What a session sent together arrives together, whole and alone.
    assert_eq!((batch.most, batch.sessions, batch.torn), (PIPELINE, 1, 0));
    // The requests of all sessions, one behind the other.
    assert!(auto.most > PIPELINE && auto.sessions > 1, "nothing was pipelined");
    assert!(auto.reads * 4 < batch.reads && batch.reads < off.reads, "`auto` does not cost least");
}

#[test]
fn requests_go_in_order_in_every_mode() {
    for mode in ["off", "batch", "auto"] {
        let server = RedisServer::start();
        let recorder = Recorder::start(&server.addr(), Duration::ZERO);
        let proxy = Topology::new().sink_to(&[recorder.addr()], &format!("pipelining: {mode}")).start();
        let mut clients: Vec<Client> = (0..SESSIONS).map(|_| proxy.client()).collect();
        for turn in 0..10 {
            for (n, client) in clients.iter_mut().enumerate() {
                let requests: Vec<u8> = (0..20).flat_map(|_| inline(&format!("INCR {n}"))).collect();
                // In two pieces, so that one is on its way when the other comes.
                client.send(&requests[..requests.len() / 3]);
                client.send(&requests[requests.len() / 3..]);
            }
            for client in &mut clients {
                for at in 1..=20 {
                    assert_eq!(client.reply(), format!(":{}\r\n", turn * 20 + at), "{mode}");
                }
            }
        }
    }
}

#[test]
fn what_is_in_flight_is_bounded() {
    const REQUESTS: usize = 10;
    let server = RedisServer::start();
    for (limit, most) in [("requests: 10", REQUESTS), ("bytes: 2KiB", 2 * 1024 / 60)] {
        let recorder = Recorder::start(&server.addr(), Duration::from_millis(1));
        let sink = format!("pipelining: auto, in_flight: {{ {limit} }}, health_interval: 1h");
        let proxy = Topology::new().sink_to(&[recorder.addr()], &sink).start();
        let mut clients: Vec<Client> = (0..SESSIONS).map(|_| proxy.client()).collect();
        let text = "x".repeat(40);
        for client in &mut clients {
            // Each by itself, for what one session sends together goes together.
            (0..20).for_each(|_| client.send(&inline(&format!("ECHO {text}"))));
        }
        for client in &mut clients {
            assert!(client.replies(20).iter().all(|reply| reply.ends_with(b"xx\r\n")));
        }
        let (mut waiting, mut highest) = (0_usize, 0);
        for event in recorder.take() {
            match event {
                Event::Read => {}
                Event::Arrived(_) => waiting += 1,
                Event::Answered => waiting -= 1,
            }
            highest = highest.max(waiting);
        }
        println!("{limit}: at most {highest} requests in flight");
        // One stretch of a session may exceed it.
        assert!(highest > 1 && highest <= most + 20, "{limit}: {highest} in flight");
    }
}

#[test]
fn a_blocked_session_holds_no_mode_up() {
    for mode in ["off", "batch", "auto"] {
        let server = RedisServer::start();
        let proxy = Topology::new().sink_to(&[server.addr()], &format!("pipelining: {mode}")).start();
        let (mut waiter, mut other) = (proxy.client(), proxy.client());
        waiter.send(&[inline("BLPOP queue 0"), inline("ECHO behind")].concat());
        let mut direct = server.client();
        wait_until("it waits", SOON, || {
            (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
        });
        assert_eq!(other.ask("RPUSH queue x"), ":1\r\n", "{mode}");
        assert_eq!(waiter.replies(2), ["*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n", "$6\r\nbehind\r\n"], "{mode}");
    }
}
