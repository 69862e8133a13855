//! Private connections are few, are lent one session after the other, and know nothing of the one before.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, Listed, RedisServer, Sluice, Topology, inline, wait_until};

use crate::Stopping;

const NO_CONNECTION: &str = "-ERR no private upstream connection became free in time; this request was not sent\r\n";

/// How many private connections the proxy says that it has.
fn private(proxy: &Sluice) -> usize {
    proxy.metrics().sum("sluice_upstream_connections", &[("kind", "private")]).unwrap_or_default() as usize
}

fn pool(server: &RedisServer, pool: &str) -> Sluice {
    Topology::new().sink_to(&[server.addr()], &format!("private_connections: {{ {pool} }}")).start()
}

#[test]
fn a_thousand_sessions_with_transactions_share_sixteen_connections() {
    const SESSIONS: usize = 1000;
    const TRANSACTIONS: usize = 10;
    const LIMIT: usize = 16;
    const THREADS: usize = 8;
    let began = Instant::now();
    let server = RedisServer::start();
    let proxy = pool(&server, "limit: 16, idle: 16, wait: 60s");
    let (stop, looks, done) = (AtomicBool::new(false), AtomicU64::new(0), AtomicUsize::new(0));
    let (most, most_told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        scope.spawn(|| {
            let mut direct = server.client();
            while !stop.load(Ordering::Relaxed) {
                // One of those that are not ours is the shared connection.
                let upstream = Listed::others(&mut direct).len() - 1;
                most.fetch_max(upstream, Ordering::Relaxed);
                most_told.fetch_max(private(&proxy), Ordering::Relaxed);
                looks.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (proxy, done) = (&proxy, &done);
                scope.spawn(move || {
                    let numbers = (thread..SESSIONS).step_by(THREADS);
                    let mut clients: Vec<(usize, Client)> = numbers.map(|number| (number, proxy.client())).collect();
                    for round in 1..=TRANSACTIONS {
                        let requests = ["MULTI", "INCR", "ECHO", "EXEC"];
                        let expected = |number: usize| {
                            let echo = format!("${}\r\n{number}\r\n", number.to_string().len());
                            [
                                "+OK\r\n".into(),
                                "+QUEUED\r\n".into(),
                                "+QUEUED\r\n".into(),
                                format!("*2\r\n:{round}\r\n{echo}"),
                            ]
                        };
                        // All of them at once, each in one piece; then each by itself, request by request.
                        if round % 2 == 0 {
                            for (number, client) in &mut clients {
                                client.send(&requests.map(|name| transaction(name, *number)).concat());
                            }
                            for (number, client) in &mut clients {
                                assert_eq!(client.replies(requests.len()), expected(*number));
                            }
                        } else {
                            for (number, client) in &mut clients {
                                for (name, reply) in requests.iter().zip(expected(*number)) {
                                    client.send(&transaction(name, *number));
                                    assert_eq!(client.reply(), reply);
                                }
                            }
                        }
                        done.fetch_add(clients.len(), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(stopping);
    });
    let [looks, done] = [looks.into_inner() as usize, done.into_inner()];
    let [most, most_told] = [most.into_inner(), most_told.into_inner()];
    println!(
        "{done} transactions in {:.1?}; at most {most} private connections seen by the server, {most_told} told by the proxy, \
         in {looks} looks",
        began.elapsed()
    );
    assert_eq!(done, SESSIONS * TRANSACTIONS);
    assert!(most <= LIMIT && most_told <= LIMIT);
    assert!(most >= LIMIT / 2 && looks > 10, "nobody looked when it mattered");
    assert_clean(&server, LIMIT);
}

/// A request of a session's transaction.
fn transaction(name: &str, number: usize) -> Vec<u8> {
    match name {
        "INCR" => inline(&format!("INCR session:{number}")),
        "ECHO" => inline(&format!("ECHO {number}")),
        name => inline(name),
    }
}

/// Nothing that the server knows of its connections tells of a session that had one; there are at most `limit` of them.
#[track_caller]
fn assert_clean(server: &RedisServer, limit: usize) {
    let mut direct = server.client();
    let listed = wait_until("all connections are given back", SOON, || {
        let listed = Listed::others(&mut direct);
        listed.iter().all(|one| one.field("cmd") != "exec" && one.field("multi") == "-1").then_some(listed)
    });
    assert!(listed.len() <= limit + 1, "{} connections", listed.len());
    for one in &listed {
        for (field, clean) in [("name", ""), ("db", "0"), ("sub", "0"), ("psub", "0"), ("ssub", "0"), ("flags", "N")] {
            assert_eq!(one.field(field), clean, "{field} of {one:?}");
        }
        for (field, clean) in [("multi", "-1"), ("user", "default"), ("redir", "-1"), ("resp", "2")] {
            assert_eq!(one.field(field), clean, "{field} of {one:?}");
        }
    }
}

/// What a session leaves behind, in requests.
const DIRT: &[&[&str]] = &[
    &["MULTI", "SET half 1"],
    &["WATCH watched"],
    &["SUBSCRIBE news"],
    &["PSUBSCRIBE n*", "SUBSCRIBE news"],
    &["SSUBSCRIBE shard"],
    &["MONITOR"],
    &["CLIENT SETNAME somebody", "MULTI"],
    &["SELECT 5", "MULTI"],
    &["AUTH reader secret", "MULTI"],
    &["HELLO 3", "CLIENT TRACKING ON", "GET tracked"],
    &["CLIENT NO-EVICT ON", "WATCH watched"],
    &["CLIENT SETINFO LIB-NAME somebodys", "WATCH watched"],
    &["READONLY", "WATCH watched"],
    &["CLIENT REPLY OFF", "MULTI"],
    &["HELLO 3", "SUBSCRIBE news"],
    &["CLIENT ID"],
    &["SCRIPT DEBUG NO", "MULTI"],
];

#[test]
fn a_pooled_connection_knows_nothing_of_the_session_before() {
    const LIMIT: usize = 4;
    let server = RedisServer::start_with(&["--user", "reader", "on", ">secret", "~*", "&*", "+@all", "-flushall"]);
    let proxy = pool(&server, "limit: 4, idle: 4, wait: 10s");
    let mut other = proxy.client();
    let mut direct = server.client();
    let (mut sessions, mut kept) = (0, 0);
    for (round, dirt) in DIRT.iter().enumerate() {
        assert_eq!(other.ask(&format!("SET watched {round}")), "+OK\r\n");
        // All of the pool at once, so that whoever comes next gets a connection that one of these had.
        let mut dirty: Vec<Client> = (0..LIMIT).map(|_| proxy.client()).collect();
        for client in &mut dirty {
            client.send(&dirt.iter().flat_map(|line| inline(line)).collect::<Vec<u8>>());
        }
        wait_until("all of the pool is lent", SOON, || {
            let busy = |one: &Listed| dirt.iter().any(|line| is_last(line, one.field("cmd")));
            let listed = Listed::others(&mut direct);
            (listed.iter().filter(|one| busy(one)).count() == LIMIT).then_some(())
        });
        let before: Vec<String> = addresses(&mut direct);
        drop(dirty);
        wait_until("they have gone", SOON, || (proxy.metrics().sum("sluice_sessions", &[]) == Some(1.0)).then_some(()));
        let mut next: Vec<Client> = (0..LIMIT).map(|_| proxy.client()).collect();
        for client in &mut next {
            assert_eq!(client.ask("MULTI"), "+OK\r\n", "after {dirt:?}");
        }
        // What the one before watched changes; a transaction that inherits the watch fails.
        assert_eq!(other.ask(&format!("SET watched {round}-changed")), "+OK\r\n");
        assert_eq!(other.ask("PUBLISH news x"), ":0\r\n", "after {dirt:?}");
        assert_eq!(other.ask("SPUBLISH shard x"), ":0\r\n", "after {dirt:?}");
        assert_eq!(other.ask("SET tracked x"), "+OK\r\n");
        for client in &mut next {
            for request in ["CLIENT INFO", "CLIENT GETNAME", "ACL WHOAMI", "EXISTS half", "CLIENT TRACKINGINFO"] {
                assert_eq!(client.ask(request), "+QUEUED\r\n", "after {dirt:?}");
            }
            let replies = client.ask("EXEC");
            let text = String::from_utf8_lossy(&replies);
            assert!(text.starts_with("*5\r\n"), "after {dirt:?}: {text}");
            assert!(
                text.contains("$-1\r\n$7\r\ndefault\r\n:0\r\n*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n"),
                "after {dirt:?}: {text}"
            );
            let info = Listed::read(&replies);
            for (field, clean) in
                [("db", "0"), ("name", ""), ("sub", "0"), ("psub", "0"), ("user", "default"), ("resp", "2")]
            {
                assert_eq!(info.field(field), clean, "{field} after {dirt:?}");
            }
            assert_eq!(info.field("flags"), "x", "after {dirt:?}");
            kept += usize::from(before.contains(&info.field("addr").to_owned()));
            sessions += 1;
        }
    }
    println!("{sessions} sessions had a clean connection; {kept} of them one that another session had had");
    assert_eq!(sessions, DIRT.len() * LIMIT);
    assert!(kept > sessions / 2, "only {kept} connections were used again");
}

/// Whether a request is what the server lists as the last command of a connection.
fn is_last(line: &str, listed: &str) -> bool {
    let words = line.to_lowercase().replacen(' ', "|", 1);
    listed == words
        || words.split('|').next() == Some(listed)
        || (words.starts_with(listed) && words[listed.len()..].starts_with([' ', '|']))
}

fn addresses(direct: &mut Client) -> Vec<String> {
    Listed::others(direct).iter().map(|one| one.field("addr").to_owned()).collect()
}

#[test]
fn a_pool_that_stays_full_answers_with_an_error_in_time() {
    const WAIT: Duration = Duration::from_millis(400);
    let server = RedisServer::start();
    let proxy = pool(&server, "limit: 2, idle: 2, wait: 400ms");
    let mut holders = [proxy.client(), proxy.client()];
    for holder in &mut holders {
        assert_eq!(holder.ask("MULTI"), "+OK\r\n");
    }
    // A command that needs a connection for itself: an error, and the session goes on.
    let mut blocked = proxy.client();
    let began = Instant::now();
    blocked.send(&[inline("ECHO before"), inline("BLPOP queue 1"), inline("ECHO behind")].concat());
    assert_eq!(blocked.reply(), "$6\r\nbefore\r\n");
    assert_eq!(blocked.reply(), NO_CONNECTION);
    let waited = began.elapsed();
    assert!(waited >= WAIT && waited < WAIT + Duration::from_millis(600), "it waited {waited:?}");
    assert_eq!(blocked.reply(), "$6\r\nbehind\r\n");
    // A transaction: what follows must not be executed without it.
    for begin in ["MULTI", "WATCH a"] {
        let mut client = proxy.client();
        let began = Instant::now();
        client.send(&[inline(begin), inline("INCR a"), inline("EXEC")].concat());
        assert_eq!(client.rest(), NO_CONNECTION, "{begin}");
        assert!(began.elapsed() >= WAIT, "{begin} waited {:?}", began.elapsed());
    }
    // Those that wait together are all told, and the shared connection is nobody's to wait for.
    let mut many: Vec<Client> = (0..50).map(|_| proxy.client()).collect();
    let began = Instant::now();
    many.iter_mut().for_each(|client| client.send(&inline("BLPOP queue 1")));
    let mut other = proxy.client();
    assert_eq!(other.ask("EXISTS a"), ":0\r\n", "what stood behind MULTI was executed");
    assert!(began.elapsed() < WAIT, "others wait too");
    for client in &mut many {
        assert_eq!(client.reply(), NO_CONNECTION);
    }
    assert!(began.elapsed() < WAIT + Duration::from_secs(1), "{:?}", began.elapsed());
    // One that comes free in time is had by the one that waits.
    blocked.send(&inline("BLPOP queue 5"));
    assert!(blocked.silent_for(WAIT / 4));
    assert_eq!(holders[0].ask("INCR a"), "+QUEUED\r\n");
    assert_eq!(holders[0].ask("EXEC"), "*1\r\n:1\r\n");
    assert_eq!(other.ask("RPUSH queue v"), ":1\r\n");
    assert_eq!(blocked.reply(), "*2\r\n$5\r\nqueue\r\n$1\r\nv\r\n");
    println!("55 requests waited; {} private connections", private(&proxy));
    assert_eq!(private(&proxy), 2);
}

#[test]
fn sessions_share_connections_with_those_that_are_the_same_to_the_server() {
    const USERS: [&str; 3] = ["default", "ann", "bob"];
    const DATABASES: usize = 4;
    let users: Vec<String> = USERS[1..]
        .iter()
        .flat_map(|user| ["--user", user, "on", ">secret", "~*", "&*", "+@all"])
        .map(str::to_owned)
        .collect();
    let server = RedisServer::start_with(&users.iter().map(String::as_str).collect::<Vec<_>>());
    let proxy = pool(&server, "limit: 8, idle: 2, wait: 10s");
    let mut clients = Vec::new();
    for round in 0..3 {
        for user in USERS {
            for database in 0..DATABASES {
                for protocol in [2, 3] {
                    let mut client = proxy.client();
                    if protocol == 3 {
                        assert!(client.hello3().starts_with(b"%"));
                    }
                    if user != "default" {
                        assert_eq!(client.ask(&format!("AUTH {user} secret")), "+OK\r\n");
                    }
                    assert_eq!(client.ask(&format!("SELECT {database}")), "+OK\r\n");
                    clients.push((client, round, user, database, protocol));
                }
            }
        }
    }
    for (client, round, user, database, protocol) in &mut clients {
        assert_eq!(client.ask(&format!("SET in:{round}:{user}:{protocol} {database}")), "+OK\r\n");
    }
    for (client, round, user, database, protocol) in &mut clients {
        assert_eq!(client.ask(&format!("GET in:{round}:{user}:{protocol}")), format!("$1\r\n{database}\r\n"));
        assert_eq!(client.ask("ACL WHOAMI"), format!("${}\r\n{user}\r\n", user.len()));
        assert_eq!(client.ask("GET nothing"), if *protocol == 3 { "_\r\n" } else { "$-1\r\n" });
    }
    let mut direct = server.client();
    let mut seen: Vec<String> = Listed::others(&mut direct)
        .iter()
        .filter(|one| one.field("cmd") == "get")
        .map(|one| format!("{} {} {}", one.field("user"), one.field("db"), one.field("resp")))
        .collect();
    seen.sort();
    let mut expected: Vec<String> = USERS
        .iter()
        .flat_map(|user| (0..DATABASES).map(move |database| format!("{user} {database}")))
        .flat_map(|both| [2, 3].map(|protocol| format!("{both} {protocol}")))
        .collect();
    expected.sort();
    println!("{} sessions of {} kinds have {} shared connections", clients.len(), expected.len(), seen.len());
    assert_eq!(seen, expected, "one shared connection of each kind");
}

#[test]
fn what_follows_a_select_that_found_no_connection_is_not_executed() {
    let server = RedisServer::start();
    let proxy = pool(&server, "limit: 1, wait: 200ms");
    let mut holder = proxy.client();
    assert_eq!(holder.ask("MULTI"), "+OK\r\n");
    for request in ["SELECT 1", "RESET", "HELLO 3", "MULTI", "WATCH k"] {
        let mut client = proxy.client();
        client.send(&[inline(request), inline("SET where here")].concat());
        assert_eq!(client.rest(), NO_CONNECTION, "{request}");
    }
    // What changes nothing of that is an error, and no more.
    let mut client = proxy.client();
    client.send(&[inline("CLIENT SETNAME me"), inline("EXISTS where")].concat());
    assert_eq!((client.reply(), client.reply()), (NO_CONNECTION.into(), ":0\r\n".into()));
    assert_eq!(holder.ask("DISCARD"), "+OK\r\n");
}
