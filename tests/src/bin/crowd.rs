//! Many connections that do nothing, in a process of their own: a process has only so many open files.
//!
//! `crowd COUNT ADDRESS…` connects so often, to the addresses in turn, says `PING` on each connection, prints `connected COUNT`, and
//! waits to be killed.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use sluice_tests::descriptors;

fn main() -> io::Result<()> {
    descriptors::raise();
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    let addrs: Vec<String> = arguments.collect();
    let mut connections = Vec::with_capacity(count);
    for addr in addrs.iter().cycle().take(count) {
        let mut connection = TcpStream::connect(addr)?;
        connection.write_all(b"*1\r\n$4\r\nPING\r\n")?;
        let mut reply = [0; 7];
        connection.read_exact(&mut reply)?;
        if reply != *b"+PONG\r\n" {
            return Err(io::Error::other(format!("refused: {}", reply.escape_ascii())));
        }
        connections.push(connection);
    }
    println!("connected {}", connections.len());
    loop {
        std::thread::park();
    }
}
