//! Clients that do nothing cost next to nothing, and disturb nobody.

use std::process::Command;
use std::time::{Duration, Instant};

use sluice_tests::process::Process;
use sluice_tests::{RedisServer, Topology, descriptors, ports, wait_until};

/// As many as are promised.
const CLIENTS: u64 = 20_000;

/// What each may cost, in bytes.
const COST: u64 = 8 * 1024;

/// The open files that the proxy needs beside those of its clients.
const OTHERS: u64 = 100;

#[test]
fn twenty_thousand_idle_clients_cost_eight_kib_each_and_disturb_nobody() {
    let clients = CLIENTS.min(descriptors::raise() - OTHERS);
    let server = RedisServer::start();
    let port = ports::free_port();
    let proxy = Topology::new()
        .listen_at(&format!("0.0.0.0:{port}"))
        .source("connection_limit: 30000")
        .transform("KeyPrefix: { prefix: 'e2e:' }")
        .sink(&server)
        .start();
    let mut busy = proxy.client();
    assert_eq!(busy.ask("SET a 1"), "+OK\r\n");
    let before = proxy.resident_bytes();
    let began = Instant::now();
    // Two processes, and two addresses to connect to: each has so many ports to connect from.
    let mut crowds: Vec<Process> = (2..4)
        .map(|host| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_crowd"));
            command.args([(clients / 2).to_string(), format!("127.0.0.{host}:{port}")]);
            Process::spawn("crowd", &mut command)
        })
        .collect();
    for crowd in &mut crowds {
        wait_until("all of the crowd are connected", Duration::from_secs(120), || {
            assert!(crowd.ended().is_none(), "a crowd has ended:\n{}", crowd.output());
            crowd.output().contains("connected").then_some(())
        });
    }
    let connected = began.elapsed();
    let sessions = proxy.metrics().sum("sluice_sessions", &[]).unwrap_or_default() as u64;
    assert_eq!(sessions, clients / 2 * 2 + 1);
    let cost = proxy.resident_bytes().saturating_sub(before) / clients;
    let mut times: Vec<Duration> = (0..200)
        .map(|n| {
            let asked = Instant::now();
            assert_eq!(busy.ask("INCR a"), format!(":{}\r\n", n + 2));
            asked.elapsed()
        })
        .collect();
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    drop(crowds);
    wait_until("all of them are gone", Duration::from_secs(60), || {
        (proxy.metrics().sum("sluice_sessions", &[]) == Some(1.0)).then_some(())
    });
    println!(
        "{clients} idle clients, connected in {connected:.1?}, cost {cost} bytes each; \
         meanwhile a reply took {median:.1?}, the slowest {longest:.1?}"
    );
    assert!(cost <= COST, "{cost} bytes for each idle client");
    assert!(median < Duration::from_millis(20), "a reply takes {median:?}");
    assert_eq!(busy.ask("GET a"), "$3\r\n201\r\n");
}
