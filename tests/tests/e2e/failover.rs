//! Servers die under load: no acknowledged write is lost, none is executed twice, what is in doubt is said to be, and nobody gets
//! another's reply.
//!
//! The server writes every command to disk before it answers, so that whatever it acknowledged is there when it comes back, on the same
//! address or, as another server of the sink's list, on the other one. Every client keeps a ledger of what it has been told; what the
//! server has in the end must agree with it.

mod ledger;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_tests::ports::free_port;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Topology, inline, wait_until};

use crate::Stopping;
use crate::told::Told;
use ledger::{Counter, Tally};

const CLIENTS: usize = 50;
const ROUNDS: usize = 200;

/// Writes of all clients that must be acknowledged before the server dies again, in transactions and outside of them.
const WRITES_PER_ROUND: u64 = 100;

/// The proxy has closed the session.
struct Closed;

/// One client: what it has written, and what it knows of it.
struct Writer<'a> {
    number: usize,
    tally: &'a Tally,
    turn: u64,
    /// Incremented one by one and in pipelines.
    plain: Counter,
    /// Incremented in transactions, always together.
    first: Counter,
    second: Counter,
}

impl Writer<'_> {
    fn new(number: usize, tally: &Tally) -> Writer<'_> {
        Writer {
            number,
            tally,
            turn: 0,
            plain: Counter::new(format!("plain:{number}")),
            first: Counter::new(format!("first:{number}")),
            second: Counter::new(format!("second:{number}")),
        }
    }

    /// One thing after the other until it is told to stop.
    fn run(&mut self, addr: &str, stop: &AtomicBool) {
        let mut client = Client::connect(addr);
        while !stop.load(Ordering::Relaxed) {
            self.turn += 1;
            let done = match self.turn % 4 {
                0 => {
                    self.one_by_one(&mut client);
                    Ok(())
                }
                1 => self.transaction(&mut client, Sent::Together),
                2 => {
                    self.pipeline(&mut client);
                    Ok(())
                }
                _ => self.transaction(&mut client, if self.turn % 8 == 3 { Sent::InTwo } else { Sent::OneByOne }),
            };
            if let Err(Closed) = done {
                Tally::add(&self.tally.closed, 1);
                client = Client::connect(addr);
            }
            // So that all of it goes on during every round, and the server's log stays short.
            std::thread::sleep(Duration::from_millis(4));
        }
        assert!(client.silent_for(Duration::from_millis(20)), "client {} got more than it asked for", self.number);
    }

    fn one_by_one(&mut self, client: &mut Client) {
        for _ in 0..2 {
            client.send(&inline(&format!("INCR {}", self.plain.key)));
            self.plain.incremented(&Told::next(client), self.tally);
        }
        client.send(&inline(&format!("GET {}", self.plain.key)));
        self.plain.seen(&Told::next(client));
    }

    fn pipeline(&mut self, client: &mut Client) {
        let tag = format!("{}-{}", self.number, self.turn);
        let incr = inline(&format!("INCR {}", self.plain.key));
        let get = inline(&format!("GET {}", self.plain.key));
        client.send(&[incr.repeat(4), inline(&format!("ECHO {tag}")), incr, get].concat());
        for _ in 0..4 {
            self.plain.incremented(&Told::next(client), self.tally);
        }
        match Told::next(client) {
            Told::Text(text) => assert_eq!(text, tag, "client {} got another's reply", self.number),
            told => assert!(told.is_error(), "ECHO {tag}: {told:?}"),
        }
        self.plain.incremented(&Told::next(client), self.tally);
        self.plain.seen(&Told::next(client));
    }

    /// Both counters, or neither. What stands behind a MULTI that failed must not be executed as if there had been none.
    fn transaction(&mut self, client: &mut Client, sent: Sent) -> Result<(), Closed> {
        let requests = ["MULTI".to_owned(), format!("INCR {}", self.first.key), format!("INCR {}", self.second.key)];
        let requests: Vec<Vec<u8>> = requests.iter().map(|line| inline(line)).chain([inline("EXEC")]).collect();
        if sent == Sent::Together {
            client.send(&requests.concat());
        } else if sent == Sent::InTwo {
            client.send(&requests[..2].concat());
            std::thread::sleep(Duration::from_millis(1));
            client.try_send(&requests[2..].concat()).map_err(|_| Closed)?;
        }
        let (mut begun, mut well) = (false, true);
        for (at, request) in requests.iter().enumerate() {
            if sent == Sent::OneByOne {
                client.try_send(request).map_err(|_| Closed)?;
            }
            let exec = at == requests.len() - 1;
            match Told::next(client) {
                Told::Ok if at == 0 => begun = true,
                // One that was refused does not keep the server from queueing the others: EXEC will say no.
                Told::Queued if begun && !exec => {}
                Told::Pair(first, second) if well && exec => {
                    assert_eq!(first, second, "client {}: half a transaction", self.number);
                    Tally::add(&self.tally.transactions, 1);
                    self.first.incremented(&Told::Value(first), self.tally);
                    self.second.incremented(&Told::Value(second), self.tally);
                }
                // A session that has lost its transaction is closed; what was not read by then stays unanswered.
                Told::Unanswered if sent != Sent::Together => {
                    if exec {
                        self.first.unanswered(self.tally);
                        self.second.unanswered(self.tally);
                    }
                    return Err(Closed);
                }
                told => {
                    assert!(told.is_error(), "client {}: {told:?} to request {at}, sent {sent:?}", self.number);
                    well = false;
                    if exec {
                        self.first.incremented(&told, self.tally);
                        self.second.incremented(&told, self.tally);
                    } else if sent == Sent::OneByOne {
                        // Whoever waits for the answer knows better than to go on.
                        client.try_send(&inline("DISCARD")).map_err(|_| Closed)?;
                        if Told::next(client) == Told::Unanswered {
                            return Err(Closed);
                        }
                        break;
                    }
                }
            }
        }
        if well { Ok(()) } else { self.is_there(client) }
    }

    /// Whether the session has outlived what has happened.
    fn is_there(&self, client: &mut Client) -> Result<(), Closed> {
        client.try_send(&inline("ECHO there")).map_err(|_| Closed)?;
        match Told::next(client) {
            Told::Unanswered => Err(Closed),
            told => {
                assert!(told.is_error() || told == Told::Text("there".to_owned()), "client {}: {told:?}", self.number);
                Ok(())
            }
        }
    }
}

/// How a transaction is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sent {
    Together,
    InTwo,
    OneByOne,
}

#[test]
fn no_acknowledged_write_is_lost_and_none_is_executed_twice_while_servers_die() {
    let began = Instant::now();
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let ports = [server.port(), free_port()];
    let servers = ports.map(|port| format!("127.0.0.1:{port}"));
    let proxy = Topology::new().sink_to(&servers, "connect_timeout: 1s").start();
    let (stop, tally) = (AtomicBool::new(false), Tally::default());
    let mut random = SmallRng::seed_from_u64(20_260_101);
    let mut replaced = 0;
    let writers: Vec<Writer<'_>> = std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (stop, tally, addr) = (&stop, &tally, proxy.addr());
                scope.spawn(move || {
                    // One that fails ends the test at once.
                    let ended = Ended(&tally.ended);
                    let mut writer = Writer::new(number, tally);
                    writer.run(addr, stop);
                    drop(ended);
                    writer
                })
            })
            .collect();
        let wait_for_writes = || {
            let wanted = tally.written().map(|written| written + WRITES_PER_ROUND);
            wait_until("writes are acknowledged", SOON, || {
                let ended = tally.ended.load(Ordering::Relaxed);
                assert_eq!(ended, 0, "{ended} clients have failed: the first says why");
                tally.written().iter().zip(wanted).all(|(written, wanted)| *written >= wanted).then_some(())
            });
        };
        for round in 0..ROUNDS {
            wait_for_writes();
            std::thread::sleep(Duration::from_micros(random.random_range(0..10_000)));
            if round % 3 == 2 {
                replaced += 1;
                let other = ports.into_iter().find(|&port| port != server.port()).unwrap();
                server.restart_at(other);
            } else {
                server.restart();
            }
        }
        wait_for_writes();
        drop(stopping);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut direct = server.client();
    let mut executed = 0;
    for writer in &writers {
        let counters = [&writer.plain, &writer.first, &writer.second];
        let values = counters.map(|counter| {
            let reply = direct.ask(&format!("GET {}", counter.key));
            counter.check(Told::read(&reply).number().unwrap_or(0))
        });
        assert_eq!(values[1], values[2], "client {}: half a transaction", writer.number);
        executed += values.iter().sum::<u64>();
    }
    println!(
        "{ROUNDS} rounds ({replaced} of them with another server) in {:.1?}: {}; {executed} executed in all",
        began.elapsed(),
        tally.summary(),
    );
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (acknowledged, in_doubt, not_sent) =
        (count(&tally.acknowledged), count(&tally.in_doubt), count(&tally.not_sent));
    assert!(acknowledged > ROUNDS as u64 * 2 * WRITES_PER_ROUND);
    assert!(in_doubt > 0 && not_sent > 0, "the server never died at a bad moment: there was nothing to test");
    assert!(executed >= acknowledged && executed <= acknowledged + in_doubt + count(&tally.unanswered));
}

/// Counts a thread that ends.
struct Ended<'a>(&'a AtomicU64);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn what_stands_behind_a_transaction_that_could_not_begin_is_not_executed() {
    for (begin, rest) in [("MULTI", &["INCR a", "EXEC"][..]), ("WATCH b", &["MULTI", "INCR a", "EXEC"])] {
        let server = RedisServer::start();
        let proxy = Topology::new().sink(&server).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        // The server takes no more connections than there are, so there is none for a transaction; and then it does.
        let mut direct = server.client();
        let connected = RedisServer::info(&mut direct, "clients", "connected_clients");
        assert_eq!(direct.ask(&format!("CONFIG SET maxclients {connected}")), "+OK\r\n");
        let refused = client.ask(begin);
        assert!(refused.starts_with(b"-ERR"), "{begin}: {refused:?}");
        assert_eq!(direct.ask("CONFIG SET maxclients 1000"), "+OK\r\n");
        // Sent by somebody who had not seen the answer yet.
        let _ = client.try_send(&rest.iter().flat_map(|line| inline(line)).collect::<Vec<u8>>());
        client.set_reply_limit(Duration::from_secs(1));
        for request in rest {
            if let Ok(Some(reply)) = client.try_reply() {
                assert!(reply.starts_with(b"-"), "{request} behind {begin} that failed: {reply:?}");
            }
        }
        assert_eq!(direct.ask("EXISTS a"), ":0\r\n", "{begin}");
        assert_eq!(proxy.client().ask("INCR a"), ":1\r\n", "{begin}");
    }
}
