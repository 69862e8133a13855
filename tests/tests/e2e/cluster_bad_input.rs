//! Clusters that are none, or not yet, or that contradict themselves: the client is told what is wrong, the operator where, and the proxy
//! goes on by itself when the cause is gone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_tests::ports::{free_addr, free_port};
use sluice_tests::wait::SOON;
use sluice_tests::{Authority, Client, ClusterOptions, RedisCluster, RedisServer, Sluice, Topology, wait_until};

/// What is tried again is given up so soon here.
const PATIENCE: Duration = Duration::from_millis(600);

fn sink(points: &[String], more: &str) -> String {
    format!(
        "ValkeySinkCluster: {{ first_contact_points: {points:?}, connect_timeout_ms: 1000, retry_timeout: 600ms{more} }}"
    )
}

fn start(points: &[String], more: &str) -> Sluice {
    Topology::new()
        .transform("CommandFilter: { deny: [shutdown] }")
        .transform("RequestLogger: { responses: true, level: debug }")
        .transform("CommandFilter: { deny: [debug] }")
        .transform(&sink(points, more))
        .start()
}

/// The error that a request ends with, once it has been tried for long enough.
fn error(client: &mut Client, line: &str) -> String {
    let began = Instant::now();
    let reply = client.ask(line);
    let text = String::from_utf8(reply.to_vec()).unwrap();
    assert!(text.starts_with("-CLUSTERDOWN ") && text.ends_with("; this request was not sent\r\n"), "{text}");
    assert!(began.elapsed() >= PATIENCE, "it was given up at once: {text}");
    text
}

/// A line of the log that holds all of these.
fn wait_until_logged(proxy: &Sluice, words: &[&str]) {
    wait_until("the log says why", SOON, || {
        proxy.output().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

/// A server that answers CLUSTER SLOTS as the test says, and everything else with an error.
struct FakeNode {
    addr: String,
    answer: Arc<Mutex<Answer>>,
    connections: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These, and then the end.
    Last(Vec<u8>),
    /// These, again and again.
    Endless(Vec<u8>),
    /// Nothing.
    Never,
}

impl FakeNode {
    fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (answer, connections) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let node = Self { addr, answer: answer.clone(), connections: connections.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone();
                std::thread::spawn(move || serve(stream, &answer));
            }
        });
        node
    }

    fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

/// Until the other side has gone.
fn serve(mut stream: TcpStream, answer: &Mutex<Answer>) -> Option<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        if !buffer[..count].windows(5).any(|word| word == b"SLOTS") {
            stream.write_all(b"-ERR this is no server\r\n").ok()?;
            continue;
        }
        let answer = answer.lock().unwrap().clone();
        match answer {
            Answer::Bytes(bytes) => stream.write_all(&bytes).ok()?,
            Answer::Last(bytes) => return stream.write_all(&bytes).ok(),
            Answer::Endless(bytes) => loop {
                stream.write_all(&bytes).ok()?;
            },
            Answer::Never => {}
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The answer to CLUSTER SLOTS: ranges, each of one node.
fn slots(ranges: &[(u32, u32, &str, &str)]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", ranges.len());
    for (first, last, addr, id) in ranges {
        let (host, port) = addr.rsplit_once(':').unwrap();
        text += &format!("*3\r\n:{first}\r\n:{last}\r\n*3\r\n{}:{port}\r\n{}", bulk(host), bulk(id));
    }
    text.into_bytes()
}

#[test]
fn contact_points_that_are_not_there_are_named_until_one_is() {
    let mut cluster = RedisCluster::start(3, 0);
    let points = [free_addr(), cluster.primary(0).addr()];
    cluster.pause(0);
    cluster.kill(0);
    let proxy = start(&points, "");
    let mut client = proxy.client();
    for line in ["SET a 1", "PING", "MGET a b c", "DBSIZE", "BLPOP l 0", "SUBSCRIBE news"] {
        let text = error(&mut client, line);
        for point in &points {
            assert!(text.contains(point), "{line}: {text}");
        }
    }
    // MULTI is answered at once; what it is for decides.
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    error(&mut client, "SET a 1");
    assert!(client.ask("EXEC").starts_with(b"-EXECABORT "));
    wait_until_logged(&proxy, &["WARN", "cannot be asked", &points[0], &points[1], "refused"]);
    cluster.restart(0);
    wait_until("the cluster is known", SOON, || (client.ask("SET a 1") == "+OK\r\n").then_some(()));
    wait_until_logged(&proxy, &["INFO", "the cluster answers"]);
    assert_eq!(client.ask("MSET a 1 b 2 c 3"), "+OK\r\n");
}

#[test]
fn a_server_that_is_no_cluster_is_said_to_be_none_until_another_one_is_there() {
    let mut server = RedisServer::start();
    let proxy = start(&[server.addr()], "");
    let mut client = proxy.client();
    let text = error(&mut client, "GET a");
    assert!(text.contains("ERR This instance has cluster support disabled"), "{text}");
    assert!(text.contains(&server.addr()) && text.contains("CLUSTER SLOTS"), "{text}");
    wait_until_logged(&proxy, &["WARN", &server.addr(), "cluster support disabled"]);
    // At the same address, a cluster that has no slots yet.
    let bus = free_port().to_string();
    let mut alone = RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let port = server.port();
    server.kill();
    alone.restart_at(port);
    wait_until("the other server is asked", SOON, || {
        error(&mut client, "GET a").contains("serves no slots").then_some(())
    });
    let mut direct = alone.client();
    assert_eq!(direct.ask("CLUSTER ADDSLOTSRANGE 0 16383"), "+OK\r\n");
    // A cluster of a single node, which does not know its own address.
    assert!(direct.ask("CLUSTER SLOTS").starts_with(b"*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$0\r\n"));
    wait_until("the cluster is known", SOON, || (client.ask("SET a 1") == "+OK\r\n").then_some(()));
    assert_eq!(client.ask("MSET a 1 b 2 c 3"), "+OK\r\n");
    assert_eq!(client.ask("DBSIZE"), ":3\r\n");
}

#[test]
fn slots_that_nobody_owns_are_an_error_of_their_own_until_somebody_does() {
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().partial_coverage());
    let slot = cluster.slot_of("{n}");
    let owner = cluster.owner_of_slot(slot);
    for shard in 0..3 {
        assert_eq!(cluster.client(shard).ask(&format!("CLUSTER DELSLOTS {slot}")), "+OK\r\n");
    }
    let proxy = start(&[cluster.primary(0).addr()], "");
    let (mut client, mut other) = (proxy.client(), proxy.client());
    for line in ["SET {n} 1", "DEL {n}1 {n}2", "BLPOP {n} 0", "SSUBSCRIBE {n}", "WATCH {n}"] {
        let text = error(&mut client, line);
        assert!(text.contains(&format!("nobody serves slot {slot}")), "{line}: {text}");
    }
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    error(&mut client, "SET {n} 1");
    assert!(client.ask("EXEC").starts_with(b"-EXECABORT "));
    wait_until_logged(&proxy, &["WARN", "nobody serves some of its slots", "unserved"]);
    // Others are served.
    let key = (0..).map(|at| format!("k{at}")).find(|key| cluster.owner_of_key(key) != owner).unwrap();
    assert_eq!(other.ask(&format!("SET {key} 1")), "+OK\r\n");
    assert!(error(&mut client, &format!("MGET {key} {{n}}")).contains("nobody serves slot"));
    client.send(&sluice_tests::inline("SET {n} 1"));
    std::thread::sleep(PATIENCE / 4);
    assert_eq!(cluster.client(owner).ask(&format!("CLUSTER ADDSLOTS {slot}")), "+OK\r\n");
    // In time or not.
    let _ = client.reply();
    wait_until("the slot is served", SOON, || (other.ask("SET {n} 2") == "+OK\r\n").then_some(()));
    assert_eq!(client.ask("GET {n}"), "$1\r\n2\r\n");
}

#[test]
fn an_answer_that_contradicts_itself_is_told_and_another_one_is_asked_for() {
    let cluster = RedisCluster::start(3, 0);
    let truth: Vec<String> = (0..3).map(|shard| cluster.primary(shard).addr()).collect();
    let whole = |first: &str| slots(&[(0, 16_383, first, "a")]);
    let node = |text: &str| format!("*1\r\n*3\r\n:0\r\n:16383\r\n{text}").into_bytes();
    let bad: Vec<(Answer, &str)> = vec![
        (
            Answer::Bytes(slots(&[(0, 9000, &truth[0], "a"), (9000, 16_383, &truth[1], "b")])),
            "contradicts itself: slot 9000 belongs to",
        ),
        (Answer::Bytes(slots(&[(5, 4, &truth[0], "a")])), "found slots 5 to 4, expected the lower one first"),
        (Answer::Bytes(slots(&[(0, 16_384, &truth[0], "a")])), "expected the number of a slot, 0 to 16383"),
        (Answer::Bytes(slots(&[(0, 16_383, "127.0.0.1:0", "a")])), "expected the number of a port"),
        (Answer::Bytes(slots(&[(0, 16_383, "127.0.0.1:65536", "a")])), "expected the number of a port"),
        (Answer::Bytes(slots(&[])), "serves no slots"),
        (Answer::Bytes(b"+OK\r\n".to_vec()), "found OK, expected an array"),
        (Answer::Bytes(b"*1\r\n:1\r\n".to_vec()), "expected an array for each range"),
        (Answer::Bytes(b"*1\r\n*2\r\n:0\r\n:1\r\n".to_vec()), "found 2 elements, expected the first slot"),
        (Answer::Bytes(node("*1\r\n$1\r\na\r\n")), "found 1 elements, expected a host and a port"),
        (Answer::Bytes(node("$1\r\na\r\n")), "expected an array for each node"),
        (Answer::Bytes(b"*-1\r\n".to_vec()), "serves no slots"),
        (Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "127.0.0.1"),
        (Answer::Bytes(b"*999999999999\r\n".to_vec()), "127.0.0.1"),
        (Answer::Last(b"*1\r\n*3\r\n:0\r\n".to_vec()), "connection closed"),
        (Answer::Last(Vec::new()), "connection closed"),
        (Answer::Never, "no connection within 1s"),
        (Answer::Bytes(b"*1\r\n".to_vec()), "no connection within 1s"),
        (Answer::Endless([&b"*1000000000\r\n"[..], &b":1\r\n".repeat(10_000)].concat()), "expected"),
        (Answer::Endless([&b"$536870912\r\n"[..], &[b'x'; 10_000]].concat()), "does not end"),
    ];
    let fake = FakeNode::start(Answer::Never);
    let proxy = start(std::slice::from_ref(&fake.addr), "");
    for (answer, reason) in bad {
        fake.answer(answer.clone());
        let mut client = proxy.client();
        wait_until(reason, SOON, || {
            let text = error(&mut client, "GET a");
            (text.contains(reason) && text.contains(&fake.addr)).then_some(()).or_else(|| {
                eprintln!("not yet: {text}");
                None
            })
        });
        wait_until_logged(&proxy, &["WARN", "cannot be asked", &fake.addr, reason]);
    }
    assert!(proxy.peak_bytes() < 400 << 20, "an answer without an end is read to the end");
    // A node that nobody listens on, for a time.
    let nobody = free_addr();
    fake.answer(Answer::Bytes(whole(&nobody)));
    let mut client = proxy.client();
    wait_until("the map is known", SOON, || error(&mut client, "GET a").contains("is unreachable").then_some(()));
    wait_until_logged(&proxy, &["WARN", "cannot connect", &nobody, "refused"]);
    // What holds at last.
    let shard = |shard: u32| (shard * 16_384 / 3, (shard + 1) * 16_384 / 3 - 1);
    let ids = ["a", "b", "c"];
    let ranges: Vec<_> = (0..3).map(|at| (shard(at).0, shard(at).1, &*truth[at as usize], ids[at as usize])).collect();
    fake.answer(Answer::Bytes(slots(&ranges)));
    wait_until("the cluster serves", SOON, || (client.ask("SET a 1") == "+OK\r\n").then_some(()));
    assert_eq!(client.ask("MSET a 1 b 2 c 3"), "+OK\r\n");
}

#[test]
fn a_contact_point_that_lies_or_is_silent_does_not_keep_the_others_from_being_asked() {
    let cluster = RedisCluster::start(3, 0);
    let silent = FakeNode::start(Answer::Never);
    let liar = FakeNode::start(Answer::Bytes(b"*1\r\n:1\r\n".to_vec()));
    let began = Instant::now();
    let proxy = start(&[silent.addr.clone(), liar.addr.clone(), cluster.primary(1).addr()], "");
    assert_eq!(proxy.client().ask("MSET a 1 b 2 c 3"), "+OK\r\n");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(silent.connections.load(Ordering::Relaxed) > 0);
}

#[test]
fn nodes_of_ipv6_are_reached() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("this machine has no IPv6");
        return;
    }
    let options = ["--bind", "127.0.0.1", "::1", "--cluster-announce-ip", "::1"];
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&options));
    assert!(String::from_utf8_lossy(&cluster.client(0).ask("CLUSTER SLOTS")).contains("$3\r\n::1\r\n"));
    let proxy = start(&[format!("[::1]:{}", cluster.primary(0).port())], "");
    let mut client = proxy.client();
    assert_eq!(client.ask("MSET a 1 b 2 c 3"), "+OK\r\n");
    let slot = cluster.slot_of("a");
    let owner = cluster.owner_of_slot(slot);
    cluster.migrate_slot(slot, owner, (owner + 1) % 3);
    assert_eq!(client.ask("MGET a b c"), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
    let migration = cluster.begin_migration(slot, (owner + 1) % 3, owner);
    assert_eq!(client.ask("SET {a}new 1"), "+OK\r\n");
    cluster.finish_migration(migration);
    assert_eq!(client.ask("GET {a}new"), "$1\r\n1\r\n");
}

#[test]
fn a_cluster_with_a_password_is_reached_by_tls() {
    let authority = Authority::new();
    let (identity, own) = (authority.sign("node"), authority.sign("proxy"));
    let cluster =
        RedisCluster::start_with(3, 1, &ClusterOptions::new().password("secret").tls(&authority, &identity, true));
    let points = [format!("127.0.0.1:{}", cluster.primary(1).option("--tls-port").unwrap())];
    let tls = format!(
        ", tls: {{ certificate_authority_path: \"{}\", certificate_path: \"{}\", private_key_path: \"{}\" }}",
        authority.file().display(),
        own.certificate.display(),
        own.key.display()
    );
    let proxy = start(&points, &format!("{tls}, password: secret"));
    let mut client = proxy.client();
    assert_eq!(client.ask("MSET a 1 b 2 c 3"), "+OK\r\n");
    assert_eq!(client.ask("DBSIZE"), ":3\r\n");
    let slot = cluster.slot_of("a");
    let owner = cluster.owner_of_slot(slot);
    cluster.migrate_slot(slot, owner, (owner + 1) % 3);
    assert_eq!(client.ask("MGET a b c"), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    assert_eq!(client.ask("INCR a"), "+QUEUED\r\n");
    assert_eq!(client.ask("EXEC"), "*1\r\n:2\r\n");
    // Without the password, the reason is told.
    let proxy = start(&points, &format!("{tls}, password: wrong"));
    let text = error(&mut proxy.client(), "GET a");
    assert!(text.contains("WRONGPASS") && !text.contains("wrong\"") && !text.contains("secret"), "{text}");
    // And so it is without TLS.
    let proxy = start(&points, ", password: secret");
    let text = error(&mut proxy.client(), "GET a");
    assert!(text.contains(&points[0]), "{text}");
}

#[test]
fn a_node_that_only_an_error_names_is_not_connected_to() {
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().password("secret"));
    let thief = FakeNode::start(Answer::Never);
    let proxy = start(&[cluster.primary(0).addr()], ", password: secret");
    let mut client = proxy.client();
    let slot = cluster.slot_of("a");
    for kind in ["MOVED", "ASK"] {
        let script = format!("return redis.error_reply('{kind} {slot} {}')", thief.addr);
        for keys in [&["1", "a"][..], &["0"]] {
            let words: Vec<&str> = ["EVAL", &script].into_iter().chain(keys.iter().copied()).collect();
            let reply = client.call(&words);
            assert!(reply.starts_with(b"-"), "{reply:?}");
            // In a transaction too.
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            assert_eq!(client.call(&words), "+QUEUED\r\n");
            let reply = client.ask("EXEC");
            assert!(reply.starts_with(b"*1\r\n-"), "{reply:?}");
        }
    }
    assert_eq!(thief.connections.load(Ordering::Relaxed), 0, "somebody has been shown the password");
    assert_eq!(client.ask("SET a 1"), "+OK\r\n");
}
