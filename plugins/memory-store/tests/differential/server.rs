//! A real `redis-server` with one database, on a socket of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server and a connection to it. Dropping it kills the server.
pub(crate) struct Server {
    child: Child,
    connection: BufReader<UnixStream>,
    _directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("redis.sock");
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--databases", "1", "--proto-max-bulk-len", "512mb", "--unixsocket"])
            .arg(&socket)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect(
                "this test compares with `redis-server` 7.0, which has to be installed (apt-get install redis-server)",
            );
        let deadline = Instant::now() + Duration::from_secs(20);
        let connection = loop {
            if let Ok(connection) = UnixStream::connect(&socket) {
                break connection;
            }
            assert!(child.try_wait().unwrap().is_none(), "redis-server ended at its start");
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        };
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut server = Self { child, connection: BufReader::new(connection), _directory: directory };
        let info = server.ask(&["INFO", "server"]);
        let info = String::from_utf8_lossy(&info);
        assert!(info.contains("redis_version:7.0."), "the replies are those of redis-server 7.0, found {info}");
        server
    }

    /// Send a request and give the reply as it arrives.
    pub(crate) fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args.iter().map(AsRef::as_ref) {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&request).unwrap();
        let mut reply = Vec::new();
        self.frame(&mut reply);
        reply
    }

    fn frame(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.connection.read_until(b'\n', reply).unwrap();
        let kind = reply[start];
        let number = || -> i64 { std::str::from_utf8(&reply[start + 1..reply.len() - 2]).unwrap().parse().unwrap() };
        let elements = match kind {
            b'$' | b'=' if number() >= 0 => {
                let mut body = vec![0; number() as usize + 2];
                self.connection.read_exact(&mut body).unwrap();
                reply.append(&mut body);
                0
            }
            b'*' | b'~' => number(),
            b'%' => 2 * number(),
            _ => 0,
        };
        (0..elements).for_each(|_| self.frame(reply));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
