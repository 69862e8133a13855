//! A server of the test's own on a Unix socket, and just enough of a client.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A running server; dropping it ends it.
pub struct Redis {
    process: Child,
    socket: PathBuf,
    connection: BufReader<UnixStream>,
}

#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Text(Vec<u8>),
    Error(String),
    Integer(i64),
    Array(Vec<Value>),
}

impl Redis {
    /// Starts the `redis-server` on `PATH`.
    pub fn start() -> Self {
        Self::run(Path::new("redis-server"))
    }

    /// Starts the newest Valkey that is to be had.
    pub fn valkey() -> Self {
        let program = std::env::var_os("SLUICE_VALKEY_SERVER")
            .expect("this test needs a Valkey server, named by SLUICE_VALKEY_SERVER; `cargo xtask test` provides it");
        Self::run(Path::new(&program))
    }

    /// Starts a server that keeps nothing on disk, and waits until it accepts connections.
    fn run(program: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("sluice-commands-{}-{number}.sock", std::process::id()));
        let mut process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs {}, which `cargo xtask test` installs: {error}", program.display())
            });
        let begun = Instant::now();
        let connection = loop {
            match UnixStream::connect(&socket) {
                Ok(connection) => break connection,
                Err(error) => {
                    let ended = process.try_wait().unwrap();
                    assert!(ended.is_none(), "{} ended at once: {ended:?}", program.display());
                    assert!(
                        begun.elapsed() < Duration::from_secs(20),
                        "{} does not listen: {error}",
                        program.display()
                    );
                    thread::sleep(Duration::from_millis(5));
                }
            }
        };
        Self { process, socket, connection: BufReader::new(connection) }
    }

    /// Sends one request and waits for its reply.
    pub fn call(&mut self, request: &[impl AsRef<[u8]>]) -> Value {
        self.send(request);
        self.receive()
    }

    /// Sends a request without waiting.
    pub fn send(&mut self, request: &[impl AsRef<[u8]>]) {
        let mut wire = format!("*{}\r\n", request.len()).into_bytes();
        for argument in request.iter().map(AsRef::as_ref) {
            write!(wire, "${}\r\n", argument.len()).unwrap();
            wire.extend_from_slice(argument);
            wire.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&wire).unwrap();
    }

    /// The next reply.
    pub fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().unwrap();
        match kind {
            "+" => Value::Text(rest.into()),
            "-" => Value::Error(rest.into()),
            ":" => Value::Integer(number()),
            "$" | "*" if number() < 0 => Value::Null,
            "$" => {
                let mut bytes = vec![0; number() as usize + 2];
                self.connection.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                Value::Text(bytes)
            }
            "*" => Value::Array((0..number()).map(|_| self.receive()).collect()),
            _ => panic!("not a reply: {line:?}"),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Neither can fail in a way that a test could mend, and a panic here would hide the first one.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Value {
    pub fn array(&self) -> &[Value] {
        match self {
            Self::Array(values) => values,
            other => panic!("not an array: {other:?}"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).unwrap(),
            other => panic!("not a text: {other:?}"),
        }
    }

    pub fn integer(&self) -> i64 {
        match self {
            Self::Integer(integer) => *integer,
            other => panic!("not an integer: {other:?}"),
        }
    }

    /// The value of a key in a map, which RESP2 writes as a flat array.
    pub fn field(&self, key: &str) -> &Value {
        let pair = self.array().chunks_exact(2).find(|pair| pair[0].text() == key);
        &pair.unwrap_or_else(|| panic!("no {key} in {self:?}"))[1]
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "null"),
            Self::Text(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Error(text) => write!(f, "error {text:?}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Array(values) => f.debug_list().entries(values).finish(),
        }
    }
}
