//! What the cases are run against: a fresh server, directly or through a proxy before it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sluice_tests::{RedisServer, Sluice, Topology, request};

use super::reply::Reply;

/// How long a reply may take: no case makes a server wait for longer than a fraction of it.
const LIMIT: Duration = Duration::from_secs(10);

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// The way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Directly.
    None,
    /// Through components that see every request and every response and change none.
    Watching,
    /// Through components of which one renames every key.
    Prefix,
}

impl Chain {
    /// The chains that are compared with none.
    pub(super) const ALL: [Self; 2] = [Self::Watching, Self::Prefix];

    /// Its name in the list of differences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "direct",
            Self::Watching => "watching",
            Self::Prefix => "key-prefix",
        }
    }
}

/// A fresh server, and the proxy if there is one.
pub(super) struct Target {
    proxy: Option<Sluice>,
    server: RedisServer,
}

impl Target {
    pub(super) fn start(chain: Chain) -> Self {
        let server = RedisServer::start_with(&["--enable-debug-command", "yes", "--databases", "16"]);
        let proxy = match chain {
            Chain::None => None,
            Chain::Watching => Some(Topology::watching(&server).start()),
            Chain::Prefix => Some(Topology::three_components(&server).start()),
        };
        Self { proxy, server }
    }

    /// A new connection.
    pub(super) fn connect(&self) -> Wire {
        let addr = self.proxy.as_ref().map_or_else(|| self.server.addr(), |proxy| proxy.addr().to_owned());
        Wire::connect(&addr)
    }

    /// Asks again and again until the reply holds this text; whether that came true.
    pub(super) fn comes_to_hold(&self, words: &[Vec<u8>], text: &[u8]) -> bool {
        let mut wire = self.connect();
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            wire.send_request(words);
            match wire.reply() {
                Came::Reply(_, bytes) if bytes.windows(text.len()).any(|part| part == text) => return true,
                Came::Reply(..) => std::thread::sleep(PAUSE),
                Came::End(_) => return false,
            }
        }
        false
    }
}

/// A connection that says what happened instead of failing, so that one difference does not hide the others.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    over: bool,
}

/// What came where a reply was due.
pub(super) enum Came {
    Reply(Reply, Vec<u8>),
    /// Something else; from here on nothing more is read.
    End(String),
}

impl Wire {
    fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
        stream.set_nodelay(true).expect("a connected socket");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit that is not zero");
        Self { stream, buffer: Vec::new(), over: false }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        // A connection that takes nothing gives no reply, which is where it is told.
        let _ = self.stream.write_all(bytes);
    }

    pub(super) fn send_request(&mut self, words: &[Vec<u8>]) {
        self.send(&request(words));
    }

    /// The next reply.
    pub(super) fn reply(&mut self) -> Came {
        if self.over {
            return Came::End("(the connection is over)".to_owned());
        }
        loop {
            match Reply::parse(&self.buffer) {
                Ok(Some((reply, length))) => {
                    let behind = self.buffer.split_off(length);
                    return Came::Reply(reply, std::mem::replace(&mut self.buffer, behind));
                }
                Ok(None) => {}
                Err(_) => return self.end("(no reply)"),
            }
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return self.end("(closed)"),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return self.end("(silence)");
                }
                Err(_) => return self.end("(reset)"),
            }
        }
    }

    /// Everything that comes until the other side closes.
    pub(super) fn rest(&mut self) -> String {
        let mut all = String::new();
        loop {
            match self.reply() {
                Came::Reply(_, bytes) => all += &bytes.escape_ascii().to_string(),
                Came::End(how) => return all + &how,
            }
        }
    }

    /// Sends nothing more, and says what is still received: nothing, where every reply has been read.
    pub(super) fn finish(mut self) -> String {
        // It may be closed already.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        if self.over { String::new() } else { self.rest() }
    }

    fn end(&mut self, how: &str) -> Came {
        self.over = true;
        Came::End(format!("{}{how}", self.buffer.escape_ascii()))
    }
}
