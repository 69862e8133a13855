//! As much of the Redis protocol as it takes to send a command and show what comes back.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Nothing that these commands ask takes longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A connection that speaks RESP2.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// A reply. Its `Display` is that of `redis-cli`.
pub(crate) enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$1`; nothing for the null bulk string.
    Bulk(Option<Vec<u8>>),
    /// `*1`; nothing for the null array.
    Array(Option<Vec<Reply>>),
}

impl Connection {
    /// Connect.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Send commands in one write, and read their replies.
    pub(crate) fn pipeline(&mut self, commands: &[&[&str]]) -> Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for command in commands {
            write!(bytes, "*{}\r\n", command.len())?;
            for word in *command {
                write!(bytes, "${}\r\n{word}\r\n", word.len())?;
            }
        }
        self.stream.get_mut().write_all(&bytes)?;
        commands
            .iter()
            .map(|command| self.reply().with_context(|| format!("no reply to {}", command.join(" "))))
            .collect()
    }

    /// Send one command and read its reply.
    pub(crate) fn ask(&mut self, command: &[&str]) -> Result<Reply> {
        self.pipeline(&[command])?.pop().context("no reply")
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        let line = line.trim_end_matches("\r\n");
        let (kind, rest) = line.split_at_checked(1).context("an empty line is no reply")?;
        Ok(match kind {
            "+" => Reply::Simple(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(rest.parse()?),
            "$" => Reply::Bulk(self.bulk(rest.parse()?)?),
            "*" => Reply::Array(self.array(rest.parse()?)?),
            _ => bail!("{line:?} begins no reply"),
        })
    }

    fn bulk(&mut self, length: i64) -> Result<Option<Vec<u8>>> {
        // A negative length is the null value.
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Some(bytes))
    }

    fn array(&mut self, length: i64) -> Result<Option<Vec<Reply>>> {
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        (0..length).map(|_| self.reply()).collect::<Result<_>>().map(Some)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => f.write_str(text),
            Self::Error(text) => write!(f, "(error) {text}"),
            Self::Integer(number) => write!(f, "(integer) {number}"),
            Self::Bulk(Some(bytes)) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Bulk(None) | Self::Array(None) => f.write_str("(nil)"),
            Self::Array(Some(items)) if items.is_empty() => f.write_str("(empty array)"),
            Self::Array(Some(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{}) {item}", index + 1)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn replies_are_read_whole_and_shown_as_redis_cli_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 40];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(&request[..], b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nMGET\r\n$6\r\na b\xc3\xa9c\r\n");
            stream.write_all(b"+PONG\r\n*4\r\n$3\r\na\xff\"\r\n$-1\r\n:-7\r\n*1\r\n-ERR no\r\n").unwrap();
        });
        let mut connection = Connection::open(address).unwrap();
        let replies = connection.pipeline(&[&["PING"], &["MGET", "a béc"]]).unwrap();
        server.join().unwrap();
        let shown: Vec<_> = replies.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["PONG", r#"1) "a\xff\"", 2) (nil), 3) (integer) -7, 4) 1) (error) ERR no"#]);
    }
}
