//! Servers that are slow, stopped, dead or the wrong ones: the client is told in time, and another server takes over.

use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, Listed, RedisServer, Sluice, Topology, inline, wait_until};

const TIMED_OUT: &str = "-ERR the upstream did not answer in time; whether this request was executed is unknown\r\n";
const NOT_SENT: &str = "-ERR the upstream is unreachable; this request was not sent\r\n";

/// Two servers that answer `GET where` with their names.
fn two_servers() -> [RedisServer; 2] {
    let server = |name: &str| {
        let server = RedisServer::start_with(&["--user", "ann", "on", ">secret", "~*", "&*", "+@all"]);
        assert_eq!(server.client().ask(&format!("SET where {name}")), "+OK\r\n");
        server
    };
    [server("first"), server("second")]
}

fn proxy_to(servers: &[&RedisServer], more: &str) -> Sluice {
    let addrs: Vec<String> = servers.iter().map(|server| server.addr()).collect();
    Topology::new().sink_to(&addrs, more).start()
}

/// Waits until the proxy has found another server, without asking it for anything.
#[track_caller]
fn taken_over(proxy: &Sluice, times: usize) {
    wait_until("another server takes over", SOON, || {
        (proxy.output().matches("another server takes over").count() >= times).then_some(())
    });
}

#[test]
fn a_late_reply_finds_nobody() {
    const ROUNDS: usize = 3;
    let server = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    let proxy = proxy_to(&[&server], "request_timeout: 300ms");
    let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("PING"), "+PONG\r\n"));
    let mut direct = server.client();
    let before = Listed::others(&mut direct)[0].field("id").to_owned();
    let (mut late, mut right) = (0, 0);
    for round in 0..ROUNDS {
        let began = Instant::now();
        let mut sleeper = proxy.client();
        // Longer than any request may take, and shorter than it takes until the connection is given up.
        sleeper.send(&inline("DEBUG SLEEP 0.55"));
        wait_until("the server sleeps", SOON, || {
            let mut look = server.client();
            look.send(&inline("PING"));
            look.silent_for(Duration::from_millis(20)).then_some(())
        });
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(&[inline(&format!("ECHO late-{round}-{n}")), inline(&format!("INCR late:{n}"))].concat());
        }
        assert_eq!(sleeper.reply(), TIMED_OUT);
        for client in &mut clients {
            assert_eq!(client.replies(2), [TIMED_OUT; 2]);
            late += 2;
        }
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(300), "told after {waited:?}");
        // These get their own replies and not the late ones, which are still to come or have just been dropped.
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(&inline(&format!("ECHO own-{round}-{n}")));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let own = format!("own-{round}-{n}");
            let reply = client.reply();
            if reply != TIMED_OUT {
                assert_eq!(reply, format!("${}\r\n{own}\r\n", own.len()));
                right += 1;
            }
        }
        // What timed out was executed all the same, and once.
        for n in 0..clients.len() {
            assert_eq!(direct.ask(&format!("GET late:{n}")), format!("$1\r\n{}\r\n", round + 1));
        }
    }
    clients.iter_mut().for_each(|client| assert!(client.silent_for(Duration::from_millis(2))));
    println!("{late} replies came late, and nobody got them; {right} others were right");
    assert!(right > 0);
    assert_eq!(Listed::others(&mut direct)[0].field("id"), before, "the connection was given up");
}

#[test]
fn a_server_that_has_stopped_is_given_up_while_requests_wait() {
    let [mut first, second] = two_servers();
    let more = "request_timeout: 200ms, connect_timeout: 300ms";
    let proxy = proxy_to(&[&first, &second], more);
    let mut client = proxy.client();
    assert_eq!(client.ask("GET where"), "$5\r\nfirst\r\n");
    // A blocking command may take as long as it likes.
    let mut waiter = proxy.client();
    waiter.send(&inline("BLPOP queue 0"));
    assert!(waiter.silent_for(Duration::from_millis(600)));
    assert_eq!(client.ask("RPUSH queue x"), ":1\r\n");
    assert_eq!(waiter.reply(), "*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n");
    first.pause();
    let began = Instant::now();
    assert_eq!(client.ask("GET where"), TIMED_OUT);
    let told = began.elapsed();
    let mut errors = 1;
    wait_until("the second one takes over", SOON, || {
        let reply = client.ask("GET where");
        if reply == "$6\r\nsecond\r\n" {
            return Some(());
        }
        assert!(reply.starts_with(b"-ERR the upstream "), "{reply:?}");
        errors += 1;
        None
    });
    println!("told after {told:?}; the second server answered after {:?} and {errors} errors", began.elapsed());
    assert!(told < Duration::from_millis(600), "told after {told:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    first.resume();
}

#[test]
fn silence_is_looked_into_and_the_next_server_takes_over() {
    let [mut first, mut second] = two_servers();
    let more = "health_interval: 200ms, connect_timeout: 300ms";
    let proxy = proxy_to(&[&first, &second], more);
    let mut client = proxy.client();
    assert_eq!(client.ask("GET where"), "$5\r\nfirst\r\n");
    // One that lives and has nothing to say is left alone.
    let mut direct = first.client();
    let before = Listed::others(&mut direct)[0].field("id").to_owned();
    wait_until("it was asked a few times", SOON, || {
        let info = direct.ask("INFO commandstats");
        let info = String::from_utf8_lossy(&info);
        let calls = info.split("cmdstat_ping:calls=").nth(1)?.split(',').next()?.parse::<u32>().ok()?;
        (calls > 4).then_some(())
    });
    assert_eq!(Listed::others(&mut direct)[0].field("id"), before);
    let began = Instant::now();
    first.pause();
    taken_over(&proxy, 1);
    let found = began.elapsed();
    let asked = Instant::now();
    assert_eq!(client.ask("GET where"), "$6\r\nsecond\r\n");
    let answered = asked.elapsed();
    println!("a stopped server was found after {found:?}; then the next request took {answered:?}");
    assert!(found < Duration::from_secs(3), "{found:?}");
    assert!(answered < Duration::from_secs(1), "{answered:?}");
    // And back, when the second one stops.
    first.resume();
    second.pause();
    taken_over(&proxy, 2);
    assert_eq!(client.ask("GET where"), "$5\r\nfirst\r\n");
    second.resume();
}

#[test]
fn a_dead_server_is_said_to_be_at_once() {
    let mut server = RedisServer::start();
    let proxy = proxy_to(&[&server], "");
    let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("PING"), "+PONG\r\n"));
    server.kill();
    let (mut longest, mut told) = (Duration::ZERO, 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        for client in &mut clients {
            let asked = Instant::now();
            client.send(&inline("SET a 1").repeat(10));
            // The first may have been written to a connection whose end was not known yet.
            for reply in client.replies(10) {
                assert!(reply == NOT_SENT || told == 0, "{reply:?}");
            }
            // What needs a connection of its own is told as fast.
            let reply = client.ask("BLPOP queue 0");
            assert!(reply.starts_with(b"-ERR the upstream "), "{reply:?}");
            longest = longest.max(asked.elapsed());
            told += 11;
        }
    }
    println!("{told} requests were refused, the slowest eleven in {longest:?}");
    assert!(told > 500, "only {told} requests were answered in a second");
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    server.restart();
    let back = Instant::now();
    wait_until("the proxy has found it again", SOON, || (clients[0].ask("PING") == "+PONG\r\n").then_some(()));
    println!("it was found again after {:?}", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_server_that_says_it_is_a_replica_is_passed_over_until_it_is_none() {
    let mut primary = RedisServer::start();
    let replica = RedisServer::start_with(&[
        "--replicaof",
        &format!("127.0.0.1 {}", primary.port()),
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let mut at_replica = replica.client();
    wait_until("the replica has a copy", SOON, || {
        let info = at_replica.ask("INFO replication");
        String::from_utf8_lossy(&info).contains("master_link_status:up").then_some(())
    });
    let proxy = proxy_to(&[&replica, &primary], "connect_timeout: 500ms");
    let mut client = proxy.client();
    for n in 0..50 {
        assert_eq!(client.ask(&format!("SET key:{n} {n}")), "+OK\r\n");
    }
    // What the replica has acknowledged before the primary dies is not lost.
    assert_eq!(client.ask("WAIT 1 5000"), ":1\r\n");
    assert!(proxy.output().contains("it is a replica"), "nobody asked the first server");
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    assert_eq!(client.ask("SET private yes"), "+QUEUED\r\n");
    assert_eq!(client.ask("EXEC"), "*1\r\n+OK\r\n");
    primary.kill();
    wait_until("a request fails", SOON, || {
        client.ask("SET while-nobody-is-primary 1").starts_with(b"-ERR").then_some(())
    });
    assert_eq!(at_replica.ask("REPLICAOF NO ONE"), "+OK\r\n");
    wait_until("the replica has taken over", SOON, || (client.ask("SET now here") == "+OK\r\n").then_some(()));
    for n in 0..50 {
        let text = n.to_string();
        assert_eq!(
            client.ask(&format!("GET key:{n}")),
            format!("${}\r\n{n}\r\n", text.len()),
            "acknowledged by the replica"
        );
    }
    assert_eq!(client.ask("EXISTS while-nobody-is-primary"), ":0\r\n");
    assert_eq!(at_replica.ask("GET now"), "$4\r\nhere\r\n");
}

#[test]
fn a_session_is_the_same_on_the_next_server() {
    let [mut first, second] = two_servers();
    let proxy = proxy_to(&[&first, &second], "connect_timeout: 500ms");
    let mut known = proxy.client();
    known.hello3();
    for request in ["AUTH ann secret", "SELECT 3", "CLIENT SETNAME somebody"] {
        assert_eq!(known.ask(request), "+OK\r\n");
    }
    let (mut listener, mut plain) = (proxy.client(), proxy.client());
    assert!(listener.ask("SUBSCRIBE news").starts_with(b"*3\r\n$9\r\nsubscribe"));
    assert!(listener.ask("PSUBSCRIBE n*").starts_with(b"*3\r\n$10\r\npsubscribe"));
    let mut watcher = proxy.client();
    assert_eq!(watcher.ask("WATCH a"), "+OK\r\n");
    assert_eq!(plain.ask("GET where"), "$5\r\nfirst\r\n");
    first.kill();
    wait_until("the second server answers", SOON, || (plain.ask("GET where") == "$6\r\nsecond\r\n").then_some(()));
    wait_until("it answers whom it knows", SOON, || (known.ask("SET in three") == "+OK\r\n").then_some(()));
    let listed = Listed::own(&mut known);
    for (field, expected) in [("user", "ann"), ("db", "3"), ("resp", "3"), ("name", "somebody")] {
        assert_eq!(listed.field(field), expected, "{field}");
    }
    assert_eq!(plain.ask("EXISTS in"), ":0\r\n");
    // What was watched cannot be watched again: that session has ended.
    let _ = watcher.try_send(&[inline("MULTI"), inline("SET a 1"), inline("EXEC")].concat());
    while let Ok(Some(reply)) = watcher.try_reply() {
        assert!(reply.starts_with(b"-"), "{reply:?}");
    }
    assert_eq!(plain.ask("EXISTS a"), ":0\r\n");
    wait_until("the listener is subscribed again", SOON, || (plain.ask("PUBLISH news x") == ":2\r\n").then_some(()));
    let message = listener.reply();
    assert!(message.ends_with(b"$4\r\nnews\r\n$1\r\nx\r\n"), "{message:?}");
}
