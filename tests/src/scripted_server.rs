//! A server whose replies a test writes, and which notes what it was asked on which connection.
//!
//! ```no_run
//! use sluice_tests::scripted_server::{Answer, ScriptedServer};
//! use sluice_tests::Topology;
//!
//! let server = ScriptedServer::start(|asked| match asked.line().as_str() {
//!     "MOD.DO it" => Answer::text("+done\r\n"),
//!     _ => Answer::Usual,
//! });
//! let proxy = Topology::new().sink(&server).start();
//! assert_eq!(proxy.client().ask("MOD.DO it"), "+done\r\n");
//! assert_eq!(server.connections_of("MOD.DO").len(), 1);
//! ```

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ports::free_port;
use crate::topology::{self, Upstream};

/// One request, and the number of the connection that it came on. The first connection is number 0.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The connection.
    pub connection: usize,
    /// The request's arguments, the command's name first.
    pub arguments: Vec<Vec<u8>>,
}

impl Asked {
    /// The command's name in upper case.
    pub fn name(&self) -> String {
        self.word(0).to_ascii_uppercase()
    }

    /// The request as people type it.
    pub fn line(&self) -> String {
        let words: Vec<_> = (0..self.arguments.len()).map(|at| self.word(at)).collect();
        words.join(" ")
    }

    fn word(&self, at: usize) -> String {
        self.arguments.get(at).map_or_else(String::new, |word| String::from_utf8_lossy(word).into_owned())
    }
}

/// What the server says to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What an ordinary server says: see [`ScriptedServer`].
    Usual,
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing, as if the command blocked.
    Nothing,
}

impl Answer {
    /// These bytes, which are text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

/// A command that `COMMAND` tells of: its name and its flags. Its first argument is its key.
pub type Row<'a> = (&'a str, &'a [&'a str]);

/// The server. [`Answer::Usual`] accepts every handshake, answers `COMMAND` with the rows that it
/// was given, `GET key` and `ECHO key` with the key itself, `SET` with OK, `CLUSTER SLOTS` as the
/// only node of a cluster, and refuses other commands as unknown ones. It ends with this value.
pub struct ScriptedServer {
    addr: String,
    inner: Arc<Inner>,
}

struct Inner {
    port: u16,
    rows: Vec<String>,
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    connections: Mutex<Vec<Connection>>,
    ends: AtomicBool,
}

struct Connection {
    stream: TcpStream,
    open: bool,
}

impl ScriptedServer {
    /// Starts one that knows no commands but those of every server.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_commands(&[], answer)
    }

    /// Starts one that tells of these commands too.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub fn with_commands(rows: &[Row<'_>], answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port can be listened on");
        let addr = format!("127.0.0.1:{port}");
        let inner = Arc::new(Inner {
            port,
            rows: rows.iter().map(row).collect(),
            answer: Box::new(answer),
            asked: Mutex::default(),
            connections: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let server = Self { addr, inner: Arc::clone(&inner) };
        std::thread::spawn(move || inner.accept(&listener));
        server
    }

    /// Where it listens.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Every request so far, in the order of their arrival.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.inner.asked).clone()
    }

    /// The connections that a command ran on, one entry for each request of this name.
    pub fn connections_of(&self, name: &str) -> Vec<usize> {
        self.asked().iter().filter(|asked| asked.name() == name).map(|asked| asked.connection).collect()
    }

    /// The connection that a request ran on, written as people type it.
    ///
    /// # Panics
    ///
    /// If that request did not arrive exactly once.
    #[track_caller]
    pub fn connection_of(&self, line: &str) -> usize {
        let asked = self.asked();
        let connections: Vec<usize> =
            asked.iter().filter(|asked| asked.line() == line).map(|asked| asked.connection).collect();
        assert_eq!(connections.len(), 1, "{line} was asked on {connections:?}: {asked:?}");
        connections[0]
    }

    /// Whether the other side still has this connection open.
    pub fn is_open(&self, connection: usize) -> bool {
        lock(&self.inner.connections).get(connection).is_some_and(|connection| connection.open)
    }

    /// Sends these bytes on a connection, though no request asked for them.
    ///
    /// # Panics
    ///
    /// If there is no such connection, or it takes nothing.
    #[track_caller]
    pub fn push(&self, connection: usize, bytes: &[u8]) {
        let connections = lock(&self.inner.connections);
        let mut stream = &connections.get(connection).expect("a connection of this number").stream;
        stream.write_all(bytes).expect("the connection takes bytes");
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.inner.ends.store(true, Ordering::Relaxed);
        for connection in lock(&self.inner.connections).iter() {
            // The other side may have closed it already.
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
        // The listener looks at the flag after each connection.
        let _ = TcpStream::connect(&self.addr);
    }
}

impl Upstream for ScriptedServer {
    fn sink(&self) -> String {
        topology::single(&self.addr)
    }
}

impl Inner {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.ends.load(Ordering::Relaxed) {
                return;
            }
            let Ok(reader) = stream.set_nodelay(true).and_then(|()| stream.try_clone()) else { continue };
            let number = {
                let mut connections = lock(&self.connections);
                connections.push(Connection { stream, open: true });
                connections.len() - 1
            };
            let inner = Arc::clone(&self);
            std::thread::spawn(move || {
                inner.serve(number, BufReader::new(reader));
                lock(&inner.connections)[number].open = false;
            });
        }
    }

    /// Answers requests until the other side has gone, or sends what is none.
    fn serve(&self, connection: usize, mut reader: BufReader<TcpStream>) {
        let mut protocol = 2;
        while let Some(arguments) = read_request(&mut reader) {
            let asked = Asked { connection, arguments };
            lock(&self.asked).push(asked.clone());
            let bytes = match (self.answer)(&asked) {
                Answer::Usual => self.usual(&asked, &mut protocol),
                Answer::Bytes(bytes) => bytes,
                Answer::Nothing => continue,
            };
            if reader.get_mut().write_all(&bytes).is_err() {
                return;
            }
        }
    }

    fn usual(&self, asked: &Asked, protocol: &mut u8) -> Vec<u8> {
        let text = match asked.name().as_str() {
            "PING" => "+PONG\r\n".to_owned(),
            "RESET" => {
                *protocol = 2;
                "+RESET\r\n".to_owned()
            }
            "AUTH" | "SELECT" | "CLIENT" | "READONLY" | "READWRITE" | "ASKING" | "SET" => "+OK\r\n".to_owned(),
            "HELLO" => {
                *protocol = asked.word(1).parse().unwrap_or(*protocol);
                hello(asked.connection, *protocol)
            }
            "CLUSTER" if asked.word(1).eq_ignore_ascii_case("slots") => {
                format!("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n{}:{}\r\n{}", bulk("127.0.0.1"), self.port, bulk("only"))
            }
            "ROLE" => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_owned(),
            "COMMAND" if asked.arguments.len() == 1 => format!("*{}\r\n{}", self.rows.len(), self.rows.concat()),
            "GET" | "ECHO" => bulk(&asked.word(1)),
            _ => format!("-ERR unknown command '{}', with args beginning with: \r\n", asked.word(0)),
        };
        text.into_bytes()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn hello(id: usize, protocol: u8) -> String {
    let fields = [
        bulk("server") + &bulk("redis"),
        bulk("version") + &bulk("7.4.0"),
        format!("{}:{protocol}\r\n", bulk("proto")),
        format!("{}:{}\r\n", bulk("id"), id + 1),
        bulk("mode") + &bulk("standalone"),
        bulk("role") + &bulk("master"),
        format!("{}*0\r\n", bulk("modules")),
    ];
    let head = if protocol == 3 { format!("%{}\r\n", fields.len()) } else { format!("*{}\r\n", 2 * fields.len()) };
    head + &fields.concat()
}

/// An entry of `COMMAND`.
fn row((name, flags): &Row<'_>) -> String {
    let flags: Vec<String> = flags.iter().map(|flag| format!("+{flag}\r\n")).collect();
    let categories_tips_specs_subcommands = "*0\r\n".repeat(4);
    format!(
        "*10\r\n{}:-2\r\n*{}\r\n{}:1\r\n:1\r\n:1\r\n{categories_tips_specs_subcommands}",
        bulk(name),
        flags.len(),
        flags.concat()
    )
}

/// The next request, an array of bulk strings; `None` at the end, or where there is something else.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let count = read_number(reader, '*')?;
    (0..count)
        .map(|_| {
            let length = read_number(reader, '$')?;
            let mut argument = vec![0; length + 2];
            reader.read_exact(&mut argument).ok()?;
            argument.truncate(length);
            Some(argument)
        })
        .collect()
}

fn read_number(reader: &mut BufReader<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    loop {
        match reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => return line.strip_prefix(sign)?.trim_end().parse().ok(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
