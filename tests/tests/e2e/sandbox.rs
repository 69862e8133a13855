//! A component that misbehaves costs its own requests an error, and nobody else anything.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Sluice, Topology, inline, wait_until};

use crate::{Stopping, WORKERS};

/// What a component does to the request `GET <deed>`, and the kind of fault that is counted for it.
const DEEDS: &[(&str, &str)] = &[
    ("loop", "deadline"),
    ("bomb", "memory"),
    ("panic", "trap"),
    ("overflow", "stack"),
    ("two-frames", "invalid-answer"),
    ("half-a-frame", "invalid-answer"),
    ("no-frame", "invalid-answer"),
    ("push", "invalid-answer"),
    ("response,loop", "deadline"),
    ("response,bomb", "memory"),
    ("response,panic", "trap"),
    ("response,overflow", "stack"),
    ("response,two-frames", "invalid-answer"),
    ("response,half-a-frame", "invalid-answer"),
];

/// A chain of three, of which the one in the middle misbehaves when it is told to.
fn hostile(server: &RedisServer, workers: usize, more: &str) -> Topology {
    Topology::new()
        .workers(workers)
        // Time enough to use up the little memory.
        .plugin(
            "Hostile",
            "hostile.wasm",
            &format!("grants: [clock], limits: {{ memory: 4MiB, crossing: 20ms }}{more}"),
        )
        .plugin("WatchAll", "watch_all.wasm", "")
        .transform("KeyPrefix: { prefix: 'e2e:' }")
        .transform("Hostile: {}")
        .transform("WatchAll: {}")
        .sink(server)
}

/// KeyPrefix stands before it, so deeds are asked for with a command whose argument 1 is no key.
fn commit(client: &mut Client, deed: &str) -> bytes::Bytes {
    client.ask(&format!("ECHO {deed}"))
}

fn faults(proxy: &Sluice, kind: &str) -> f64 {
    proxy.metrics().sum("sluice_transform_faults_total", &[("plugin", "Hostile"), ("kind", kind)]).unwrap_or_default()
}

#[test]
fn a_fault_costs_its_request_an_error_and_is_counted() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        for (deed, kind) in DEEDS {
            let before = faults(&proxy, kind);
            let mut client = proxy.client();
            let reply = commit(&mut client, deed);
            assert!(reply.starts_with(b"-"), "{deed}: {reply:?}");
            let text = String::from_utf8_lossy(&reply);
            assert!(!text.contains("wasm") && !text.contains("0x"), "no insides are told to clients: {text}");
            // The same session goes on, through a new instance.
            assert_eq!(client.ask("SET after fault"), "+OK\r\n", "{deed}");
            assert_eq!(client.ask("GET after"), "$5\r\nfault\r\n", "{deed}");
            wait_until(&format!("a fault of kind {kind} is counted for {deed}"), SOON, || {
                (faults(&proxy, kind) >= before + 1.0).then_some(())
            });
        }
        assert_eq!(server.client().ask("GET e2e:after"), "$5\r\nfault\r\n");
    }
}

#[test]
fn a_fault_between_other_requests_of_a_session_leaves_their_replies_in_place() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        for (deed, _) in DEEDS {
            let mut client = proxy.client();
            let requests = [inline("INCR before"), inline(&format!("ECHO {deed}")), inline("ECHO after")].concat();
            client.send(&requests);
            let replies = client.replies(3);
            assert!(replies[1].starts_with(b"-"), "{deed}: {replies:?}");
            // Each reply is the request's own: what it asked for, or the error of the crossing that it was in.
            assert!(replies[0].starts_with(b":") || replies[0].starts_with(b"-"), "{deed}: {replies:?}");
            assert!(replies[2] == "$5\r\nafter\r\n" || replies[2].starts_with(b"-"), "{deed}: {replies:?}");
            assert_eq!(client.ask("ECHO next"), "$4\r\nnext\r\n", "{deed}");
        }
    }
}

#[test]
fn a_fault_disturbs_no_session_that_is_not_in_its_crossing() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        let mut neighbours: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
        for (deed, _) in DEEDS {
            let mut attacker = proxy.client();
            assert!(commit(&mut attacker, deed).starts_with(b"-"), "{deed}");
            for (n, neighbour) in neighbours.iter_mut().enumerate() {
                let token = format!("{deed}-{n}");
                assert_eq!(neighbour.ask(&format!("ECHO x{token}")), format!("${}\r\nx{token}\r\n", token.len() + 1));
            }
        }
    }
}

#[test]
fn a_fault_costs_the_sessions_that_share_its_crossing_nothing() {
    const NEIGHBOURS: usize = 24;
    let server = RedisServer::start();
    for workers in WORKERS {
        let mut proxy = hostile(&server, workers, "").start();
        for deed in ["panic", "loop", "bomb", "two-frames", "response,panic", "response,loop"] {
            let mut neighbours: Vec<Client> = (0..NEIGHBOURS).map(|_| proxy.client()).collect();
            let mut attacker = proxy.client();
            for client in neighbours.iter_mut().chain([&mut attacker]) {
                assert_eq!(client.ask("PING"), "+PONG\r\n");
            }
            // All of it has arrived when the proxy looks again: each worker takes it in one turn, as one vector.
            proxy.pause();
            for (n, neighbour) in neighbours.iter_mut().enumerate() {
                if n == NEIGHBOURS / 2 {
                    attacker.send(&inline(&format!("ECHO {deed}")));
                }
                neighbour.send(&inline(&format!("ECHO n{n:02}")));
            }
            proxy.resume();
            assert!(attacker.reply().starts_with(b"-"), "{deed}");
            let failed: Vec<String> = neighbours
                .iter_mut()
                .enumerate()
                .filter_map(|(n, neighbour)| {
                    let reply = neighbour.reply();
                    (reply != format!("$3\r\nn{n:02}\r\n")).then(|| format!("n{n:02}: {reply:?}"))
                })
                .collect();
            assert!(failed.is_empty(), "{deed} cost {} neighbours their replies: {failed:?}", failed.len());
        }
    }
}

/// Sends tagged requests until it is told to stop, and counts the rounds. Every reply is the request's own, or this panics.
fn tagged_rounds(mut client: Client, name: usize, stop: &AtomicBool, rounds: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let round = rounds.load(Ordering::Relaxed);
        let tokens: Vec<String> = (0..8).map(|n| format!("n{name}-{round}-{n}")).collect();
        client.send(&tokens.iter().flat_map(|token| inline(&format!("ECHO {token}"))).collect::<Vec<_>>());
        for token in &tokens {
            assert_eq!(client.reply(), format!("${}\r\n{token}\r\n", token.len()), "{token}");
        }
        rounds.fetch_add(1, Ordering::Relaxed);
        // Others are alone with the component many times in a row, and not always.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `attack` while neighbours send requests of their own, until it returns; none of theirs may fail.
fn among_neighbours(proxy: &Sluice, attack: impl FnOnce(&[AtomicUsize])) {
    const NEIGHBOURS: usize = 8;
    let stop = AtomicBool::new(false);
    let rounds: [AtomicUsize; NEIGHBOURS] = Default::default();
    std::thread::scope(|scope| {
        let _stopping = Stopping(&stop);
        for (name, rounds) in rounds.iter().enumerate() {
            let client = proxy.client();
            let stop = &stop;
            scope.spawn(move || tagged_rounds(client, name, stop, rounds));
        }
        attack(&rounds);
        stop.store(true, Ordering::Relaxed);
    });
}

/// All faults of the component that were counted: those that it was called for.
fn all_faults(proxy: &Sluice) -> f64 {
    let metrics = proxy.metrics();
    let sum = |labels: &[(&str, &str)]| metrics.sum("sluice_transform_faults_total", labels).unwrap_or_default();
    sum(&[("plugin", "Hostile")]) - sum(&[("plugin", "Hostile"), ("kind", "suspended")])
}

#[test]
fn faults_under_load_cost_the_attacker_alone() {
    // Those that end quickly: what others take is not to be mistaken for what this is about.
    const QUICK: &[&str] = &["panic", "two-frames", "response,panic", "response,half-a-frame"];
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        among_neighbours(&proxy, |rounds| {
            // One session that faults in everything, as fast as it can: soon it is suspended.
            let mut attacker = proxy.client();
            for round in 0..300 {
                let deed = QUICK[round % QUICK.len()];
                let reply = commit(&mut attacker, deed);
                assert!(reply.starts_with(b"-"), "{deed} in round {round}: {reply:?}");
            }
            // One that is not, because it does well in between.
            for round in 0..300 {
                let deed = QUICK[round % QUICK.len()];
                let mut attacker = proxy.client();
                attacker.send(&inline(&format!("ECHO {deed}")).repeat(3));
                assert!(attacker.replies(3).iter().all(|reply| reply.starts_with(b"-")), "{deed} in round {round}");
                assert_eq!(attacker.ask("ECHO well"), "$4\r\nwell\r\n", "{deed} in round {round}");
            }
            // Every deed that there is.
            for (deed, _) in DEEDS {
                assert!(commit(&mut proxy.client(), deed).starts_with(b"-"), "{deed}");
            }
            let now: Vec<usize> = rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed)).collect();
            wait_until("every neighbour goes on", SOON, || {
                rounds.iter().zip(&now).all(|(round, now)| round.load(Ordering::Relaxed) > *now).then_some(())
            });
        });
        let counted = all_faults(&proxy);
        assert!(counted >= 300.0, "the component faulted {counted} times only");
    }
}

#[test]
fn faults_while_nobody_else_is_there_cost_later_neighbours_nothing() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        let mut neighbour = proxy.client();
        assert_eq!(neighbour.ask("PING"), "+PONG\r\n");
        let mut attacker = proxy.client();
        for round in 0..300 {
            // Alone in every crossing, many times in a row, ...
            attacker.send(&[inline("ECHO panic"), inline("GET panic")].concat());
            assert!(attacker.replies(2)[0].starts_with(b"-"), "round {round}");
            if round % 10 == 0 {
                assert_eq!(neighbour.ask("ECHO mine"), "$4\r\nmine\r\n", "round {round}");
            }
        }
        // ... and with everything in one turn: the others', and that of many who fault.
        let mut attackers: Vec<Client> = (0..12).map(|_| proxy.client()).collect();
        for round in 0..20 {
            for attacker in &mut attackers {
                attacker.send(&inline("ECHO response,panic"));
            }
            neighbour.send(&inline("ECHO mine"));
            assert_eq!(neighbour.reply(), "$4\r\nmine\r\n", "round {round}");
            for attacker in &mut attackers {
                assert!(attacker.reply().starts_with(b"-"), "round {round}");
            }
        }
    }
}

#[test]
fn on_fault_bypass_lets_the_request_go_on_as_if_the_transform_were_not_there() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, ", on_fault: bypass").start();
        let mut client = proxy.client();
        for (deed, _) in DEEDS {
            assert_eq!(commit(&mut client, deed), format!("${}\r\n{deed}\r\n", deed.len()));
        }
    }
}

#[test]
fn on_fault_close_closes_the_session_after_its_earlier_replies() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, ", on_fault: close").start();
        let mut neighbour = proxy.client();
        let mut client = proxy.client();
        assert_eq!(client.ask("ECHO earlier"), "$7\r\nearlier\r\n");
        client.send(&inline("ECHO panic"));
        let rest = client.rest();
        assert!(rest.is_empty() || rest.starts_with(b"-"), "{rest:?}");
        assert_eq!(neighbour.ask("PING"), "+PONG\r\n");
    }
}

#[test]
fn a_component_that_always_faults_is_left_alone_and_tried_again() {
    let server = RedisServer::start();
    let proxy = hostile(&server, 1, "").start();
    let mut client = proxy.client();
    let mut neighbour = proxy.client();
    let began = Instant::now();
    for _ in 0..200 {
        assert!(commit(&mut client, "loop").starts_with(b"-"));
    }
    // 200 loops of at least 20 ms each were not run to their end: most were refused at once.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let counted = faults(&proxy, "deadline");
    assert!((1.0..50.0).contains(&counted), "{counted} loops were run");
    // It is this session that is suspended, and the next one is not.
    assert!(client.ask("ECHO well").starts_with(b"-ERR transform 'Hostile' is suspended"));
    assert_eq!(neighbour.ask("ECHO well"), "$4\r\nwell\r\n");
    wait_until("it is tried again and works", Duration::from_secs(60), || {
        (client.ask("ECHO well") == "$4\r\nwell\r\n").then_some(())
    });
}

#[test]
fn a_component_that_faults_for_everyone_is_suspended_for_everyone() {
    let server = RedisServer::start();
    let proxy = hostile(&server, 1, "").start();
    // Each session is new, so none has faulted before.
    let refused =
        (0..200).find(|_| commit(&mut proxy.client(), "panic").starts_with(b"-ERR transform 'Hostile' is sus"));
    assert!(refused.is_some_and(|sessions| sessions >= 8), "{refused:?}");
    let mut client = proxy.client();
    wait_until("it is tried again and works", Duration::from_secs(60), || {
        (client.ask("ECHO well") == "$4\r\nwell\r\n").then_some(())
    });
}

#[test]
fn a_transform_can_close_its_own_session_only() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        let mut neighbour = proxy.client();
        for (deed, last) in [("close", ""), ("close-with", "-ERR closed by a transform\r\n")] {
            let mut client = proxy.client();
            client.send(&[inline("ECHO earlier"), inline(&format!("ECHO {deed}")), inline("SET after close")].concat());
            assert_eq!(client.rest(), format!("$7\r\nearlier\r\n{last}"));
            assert_eq!(neighbour.ask("EXISTS after"), ":0\r\n");
        }
    }
}

/// Commands that change what a connection is, or that have no reply, or several. A transform that smuggles one in must not
/// get it onto a connection that others share.
const SMUGGLED: &[&str] = &[
    "MULTI",
    "SUBSCRIBE,a,b,c",
    "PSUBSCRIBE,*",
    "MONITOR",
    "SELECT,5",
    "HELLO,3",
    "CLIENT,REPLY,OFF",
    "CLIENT,REPLY,SKIP",
    "QUIT",
    "RESET",
    "BLPOP,none,0",
    "WATCH,a",
    "AUTH,x,y",
    "CLIENT,TRACKING,ON",
    "SYNC",
    "PSYNC,?,-1",
    "",
];

#[test]
fn a_transform_cannot_smuggle_a_command_onto_a_shared_connection() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        let mut neighbours: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
        for words in SMUGGLED {
            for deed in [format!("become,{words}"), format!("fan,PING,{},PING", words.replace(',', "+"))] {
                let mut attacker = proxy.client();
                attacker.send(&[inline(&format!("ECHO {deed}")), inline("ECHO after")].concat());
                for round in 0..3 {
                    for (n, neighbour) in neighbours.iter_mut().enumerate() {
                        let token = format!("{round}-{n}");
                        assert_eq!(neighbour.ask(&format!("ECHO {token}")), format!("$3\r\n{token}\r\n"), "{deed}");
                        assert_eq!(neighbour.ask("SET smuggled no"), "+OK\r\n", "{deed}");
                        assert_eq!(neighbour.ask("HGETALL none"), "*0\r\n", "{deed}");
                    }
                }
            }
        }
        assert_eq!(server.client().ask("GET e2e:smuggled"), "$2\r\nno\r\n");
    }
}

#[test]
fn a_fan_out_comes_back_as_one_array() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = hostile(&server, workers, "").start();
        let mut client = proxy.client();
        client.send(
            &[inline("ECHO before"), inline("ECHO fan,SET+a+1,INCR+a,GET+a,nosuch"), inline("ECHO after")].concat(),
        );
        assert_eq!(client.reply(), "$6\r\nbefore\r\n");
        let array = client.reply();
        let text = String::from_utf8_lossy(&array);
        assert!(text.starts_with("*4\r\n+OK\r\n:2\r\n$1\r\n2\r\n-ERR unknown command 'nosuch'"), "{text}");
        assert_eq!(client.reply(), "$5\r\nafter\r\n");
    }
}

#[test]
fn a_granted_clock_tells_the_time() {
    let server = RedisServer::start();
    let proxy = hostile(&server, 1, "").start();
    let reply = commit(&mut proxy.client(), "time");
    let text = String::from_utf8_lossy(&reply);
    let told: u128 = text.lines().nth(1).unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(told) < 10_000, "{told} is not about {now}");
}
