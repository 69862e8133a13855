//! What connections run over: TLS and Unix sockets on both sides, and the PROXY protocol before a client.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sluice_tests::ports::free_port;
use sluice_tests::process::output_of;
use sluice_tests::sluice::finish;
use sluice_tests::wait::SOON;
use sluice_tests::{Authority, Client, Identity, RedisServer, Sluice, Topology, inline, request, wait_until};

use crate::WORKERS;

/// A `redis-server` that speaks TLS too, and where it does.
fn tls_server(authority: &Authority, mutual: bool) -> (RedisServer, String) {
    let port = free_port();
    let options = authority.redis_options(port, &authority.sign("redis"), mutual);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    (RedisServer::start_with(&options), format!("127.0.0.1:{port}"))
}

/// `redis-cli` by TLS.
fn cli(proxy: &Sluice, authority: &Authority, identity: Option<&Identity>) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", proxy.port(), "--tls", "--cacert"]).arg(authority.file());
    if let Some(Identity { certificate, key }) = identity {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    command
}

/// What a `redis-cli` says that is refused.
fn refused(command: &mut Command) -> String {
    let output = command.arg("PING").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!output.status.success() && !said.contains("PONG"), "{said}");
    said
}

#[track_caller]
fn wait_for_line(proxy: &Sluice, words: &[&str]) {
    let found = |output: &str| output.lines().any(|line| words.iter().all(|word| line.contains(word)));
    let end = Instant::now() + SOON;
    while !found(&proxy.output()) {
        assert!(Instant::now() < end, "no line with {words:?}:\n{}", proxy.output());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A proxy that speaks TLS on both sides.
fn secure_proxy(authority: &Authority, addr: &str, workers: usize) -> Sluice {
    Topology::new()
        .workers(workers)
        .source(&authority.source(&authority.sign("proxy"), false))
        .transform("KeyPrefix: { prefix: 'e2e:' }")
        .transform(&authority.sink(addr, None, ""))
        .start()
}

#[test]
fn redis_cli_passes_through_tls_on_both_sides() {
    let authority = Authority::new();
    let (server, addr) = tls_server(&authority, false);
    for workers in WORKERS {
        let proxy = secure_proxy(&authority, &addr, workers);
        let cli = |args: &[&str]| output_of(cli(&proxy, &authority, None).args(args));
        assert_eq!(cli(&["SET", "greeting", "hello"]), "OK\n");
        assert_eq!(cli(&["-3", "GET", "greeting"]), "hello\n");
        assert_eq!(server.client().ask("GET e2e:greeting"), "$5\r\nhello\r\n");
        // A client that speaks without TLS is told nothing, and the operator is.
        let mut plain = proxy.client();
        plain.send(b"PING\r\n");
        assert!(!plain.try_reply().is_ok_and(|reply| reply.is_some()));
        wait_for_line(&proxy, &["client refused", "peer=127.0.0.1:", "the client does not speak TLS"]);
    }
}

#[test]
fn redis_cli_passes_through_mutual_tls_on_both_sides_and_strangers_do_not() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_server, addr) = tls_server(&authority, true);
    let proxy = Topology::new()
        .source(&authority.source(&authority.sign("proxy"), true))
        .transform("RequestLogger")
        .transform(&authority.sink(&addr, Some(&authority.sign("sluice")), ""))
        .start();
    let alice = authority.sign("alice");
    assert_eq!(output_of(cli(&proxy, &authority, Some(&alice)).args(["SET", "greeting", "hello"])), "OK\n");
    assert_eq!(output_of(cli(&proxy, &authority, Some(&alice)).args(["GET", "greeting"])), "hello\n");

    // A transform learns who it is.
    wait_for_line(&proxy, &["RequestLogger", "peer=127.0.0.1:", "tls=\"alice\"", "command=set"]);

    refused(&mut cli(&proxy, &authority, None));
    wait_for_line(&proxy, &["client refused", "client certificate is required and none was sent"]);
    refused(&mut cli(&proxy, &authority, Some(&stranger.sign("eve"))));
    wait_for_line(&proxy, &["the client's certificate is not signed by an authority of `certificate_authority_path`"]);
    refused(&mut cli(&proxy, &stranger, Some(&alice)));
    wait_for_line(&proxy, &["the client does not know the authority of the proxy's certificate"]);
    // At least: `redis-cli` may try again.
    let failures = proxy.metrics().sum("sluice_tls_handshake_failures_total", &[("side", "client")]);
    assert!(failures.is_some_and(|failures| failures >= 3.0), "{failures:?}");
    assert_eq!(output_of(cli(&proxy, &authority, Some(&alice)).args(["GET", "greeting"])), "hello\n");
}

#[test]
fn a_server_that_cannot_be_trusted_gets_no_request() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (server, addr) = tls_server(&authority, false);
    let (mutual, mutual_addr) = tls_server(&authority, true);
    let cases = [
        (stranger.sink(&addr, None, ""), "the server's certificate is not signed by an authority"),
        (stranger.sink(&addr, None, ", verify_hostname: false"), "not signed by an authority"),
        (authority.sink(&addr, None, ", server_name: other.example"), "is not for other.example: it is for 127.0.0.1"),
        (
            authority.sink(&server.addr(), None, ""),
            "the server has not finished the TLS handshake: does it speak TLS there?",
        ),
        (authority.sink(&mutual_addr, None, ""), "the server requires a certificate and the proxy has none to send"),
    ];
    for (sink, words) in cases {
        println!("{sink}");
        let proxy = Topology::new().transform(&sink).start();
        let reply = proxy.client().ask("SET greeting hello");
        assert!(reply.starts_with(b"-"), "{reply:?}");
        wait_for_line(&proxy, &[words]);
    }
    for server in [&server, &mutual] {
        assert_eq!(server.client().ask("DBSIZE"), ":0\r\n");
    }
    let sink = authority.sink(&addr, None, ", server_name: other.example, verify_hostname: false");
    let proxy = Topology::new().transform(&sink).start();
    assert_eq!(proxy.client().ask("SET greeting hello"), "+OK\r\n");
}

#[test]
fn large_values_and_pipelines_pass_through_tls_whole_and_in_order() {
    let authority = Authority::new();
    let (_server, addr) = tls_server(&authority, false);
    for workers in WORKERS {
        let proxy = secure_proxy(&authority, &addr, workers);
        let mut client = Client::try_connect_tls(proxy.addr(), &authority.client(None)).unwrap();
        for len in [1 << 20, (16 << 20) + 1] {
            let value: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            assert_eq!(client.call(&[b"SET".as_slice(), b"large", &value]), "+OK\r\n");
            let reply = client.ask("GET large");
            assert!(reply.ends_with(&[&value, &b"\r\n"[..]].concat()), "{len}");
        }
        let requests: Vec<u8> = (0..20_000).flat_map(|n| request(&["ECHO", &n.to_string()])).collect();
        let replies: Vec<String> = (0..20_000).map(|n: u32| n.to_string()).collect();
        client.send(&requests);
        for expected in &replies {
            assert_eq!(client.reply(), format!("${}\r\n{expected}\r\n", expected.len()));
        }
        // Replies of 64 MiB, more than the sockets hold, to one who begins to read late.
        assert_eq!(client.call(&[b"SET".as_slice(), b"value", &vec![b'v'; 1 << 20]]), "+OK\r\n");
        client.send(&inline("GET value").repeat(64));
        std::thread::sleep(Duration::from_millis(200));
        for _ in 0..64 {
            assert_eq!(client.reply().len(), (1 << 20) + 12);
        }
        assert_eq!(client.ask("QUIT"), "+OK\r\n");
        // The end is said as TLS says it: without that, this is an error.
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let server = RedisServer::start();
    let proxy = Topology::new().source(&authority.source(&authority.sign("proxy"), false)).sink(&server).start();
    let config = authority.client(None);
    let connect = || Client::try_connect_tls(proxy.addr(), &config).unwrap();
    let mut old = connect();
    let first = old.server_certificate();

    authority.sign("proxy");
    wait_until("the new certificate is used", SOON, || (connect().server_certificate() != first).then_some(()));
    let second = connect().server_certificate();
    assert_eq!(old.ask("PING"), "+PONG\r\n");

    let Identity { certificate, key } = authority.sign("proxy");
    std::fs::write(&certificate, "no certificate").unwrap();
    wait_for_line(&proxy, &["WARN", "the old ones stay in use", "proxy.pem", "there is no certificate in PEM in it"]);
    let shown = connect().server_certificate();
    std::fs::write(&key, "no key").unwrap();
    let pid = Pid::from_raw(proxy.pid() as i32).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    wait_for_line(&proxy, &["SIGHUP"]);
    assert_eq!(connect().server_certificate(), shown, "the last good one");

    authority.sign("proxy");
    kill_process(pid, Signal::HUP).unwrap();
    wait_until("the newest certificate is used", SOON, || {
        let now = connect().server_certificate();
        (now != second && now != shown).then_some(())
    });
    assert_eq!(old.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_handshake_that_never_ends_holds_nothing_but_a_place_and_that_not_for_long() {
    let authority = Authority::new();
    let server = RedisServer::start();
    let topology = Topology::new()
        .source(&authority.source(&authority.sign("proxy"), false))
        .source("connection_limit: 3")
        .sink(&server);
    let mut proxy = topology.start();
    let began = Instant::now();
    let silent = proxy.client();
    let mut half = proxy.client();
    half.send(b"\x16\x03\x01\x02\x00\x01");
    let config = authority.client(None);
    let mut client = Client::try_connect_tls(proxy.addr(), &config).unwrap();
    assert_eq!(client.ask("PING"), "+PONG\r\n");
    assert!(Client::try_connect_tls(proxy.addr(), &config).is_err(), "there are only three places");
    assert_eq!(half.rest(), "");
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    wait_for_line(&proxy, &["client refused", "the client has not finished it within 10s"]);
    wait_until("its place is free", SOON, || {
        Client::try_connect_tls(proxy.addr(), &config).ok().map(|mut client| client.ask("PING"))
    });
    drop(silent);
    // Nor does it keep the process from ending.
    let _silent = proxy.client();
    drop(client);
    proxy.terminate();
    assert!(proxy.wait_for_end(Duration::from_secs(5)).success());
}

#[test]
fn redis_cli_passes_through_unix_sockets_on_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (front, back) = (file("sluice.sock"), file("redis.sock"));
    let server = RedisServer::start_with(&["--unixsocket", &back]);
    for workers in WORKERS {
        let topology = Topology::new()
            .workers(workers)
            .listen_at(&format!("unix:{front}"))
            .source("unix_mode: \"0660\"")
            .transform("RequestLogger")
            .sink_at(&format!("unix:{back}"));
        let mut proxy = topology.start();
        assert_eq!(std::fs::metadata(&front).unwrap().permissions().mode() & 0o777, 0o660);
        let cli = |args: &[&str]| output_of(Command::new("redis-cli").args(["-s", &front]).args(args));
        assert_eq!(cli(&["SET", "greeting", "hello"]), "OK\n");
        assert_eq!(cli(&["GET", "greeting"]), "hello\n");
        let large = "x".repeat(100_000);
        assert_eq!(cli(&["SET", "large", &large]), "OK\n");
        assert_eq!(cli(&["GET", "large"]), format!("{large}\n"));
        assert_eq!(server.client().ask("GET greeting"), "$5\r\nhello\r\n");
        wait_for_line(&proxy, &["RequestLogger", &format!("unix:{front}")]);

        // A second proxy cannot have it, and the first one keeps it.
        let elsewhere = tempfile::tempdir().unwrap();
        let again = Topology::new().listen_at(&format!("unix:{front}")).sink(&server).write(elsewhere.path());
        let finished = finish(&["run"], &again);
        assert!(!finished.status.success() && finished.output.contains("in use"), "{}", finished.output);
        assert!(finished.output.contains(&format!("unix:{front}")), "{}", finished.output);
        assert_eq!(cli(&["GET", "greeting"]), "hello\n");

        proxy.terminate();
        assert!(proxy.wait_for_end(SOON).success());
        assert!(!Path::new(&front).exists(), "the file goes with the proxy");
        // As a process leaves it that was killed.
        drop(std::os::unix::net::UnixListener::bind(&front).unwrap());
    }
}

#[test]
fn the_proxy_protocol_says_who_the_client_is() {
    let proxy = Topology::new().source("proxy_protocol: true").transform("MemoryStore").transform("NullSink").start();
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x02\xdc\x04\x18\xeb";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    let cases: &[(&[u8], &str)] = &[
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 6379\r\n", "addr=192.0.2.1:56324 "),
        (b"PROXY TCP6 2001:db8::1 ::1 56324 6379\r\n", "addr=[2001:db8::1]:56324 "),
        (v2, "addr=192.0.2.9:56324 "),
        (b"PROXY UNKNOWN\r\n", "addr=127.0.0.1:"),
        (local, "addr=127.0.0.1:"),
    ];
    for (header, expected) in cases {
        let mut client = proxy.client();
        // Together with the first request, and in two pieces.
        let (first, second) = header.split_at(header.len() / 2);
        client.send(first);
        std::thread::sleep(Duration::from_millis(20));
        client.send(&[second, &inline("CLIENT INFO")].concat());
        let reply = String::from_utf8(client.reply().to_vec()).unwrap();
        assert!(reply.contains(expected), "{reply}");
    }
    for (bytes, words) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], "does not begin with a header of the PROXY protocol"),
        (b"PROXY TCP4 nonsense\r\n", "the header is malformed"),
    ] {
        let mut client = proxy.client();
        client.send(bytes);
        assert!(!client.try_reply().is_ok_and(|reply| reply.is_some()));
        wait_for_line(&proxy, &["client refused", "PROXY protocol: ", words]);
    }
    // Somebody who only looks whether the port is open is no news.
    drop(proxy.client());
    let mut slow = proxy.client();
    slow.send(b"PROXY TCP4");
    let began = Instant::now();
    assert_eq!(slow.rest(), "");
    assert!(began.elapsed() > Duration::from_secs(4));
    wait_for_line(&proxy, &["no whole header within 5s"]);
    assert!(!proxy.output().contains("ended without a header"), "{}", proxy.output());
}

#[test]
fn the_proxy_protocol_comes_before_tls() {
    let authority = Authority::new();
    let proxy = Topology::new()
        .source(&authority.source(&authority.sign("proxy"), false))
        .source("proxy_protocol: true")
        .transform("MemoryStore")
        .transform("NullSink")
        .start();
    let mut client = proxy.client();
    client.writer().write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 6379\r\n").unwrap();
    client.start_tls(&Arc::clone(&authority.client(None))).unwrap();
    let reply = String::from_utf8(client.ask("CLIENT INFO").to_vec()).unwrap();
    assert!(reply.contains("addr=192.0.2.1:56324 "), "{reply}");
}
