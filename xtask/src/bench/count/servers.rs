//! The servers of the script: one, or the three nodes of a cluster. They keep nothing, and hold their replies until told.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::request::{self, Request};
use crate::bench::servers::{Behind, NODES, SLOTS};

/// Bytes that the proxy can send at any time, more than a turn has: how much the kernel takes at once must not depend on the moment.
const ROOM: usize = 1 << 20;

/// The servers, and the connections that the proxy has made to them. All of it happens inside of [`Servers::serve`].
pub(super) struct Servers {
    behind: Behind,
    listeners: Vec<TcpListener>,
    connections: Vec<Upstream>,
}

/// A connection of the proxy's.
struct Upstream {
    /// The place of its server among the others.
    node: usize,
    stream: TcpStream,
    /// What has come of a request that is not whole.
    input: Vec<u8>,
    /// Replies to the clients' requests.
    held: Vec<u8>,
    /// How many there are.
    count: usize,
}

impl Servers {
    /// Has them listen on this host.
    pub(super) fn start(behind: Behind, host: Ipv4Addr) -> Result<Self> {
        let count = match behind {
            Behind::Server => 1,
            Behind::Cluster => NODES,
        };
        let listen = || {
            let listener = TcpListener::bind((host, 0)).with_context(|| format!("cannot listen on {host}"))?;
            listener.set_nonblocking(true)?;
            // Its connections inherit it.
            set_socket_recv_buffer_size(&listener, ROOM)?;
            anyhow::Ok(listener)
        };
        let listeners = (0..count).map(|_| listen()).collect::<Result<_>>()?;
        Ok(Self { behind, listeners, connections: Vec::new() })
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>> {
        self.listeners.iter().map(|listener| Ok(listener.local_addr()?)).collect()
    }

    /// How many requests of clients have come whose replies are held.
    pub(super) fn held(&self) -> usize {
        self.connections.iter().map(|connection| connection.count).sum()
    }

    /// Sends the replies that are held, those of one connection in one write.
    pub(super) fn release(&mut self) -> Result<()> {
        for connection in &mut self.connections {
            connection.stream.set_nonblocking(false)?;
            connection.stream.write_all(&connection.held)?;
            connection.stream.set_nonblocking(true)?;
            connection.held.clear();
            connection.count = 0;
        }
        Ok(())
    }

    /// Accepts connections and takes in what has come, waiting for that for at most `limit`. Returns whether anything has.
    ///
    /// Requests of clients are counted and their replies held; what the proxy asks on its own account is answered at once.
    pub(super) fn serve(&mut self, limit: Duration) -> Result<bool> {
        let sockets = self.listeners.iter().map(AsFd::as_fd);
        let sockets = sockets.chain(self.connections.iter().map(|connection| connection.stream.as_fd()));
        let mut sockets: Vec<_> = sockets.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
        let events = poll(&mut sockets, Some(&Timespec::try_from(limit)?))?;
        let ready: Vec<bool> = sockets.iter().map(|socket| !socket.revents().is_empty()).collect();
        let (listening, connected) = ready.split_at(self.listeners.len());
        let nodes = self.addresses()?;
        let mut connected = connected.iter();
        let behind = self.behind;
        let mut broken = None;
        self.connections.retain_mut(|connection| {
            let ready = connected.next() == Some(&true);
            !ready
                || connection.take_in(behind, &nodes).unwrap_or_else(|error| {
                    broken.get_or_insert(error);
                    false
                })
        });
        for (node, _) in listening.iter().enumerate().filter(|(_, ready)| **ready) {
            let (stream, _) = self.listeners[node].accept()?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.connections.push(Upstream { node, stream, input: Vec::new(), held: Vec::new(), count: 0 });
        }
        // Replies are sent in the same order in each run.
        self.connections.sort_by_key(|connection| connection.node);
        broken.map_or(Ok(events > 0), Err)
    }
}

impl Upstream {
    /// Returns whether the connection is still there.
    fn take_in(&mut self, behind: Behind, nodes: &[SocketAddr]) -> Result<bool> {
        let mut piece = [0; 1 << 16];
        match self.stream.read(&mut piece) {
            Ok(0) => return Ok(false),
            Ok(length) => self.input.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error).context("a connection of the proxy's to a server"),
        }
        let mut used = 0;
        while let Some(Request { words, length }) = request::parse(&self.input[used..])? {
            used += length;
            match request::reply(&words) {
                Some(reply) => {
                    self.held.extend_from_slice(&reply);
                    self.count += 1;
                }
                None => {
                    let answer = own_answer(&words, behind, nodes);
                    self.stream.write_all(&answer)?;
                }
            }
        }
        self.input.drain(..used);
        Ok(true)
    }
}

/// What a server says to what the proxy asks on its own account: when it connects, and from time to time.
fn own_answer(words: &[&[u8]], behind: Behind, nodes: &[SocketAddr]) -> Vec<u8> {
    let word = |at: usize| words.get(at).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    match (&word(0)[..], &word(1)[..]) {
        (b"PING", _) => b"+PONG\r\n".to_vec(),
        // Whatever it does not know by itself is unknown here too.
        (b"COMMAND", _) => b"*0\r\n".to_vec(),
        (b"ROLE", _) => b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_vec(),
        (b"HELLO", _) => b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
        (b"CLUSTER", b"SLOTS") if behind == Behind::Cluster => slots(nodes).into_bytes(),
        (b"CLUSTER" | b"INFO", _) => b"-ERR this server follows a script that has no such line\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    }
}

/// The reply to CLUSTER SLOTS: the slots are shared out evenly.
fn slots(nodes: &[SocketAddr]) -> String {
    let mut text = format!("*{}\r\n", nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let (first, last) = (at * SLOTS / nodes.len(), (at + 1) * SLOTS / nodes.len() - 1);
        let (host, name) = (node.ip().to_string(), format!("{at:040x}"));
        text.push_str(&format!("*3\r\n:{first}\r\n:{last}\r\n*3\r\n${}\r\n{host}\r\n", host.len()));
        text.push_str(&format!(":{}\r\n${}\r\n{name}\r\n", node.port(), name.len()));
    }
    text
}
