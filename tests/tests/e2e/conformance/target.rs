//! What the cases are run against: a server as good as new, directly or through a proxy, or a cluster behind one.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sluice_tests::{RedisServer, Sluice, Topology, request};

use super::reply::Reply;

/// How long a reply may take: no case makes a server wait for longer than a fraction of it.
const LIMIT: Duration = Duration::from_secs(10);

/// The options of every server.
pub(super) const SERVER: [&str; 4] = ["--enable-debug-command", "yes", "--databases", "16"];

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// `redis-server` 7.0.
    Redis,
    /// The newest one there is: `valkey-server` 9.
    Valkey,
}

impl Server {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    /// Its name in the list of differences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    fn start(self) -> RedisServer {
        match self {
            Self::Redis => RedisServer::start_with(&SERVER),
            Self::Valkey => RedisServer::start_valkey_with(&SERVER),
        }
    }
}

/// The way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// Directly.
    None,
    /// Through components that see every request and every response and change none.
    Watching,
    /// Through components of which one renames every key.
    Prefix,
    /// Directly to a cluster of one node.
    OneNode,
    /// As [`Chain::Watching`], to three nodes that look like one.
    ThreeNodes,
    /// The same, to three nodes with a replica each.
    SixNodes,
    /// Through components of which one puts every key into one slot, to a cluster of one node.
    OneSlotOfOne,
    /// The same, to three nodes that look like one.
    OneSlot,
}

impl Chain {
    /// The chains before a server that are compared with none.
    pub(super) const BEFORE_SERVER: [Self; 2] = [Self::Watching, Self::Prefix];

    /// The chains before a cluster that are compared with something else.
    pub(super) const BEFORE_CLUSTER: [Self; 3] = [Self::ThreeNodes, Self::SixNodes, Self::OneSlot];

    /// Its name in the list of differences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "direct",
            Self::Watching => "watching",
            Self::Prefix => "key-prefix",
            Self::OneNode => "one-node",
            Self::ThreeNodes => "three-nodes",
            Self::SixNodes => "six-nodes",
            Self::OneSlotOfOne => "one-slot-of-one",
            Self::OneSlot => "one-slot",
        }
    }
}

/// What is there to connect to. What it has started ends with it.
pub(super) struct Target {
    /// Where clients connect.
    addr: String,
    /// The nodes of a cluster, the first one a primary.
    nodes: Vec<String>,
    _started: (Option<Sluice>, Option<RedisServer>),
}

impl Target {
    /// Starts a fresh server, and the proxy if there is one.
    pub(super) fn start(server: Server, chain: Chain) -> Self {
        let server = server.start();
        let proxy = match chain {
            Chain::None => None,
            Chain::Watching => Some(Topology::watching(&server).start()),
            Chain::Prefix => Some(Topology::three_components(&server).start()),
            other => unreachable!("{} is no chain before a single server", other.name()),
        };
        let addr = proxy.as_ref().map_or_else(|| server.addr(), |proxy| proxy.addr().to_owned());
        Self { addr, nodes: Vec::new(), _started: (proxy, Some(server)) }
    }

    /// Servers that run already, and the proxy if there is one.
    pub(super) fn before(nodes: Vec<String>, proxy: Option<Sluice>) -> Self {
        let addr = proxy.as_ref().map_or_else(|| nodes[0].clone(), |proxy| proxy.addr().to_owned());
        Self { addr, nodes, _started: (proxy, None) }
    }

    /// A new connection.
    pub(super) fn connect(&self) -> Wire {
        Wire::connect(&self.addr)
    }

    /// Asks again and again until the reply holds this text; whether that came true.
    ///
    /// What is asked of a server as such, any node of a cluster may say; of INFO the text is `name:number`, and the sum counts.
    pub(super) fn comes_to_hold(&self, words: &[Vec<u8>], text: &[u8]) -> bool {
        let info = words[0] == b"INFO";
        let mut wires = match &*self.nodes {
            nodes if info || words[0] == b"PING" => nodes.iter().map(|node| Wire::connect(node)).collect(),
            _ => vec![self.connect()],
        };
        if wires.is_empty() {
            wires.push(self.connect());
        }
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let mut replies = Vec::new();
            for wire in &mut wires {
                wire.send_request(words);
                match wire.reply() {
                    Came::Reply(_, bytes) => replies.push(bytes),
                    Came::End(_) => return false,
                }
            }
            let holds = |reply: &Vec<u8>| reply.windows(text.len()).any(|part| part == text);
            if if info { sum_is(&replies, text) } else { replies.iter().any(holds) } {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }
}

/// Whether the numbers that these replies to INFO name add up to that in `text`.
fn sum_is(replies: &[Vec<u8>], text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let (name, number) = text.split_once(':').expect("INFO is asked for `name:number`");
    let of = |reply: &Vec<u8>| -> u64 {
        let reply = String::from_utf8_lossy(reply);
        let value = reply.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("INFO does not tell {name}: {reply}"))
    };
    replies.iter().map(of).sum::<u64>().to_string() == number
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
    pub(super) fn connect(addr: &str) -> Self {
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
