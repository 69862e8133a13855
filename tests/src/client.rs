//! A raw client: it sends exactly the bytes it is given, and returns each reply as exactly the bytes that came.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

/// How long a reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// Which protocol the replies are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2, in which every connection begins.
    Resp2,
    /// RESP3, from `HELLO 3` on.
    Resp3,
}

/// One connection to a server or to the proxy.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    protocol: Protocol,
    /// What has been received: `read..` is not a whole reply yet, or has not been asked for.
    buffer: Vec<u8>,
    read: usize,
}

/// A request as clients send it: an array of bulk strings.
pub fn request<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A request as people type it: `SET a 1`. Arguments are separated by spaces and cannot hold any.
pub fn inline(line: &str) -> Vec<u8> {
    request(&line.split_whitespace().collect::<Vec<_>>())
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[track_caller]
    pub fn connect(addr: &str) -> Self {
        Self::try_connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"))
    }

    /// Connects, where it is not certain that somebody listens.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn try_connect(addr: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { stream, tls: None, protocol: Protocol::Resp2, buffer: Vec::new(), read: 0 })
    }

    /// Connects by TLS, to `127.0.0.1` or another name that the certificate is for.
    ///
    /// # Errors
    ///
    /// What the operating system says, or what is wrong with the certificate. A server that wants another one of the client says so at
    /// the first reply.
    pub fn try_connect_tls(addr: &str, config: &Arc<rustls::ClientConfig>) -> io::Result<Self> {
        let mut client = Self::try_connect(addr)?;
        client.start_tls(config)?;
        Ok(client)
    }

    /// Goes on by TLS, where something else had to be sent before.
    ///
    /// # Errors
    ///
    /// As [`Client::try_connect_tls`].
    pub fn start_tls(&mut self, config: &Arc<rustls::ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream)?;
        }
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// The certificate that the server has shown, in DER.
    ///
    /// # Panics
    ///
    /// If this is no connection of TLS.
    pub fn server_certificate(&self) -> Vec<u8> {
        let certificates = self.tls.as_ref().and_then(|tls| tls.peer_certificates()).expect("a connection of TLS");
        certificates[0].to_vec()
    }

    /// A second handle on the same connection, to write with while this one reads.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a socket can be cloned")
    }

    /// How long a reply may take, where the usual half a minute is not right.
    pub fn set_reply_limit(&self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a time-out that is not zero");
    }

    /// Sends these bytes, whatever they are.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).write_all(bytes),
        };
        sent.unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Sends these bytes, where it is not certain that the other side still takes them.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one request of these arguments.
    #[track_caller]
    pub fn send_request<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        self.send(&request(args));
    }

    /// Sends one request of these arguments and returns the reply.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Bytes {
        self.send_request(args);
        self.reply()
    }

    /// Sends a request as people type it and returns the reply.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> Bytes {
        self.send(&inline(line));
        self.reply()
    }

    /// Reads what follows as RESP3, whatever the protocol is. That reads RESP2 too, but for its nulls.
    pub fn read_both_protocols(&mut self) {
        self.protocol = Protocol::Resp3;
    }

    /// Changes to RESP3.
    #[track_caller]
    pub fn hello3(&mut self) -> Bytes {
        self.protocol = Protocol::Resp3;
        self.ask("HELLO 3")
    }

    /// Changes back to RESP2.
    #[track_caller]
    pub fn hello2(&mut self) -> Bytes {
        self.protocol = Protocol::Resp2;
        self.ask("HELLO 2")
    }

    /// The next reply.
    ///
    /// # Panics
    ///
    /// If the connection ends or nothing comes in time.
    #[track_caller]
    pub fn reply(&mut self) -> Bytes {
        match self.try_reply() {
            Ok(Some(reply)) => reply,
            Ok(None) => panic!("the connection was closed where a reply was due; pending: {:?}", self.pending()),
            Err(error) => panic!("no reply: {error}; pending: {:?}", self.pending()),
        }
    }

    /// The next `count` replies.
    #[track_caller]
    pub fn replies(&mut self, count: usize) -> Vec<Bytes> {
        (0..count).map(|_| self.reply()).collect()
    }

    /// The next reply; `None` if the connection was closed in good order instead.
    ///
    /// # Errors
    ///
    /// What the operating system says: a time-out, a reset. Bytes that are no reply are `InvalidData`, a reply that breaks off
    /// is `UnexpectedEof`.
    pub fn try_reply(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(length) = self.complete()? {
                let reply = Bytes::copy_from_slice(&self.buffer[self.read..self.read + length]);
                self.read += length;
                if self.read == self.buffer.len() {
                    self.buffer.clear();
                    self.read = 0;
                }
                return Ok(Some(reply));
            }
            if !self.fill()? {
                let whole = self.read == self.buffer.len();
                return if whole { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Everything that comes until the other side closes.
    ///
    /// # Panics
    ///
    /// If it does not close in good order: a reset may have cost replies that were on their way.
    #[track_caller]
    pub fn rest(&mut self) -> Bytes {
        loop {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => {
                    return Bytes::from(std::mem::take(&mut self.buffer).split_off(std::mem::take(&mut self.read)));
                }
                Err(error) => panic!("the connection did not end well: {error}; pending: {:?}", self.pending()),
            }
        }
    }

    /// Says that nothing more will be sent; replies can still be read.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("a connected socket can be half-closed");
    }

    /// Whether nothing comes within `time`, not even a part of a reply.
    #[track_caller]
    pub fn silent_for(&mut self, time: Duration) -> bool {
        self.set_reply_limit(time);
        let result = self.try_reply();
        self.set_reply_limit(REPLY_LIMIT);
        match result {
            Ok(_) => false,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                self.pending().is_empty()
            }
            Err(error) => panic!("the connection failed: {error}"),
        }
    }

    /// What was received and is not a whole reply, at most a line of it.
    fn pending(&self) -> Bytes {
        let end = self.buffer.len().min(self.read + 200);
        Bytes::copy_from_slice(&self.buffer[self.read..end])
    }

    /// The length of the first reply in the buffer, if it is complete.
    fn complete(&self) -> io::Result<Option<usize>> {
        let bytes = &self.buffer[self.read..];
        let length = match self.protocol {
            Protocol::Resp2 => {
                redis_protocol::resp2::decode::decode_range(bytes).map(|found| found.map(|(_, length)| length))
            }
            Protocol::Resp3 => redis_protocol::resp3::decode::complete::decode_range(bytes)
                .map(|found| found.map(|(_, length)| length)),
        };
        length.map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("not a reply: {error}: {:?}", self.pending()))
        })
    }

    /// Reads what has come; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.read > 0 && self.read * 2 > self.buffer.len() {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        let before = self.buffer.len();
        // As much again as there is: a large reply comes in few reads.
        let room = before.clamp(16 << 10, 4 << 20);
        self.buffer.resize(before + room, 0);
        let count = match &mut self.tls {
            None => self.stream.read(&mut self.buffer[before..]),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(&mut self.buffer[before..]),
        };
        self.buffer.truncate(before + count.as_ref().map_or(0, |count| *count));
        Ok(count? > 0)
    }
}
