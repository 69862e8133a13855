//! A client that goes while it waits in a blocking command takes nothing with it.

use std::net::TcpStream;
use std::time::Instant;

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Topology, inline, wait_until};
use socket2::SockRef;

/// How many waiters at a time, and how often.
const WAITERS: usize = 100;
const WAVES: usize = 10;

/// A way to wait for an element, and how to see that it is still there. `{}` is the number of the waiter; its keys are its own.
struct Way {
    before: &'static [&'static str],
    wait: &'static str,
    bring: &'static str,
    /// What is asked when the waiter has gone, and the reply if the element is there for others.
    look: &'static [(&'static str, &'static str)],
}

const WAYS: &[Way] = &[
    Way { before: &[], wait: "BLPOP l:{} 0", bring: "RPUSH l:{} v", look: &[("LPOP l:{}", "$1\r\nv\r\n")] },
    Way { before: &[], wait: "BRPOP none:{} l:{} 0", bring: "RPUSH l:{} v", look: &[("LPOP l:{}", "$1\r\nv\r\n")] },
    Way {
        before: &[],
        wait: "BRPOPLPUSH l:{} m:{} 0",
        bring: "RPUSH l:{} v",
        look: &[("EXISTS m:{}", ":0\r\n"), ("LPOP l:{}", "$1\r\nv\r\n")],
    },
    Way {
        before: &[],
        wait: "BLMOVE l:{} m:{} LEFT RIGHT 0",
        bring: "RPUSH l:{} v",
        look: &[("EXISTS m:{}", ":0\r\n"), ("LPOP l:{}", "$1\r\nv\r\n")],
    },
    Way { before: &[], wait: "BLMPOP 0 1 l:{} LEFT", bring: "RPUSH l:{} v", look: &[("LPOP l:{}", "$1\r\nv\r\n")] },
    Way {
        before: &[],
        wait: "BZPOPMIN z:{} 0",
        bring: "ZADD z:{} 1 v",
        look: &[("ZPOPMIN z:{}", "*2\r\n$1\r\nv\r\n$1\r\n1\r\n")],
    },
    Way { before: &[], wait: "BZMPOP 0 1 z:{} MAX", bring: "ZADD z:{} 1 v", look: &[("ZREM z:{} v", ":1\r\n")] },
    Way {
        before: &["XGROUP CREATE s:{} g $ MKSTREAM"],
        wait: "XREADGROUP GROUP g gone COUNT 1 BLOCK 0 STREAMS s:{} >",
        bring: "XADD s:{} 1-1 f v",
        look: &[
            ("XPENDING s:{} g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"),
            (
                "XREADGROUP GROUP g next STREAMS s:{} >",
                "*1\r\n*2\r\n{key}\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
            ),
        ],
    },
];

/// The ways to go.
const LEAVING: &[fn(Client)] = &[closes, closes_with_half_a_request, finishes_sending, resets];

fn closes(client: Client) {
    drop(client);
}

fn closes_with_half_a_request(mut client: Client) {
    client.send(b"*2\r\n$3\r\nGE");
}

/// The server takes that for the end of the client, and so does the proxy, which closes in turn.
fn finishes_sending(mut client: Client) {
    client.finish_sending();
    assert_eq!(client.rest(), "", "a blocked client that finishes sending is answered nothing");
}

fn resets(client: Client) {
    let socket: TcpStream = client.writer();
    SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

impl Way {
    fn line(line: &str, number: usize) -> String {
        line.replace("{}", &number.to_string())
    }
}

#[test]
fn a_client_that_goes_while_it_waits_takes_nothing_with_it() {
    let began = Instant::now();
    let server = RedisServer::start();
    let proxy = Topology::new().sink_to(&[server.addr()], "private_connections: { limit: 200, idle: 8 }").start();
    let (mut other, mut direct) = (proxy.client(), server.client());
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    let (mut eaten, mut rounds, mut ways) = (Vec::new(), 0, vec![0; WAYS.len()]);
    for wave in 0..WAVES {
        let numbers = wave * WAITERS..(wave + 1) * WAITERS;
        let way = |number: usize| &WAYS[(number + wave) % WAYS.len()];
        let mut waiters: Vec<Client> = numbers.clone().map(|_| proxy.client()).collect();
        for (number, waiter) in numbers.clone().zip(&mut waiters) {
            for line in way(number).before {
                assert_eq!(direct.ask(&Way::line(line, number)), "+OK\r\n");
            }
            // Some have sent something else before, and some want something else afterwards.
            let before = if number % 3 == 0 { inline("ECHO before") } else { Vec::new() };
            let after = if number % 5 == 0 { inline(&format!("SET after:{number} 1")) } else { Vec::new() };
            waiter.send(&[before.clone(), inline(&Way::line(way(number).wait, number)), after].concat());
            if !before.is_empty() {
                assert_eq!(waiter.reply(), "$6\r\nbefore\r\n");
            }
        }
        wait_until("all of them wait", SOON, || {
            (RedisServer::info(&mut direct, "clients", "blocked_clients") == WAITERS as u64).then_some(())
        });
        for (number, waiter) in numbers.clone().zip(waiters) {
            LEAVING[(number / WAYS.len()) % LEAVING.len()](waiter);
        }
        wait_until("none of them waits", SOON, || {
            (RedisServer::info(&mut direct, "clients", "blocked_clients") == 0).then_some(())
        });
        for number in numbers.clone() {
            let reply = other.ask(&Way::line(way(number).bring, number));
            assert!(!reply.starts_with(b"-"), "{reply:?}");
        }
        for number in numbers {
            let way = way(number);
            for (look, expected) in way.look {
                let key = format!("s:{number}");
                let expected = expected.replace("{key}", &format!("${}\r\n{key}", key.len()));
                let found = other.ask(&Way::line(look, number));
                if found != expected {
                    eaten.push(format!("{}: {look} says {found:?}", Way::line(way.wait, number)));
                }
            }
            assert_eq!(other.ask(&format!("EXISTS after:{number}")), ":0\r\n", "executed for a client that had gone");
            rounds += 1;
            ways[(number + wave) % WAYS.len()] += 1;
        }
    }
    println!(
        "{rounds} waiters have gone ({ways:?} of each way to wait) in {:.1?}: {} eaten",
        began.elapsed(),
        eaten.len()
    );
    assert_eq!(rounds, 1000);
    assert!(eaten.is_empty(), "{} of {rounds}: {:#?}", eaten.len(), &eaten[..eaten.len().min(10)]);
}

#[test]
fn the_connection_of_a_waiter_that_has_gone_is_nobody_elses() {
    let server = RedisServer::start();
    // One private connection: whoever comes next would get the one that still waits.
    let sink = "private_connections: { limit: 1, idle: 1, wait: 10s }";
    let proxy = Topology::new().sink_to(&[server.addr()], sink).start();
    let mut other = proxy.client();
    let mut served = 0;
    for round in 0..50 {
        let mut waiter = proxy.client();
        waiter.send(&inline("BLPOP queue 0"));
        let mut direct = server.client();
        wait_until("it waits", SOON, || {
            (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
        });
        LEAVING[round % LEAVING.len()](waiter);
        // At once, without a look at what the server knows by now.
        let mut next = proxy.client();
        next.send(&inline("BLPOP mine 0"));
        wait_until("the next one waits", SOON, || {
            let list = direct.ask("CLIENT LIST");
            let blocked = String::from_utf8_lossy(&list).matches("cmd=blpop").count();
            (blocked == 1 && RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
        });
        assert_eq!(other.ask("RPUSH mine m"), ":1\r\n");
        assert_eq!(next.reply(), "*2\r\n$4\r\nmine\r\n$1\r\nm\r\n");
        assert_eq!(other.ask("RPUSH queue q"), ":1\r\n");
        assert_eq!(next.ask("LPOP queue"), "$1\r\nq\r\n");
        served += 1;
    }
    println!("{served} waiters have gone, and each time the next one was served alone");
}

#[test]
fn a_client_that_goes_as_soon_as_it_has_asked_leaves_nobody_waiting() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink_to(&[server.addr()], "private_connections: { limit: 50, idle: 8 }").start();
    let (mut other, mut direct) = (proxy.client(), server.client());
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    let mut gone = 0;
    for number in 0..400 {
        let mut client = proxy.client();
        let wait = inline(&Way::line(WAYS[number % 6].wait, number));
        client.send(&if number % 3 == 0 { [inline("ECHO before"), wait].concat() } else { wait });
        match number / 6 % 3 {
            0 => drop(client),
            1 => resets(client),
            _ => {
                client.finish_sending();
                let rest = client.rest();
                assert_eq!(rest, if number % 3 == 0 { "$6\r\nbefore\r\n" } else { "" });
            }
        }
        gone += 1;
    }
    wait_until("the sessions have ended", SOON, || {
        (proxy.metrics().sum("sluice_sessions", &[]) == Some(1.0)).then_some(())
    });
    wait_until("nobody waits", SOON, || {
        (RedisServer::info(&mut direct, "clients", "blocked_clients") == 0).then_some(())
    });
    println!("{gone} clients asked and went");
}

#[test]
fn a_client_that_finishes_sending_gets_the_element_that_is_there() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let mut other = proxy.client();
    for round in 0..100 {
        assert_eq!(other.ask(&format!("RPUSH queue {round}")), ":1\r\n");
        let mut client = proxy.client();
        client.send(&[inline("ECHO before"), inline("BLPOP queue 0"), inline("ECHO behind")].concat());
        client.finish_sending();
        let element = round.to_string();
        let expected =
            format!("$6\r\nbefore\r\n*2\r\n$5\r\nqueue\r\n${}\r\n{element}\r\n$6\r\nbehind\r\n", element.len());
        assert_eq!(client.rest(), expected, "round {round}");
    }
}

#[test]
fn a_client_that_goes_while_it_is_not_read_from_leaves_nobody_waiting() {
    let server = RedisServer::start();
    let proxy = Topology::new().source("limits: { in_flight: 16KiB }").sink(&server).start();
    let (mut other, mut direct) = (proxy.client(), server.client());
    for behind in [inline("QUIT"), b"*1\r\n$x\r\n".to_vec(), inline(&format!("ECHO {}", "x".repeat(200))).repeat(200)] {
        let mut client = proxy.client();
        client.send(&[inline("BLPOP queue 0"), behind].concat());
        wait_until("it waits", SOON, || {
            (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
        });
        drop(client);
        wait_until("its session has ended", SOON, || {
            (proxy.metrics().sum("sluice_sessions", &[]) == Some(1.0)).then_some(())
        });
        assert_eq!(RedisServer::info(&mut direct, "clients", "blocked_clients"), 0);
        assert_eq!(other.ask("RPUSH queue v"), ":1\r\n");
        assert_eq!(other.ask("LPOP queue"), "$1\r\nv\r\n");
    }
}
