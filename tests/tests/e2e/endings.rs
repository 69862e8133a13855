//! How a connection ends: every reply that was released arrives, and no reset takes it away.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{RedisServer, Sluice, Topology, inline, request, wait_until};

/// What a client still sends behind its last request: more than a socket's buffers hold.
const MORE: usize = 8 << 20;

/// A client that goes on sending while nobody reads its replies, and reads them at the end.
struct SendsOn {
    stream: TcpStream,
    sending: std::thread::JoinHandle<()>,
}

impl SendsOn {
    /// Sends `first`, and then `more` until it is stopped by the other side or has sent it so often.
    fn start(proxy: &Sluice, first: &[u8], more: &'static [u8], times: usize) -> Self {
        let stream = TcpStream::connect(proxy.addr()).expect("the proxy accepts clients");
        stream.set_read_timeout(Some(SOON)).expect("a limit that is not zero");
        let mut writer = stream.try_clone().expect("a second handle of the socket");
        let first = first.to_vec();
        let sending = std::thread::spawn(move || {
            let mut sent = writer.write_all(&first);
            for _ in 0..times {
                sent = sent.and_then(|()| writer.write_all(more));
            }
            // The proxy may be faster.
            let _ = writer.shutdown(Shutdown::Write);
        });
        Self { stream, sending }
    }

    /// All that comes, to the end of the connection, once everything is sent: by then the other side
    /// has ended what it has to say.
    #[track_caller]
    fn rest_behind_all(self) -> Vec<u8> {
        let Self { stream, sending } = self;
        sending.join().expect("it sends");
        Self { stream, sending: std::thread::spawn(|| ()) }.rest()
    }

    /// All that comes, to the end of the connection.
    #[track_caller]
    fn rest(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let read = self.stream.read_to_end(&mut all);
        assert!(read.is_ok(), "{read:?} behind {} bytes", all.len());
        self.sending.join().expect("it sends");
        all
    }
}

fn proxy(server: &RedisServer) -> Sluice {
    Topology::three_components(server).top("drain_timeout: 8s").start()
}

/// A reply that lies in the sockets when the proxy has written all of it: a reset would have the
/// system forget it.
const REPLY: usize = 1 << 20;

/// What a client is told by a proxy with this line in its source, where it asks for a large value,
/// sends `last`, and much `more` behind it, and reads only then. The value is taken off.
#[track_caller]
fn told_behind_a_value(line: &str, last: &[u8], more: &'static [u8]) -> String {
    let server = RedisServer::start();
    let value = vec![b'v'; REPLY];
    assert_eq!(server.client().call(&[b"SET".as_slice(), b"e2e:large", &value]), "+OK\r\n");
    let proxy = Topology::three_components(&server).source(line).start();
    let first = [&request(&["GET", "large"]), last].concat();
    let all = SendsOn::start(&proxy, &first, more, MORE / more.len()).rest_behind_all();
    let reply = [format!("${REPLY}\r\n").as_bytes(), &value, b"\r\n"].concat();
    assert!(all.starts_with(&reply), "{} bytes of {} have come", all.len(), reply.len());
    String::from_utf8_lossy(&all[reply.len()..]).into_owned()
}

#[test]
fn what_comes_behind_quit_takes_no_reply_away() {
    assert_eq!(told_behind_a_value("", &inline("QUIT"), b"PING\r\n"), "+OK\r\n");
}

#[test]
fn what_comes_behind_a_protocol_error_takes_its_text_and_no_reply_away() {
    let told = told_behind_a_value("", b"*1\r\n!wrong\r\n", b"PING\r\n");
    assert_eq!(told, "-ERR Protocol error: expected '$', got '!'\r\n");
}

#[test]
fn what_comes_behind_a_request_that_is_too_large_takes_no_reply_away() {
    let large = b"*2\r\n$4\r\nECHO\r\n$1000000\r\n";
    let told = told_behind_a_value("limits: { query: 64KiB }", large, b"xxxxxxxxxxxxxxxx");
    assert!(told.starts_with("-ERR "), "{told}");
}

#[test]
fn who_is_refused_for_there_are_too_many_reads_why() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).source("connection_limit: 1").start();
    let mut first = proxy.client();
    assert_eq!(first.ask("PING"), "+PONG\r\n");
    for _ in 0..20 {
        let second = SendsOn::start(&proxy, b"", b"PING\r\n", MORE / 6 / 20);
        assert_eq!(second.rest_behind_all(), b"-ERR max number of clients reached\r\n");
    }
}

#[test]
fn a_connection_is_free_for_others_once_its_client_has_left() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).source("connection_limit: 1").start();
    for _ in 0..20 {
        let mut client = wait_until("the one before has left", SOON, || {
            let mut client = proxy.client();
            (client.ask("PING") == "+PONG\r\n").then_some(client)
        });
        assert_eq!(client.ask("QUIT"), "+OK\r\n");
    }
    wait_until("no session is left", SOON, || (proxy.metrics().sum("sluice_sessions", &[]) == Some(0.0)).then_some(()));
}

#[test]
fn sigterm_sends_a_slow_reader_that_still_sends_every_reply() {
    let server = RedisServer::start();
    let limits = "limits: { in_flight: 64KiB }";
    let mut proxy = Topology::three_components(&server).source(limits).start();
    let value = vec![b'v'; 10_000];
    assert_eq!(server.client().call(&[b"SET".as_slice(), b"e2e:large", &value]), "+OK\r\n");
    let client = SendsOn::start(&proxy, b"", b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n", 100_000);
    // Its replies fill the sockets, so it is not read from any more, and has sent more than that.
    wait_until("replies wait for their client", SOON, || {
        let mut byte = [0];
        (client.stream.peek(&mut byte).expect("a reply comes") == 1).then_some(())
    });
    proxy.terminate();
    wait_until("new connections are refused", SOON, || {
        let error = TcpStream::connect(proxy.addr()).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
    let reply = [b"$10000\r\n".as_slice(), &value, b"\r\n"].concat();
    let rest = client.rest();
    assert!(rest.len() >= reply.len(), "{} bytes", rest.len());
    for got in rest.chunks(reply.len()) {
        assert!(got == reply, "a reply that is not whole, or another's: {}", got[..got.len().min(80)].escape_ascii());
    }
    assert!(proxy.wait_for_end(SOON).success());
}

#[test]
fn before_listeners_close_load_balancers_may_look_away() {
    let server = RedisServer::start();
    let mut proxy = Topology::three_components(&server).top("drain: { delay: 3s }").start();
    let mut client = proxy.client();
    proxy.terminate();
    wait_until("the proxy is not ready", SOON, || (proxy.get("/readyz").status == 503).then_some(()));
    assert_eq!(client.ask("PING"), "+PONG\r\n");
    assert_eq!(proxy.client().ask("PING"), "+PONG\r\n", "it goes on as before");
    assert_eq!(client.rest(), "");
    assert!(proxy.wait_for_end(SOON).success());
}

#[test]
fn idle_clients_are_sent_away_one_after_the_other() {
    let server = RedisServer::start();
    let mut proxy = Topology::three_components(&server).workers(1).top("drain: { spread: 4s }").start();
    let clients: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    let (sender, ended) = std::sync::mpsc::channel();
    for mut client in clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        let sender = sender.clone();
        std::thread::spawn(move || {
            assert_eq!(client.rest(), "");
            // By then the test may be over.
            let _ = sender.send(client);
        });
    }
    proxy.terminate();
    let first = ended.recv_timeout(SOON).expect("one ends");
    drop(first);
    assert!(ended.try_recv().is_err(), "not all of them at once");
    for _ in 1..8 {
        ended.recv_timeout(SOON).expect("another one ends");
    }
    assert!(proxy.wait_for_end(SOON).success());
}

#[test]
fn two_signals_at_once_are_one() {
    let server = RedisServer::start();
    let mut proxy = proxy(&server);
    let mut client = proxy.client();
    client.send(&inline("BLPOP queue 0"));
    let mut direct = server.client();
    wait_until("the request is in flight", SOON, || {
        (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
    });
    proxy.terminate();
    wait_until("new connections are refused", SOON, || TcpStream::connect(proxy.addr()).err());
    proxy.terminate();
    assert_eq!(direct.ask("RPUSH e2e:queue element"), ":1\r\n");
    assert_eq!(client.rest(), "*2\r\n$5\r\nqueue\r\n$7\r\nelement\r\n");
    assert!(proxy.wait_for_end(SOON).success());
}

#[test]
fn idle_timeout_ends_a_client_that_does_not_take_its_replies() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).source("idle_timeout: 2s").start();
    let value = vec![b'v'; 1 << 20];
    assert_eq!(server.client().call(&[b"SET".as_slice(), b"e2e:large", &value]), "+OK\r\n");
    let mut idle = TcpStream::connect(proxy.addr()).expect("the proxy accepts clients");
    idle.write_all(&request(&["GET", "large"]).repeat(40)).expect("the proxy reads");
    let mut quits = TcpStream::connect(proxy.addr()).expect("the proxy accepts clients");
    quits.write_all(&[request(&["GET", "large"]).repeat(40), inline("QUIT")].concat()).expect("the proxy reads");
    let limit = Duration::from_secs(20);
    wait_until("both are closed", limit, || (proxy.metrics().sum("sluice_sessions", &[]) == Some(0.0)).then_some(()));
}
