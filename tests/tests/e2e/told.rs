//! What a reply says of a write, where servers die.

use std::io::ErrorKind;

use bytes::Bytes;
use sluice_tests::Client;

/// What a reply says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    Ok,
    Queued,
    Value(u64),
    Text(String),
    /// The reply to EXEC: both were incremented.
    Pair(u64, u64),
    /// The proxy does not know whether it was executed.
    InDoubt,
    /// The proxy says that it was not executed.
    NotSent,
    /// The server says that it was not executed: it has not read its data yet, or there is no transaction, or it had an error.
    NotNow,
    /// The connection ended instead.
    Unanswered,
}

impl Told {
    /// What comes next on this connection.
    #[track_caller]
    pub(crate) fn next(client: &mut Client) -> Self {
        next(client).map_or(Self::Unanswered, |reply| Self::read(&reply))
    }

    /// The same, where a value of this length is well.
    #[track_caller]
    pub(crate) fn next_large(client: &mut Client, length: usize) -> Self {
        let beginning = format!("${length}\r\n");
        next(client).map_or(Self::Unanswered, |reply| match reply.starts_with(beginning.as_bytes()) {
            true => Self::Ok,
            false => Self::read(&reply),
        })
    }

    pub(crate) fn read(reply: &[u8]) -> Self {
        let text = std::str::from_utf8(reply).expect("a reply of these tests is text");
        let words: Vec<&str> = text.split("\r\n").collect();
        let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("not a counter: {text:?}"));
        match words.as_slice() {
            ["+OK", ""] => Self::Ok,
            ["+QUEUED", ""] => Self::Queued,
            ["$-1", ""] => Self::Value(0),
            ["*2", first, second, ""] => {
                Self::Pair(number(first.trim_start_matches(':')), number(second.trim_start_matches(':')))
            }
            [error, ""] if error.ends_with("; whether this request was executed is unknown") => Self::InDoubt,
            [error, ""] if error.ends_with("; this request was not sent") => Self::NotSent,
            [error, ""] if error.starts_with("-LOADING ") || error.starts_with("-EXECABORT ") => Self::NotNow,
            ["-ERR EXEC without MULTI" | "-ERR DISCARD without MULTI", ""] => Self::NotNow,
            [value, ""] if value.starts_with(':') => Self::Value(number(&value[1..])),
            [length, text, ""] if length.starts_with('$') => Self::Text((*text).to_owned()),
            _ => panic!("nothing that may be said here: {text:?}"),
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::InDoubt | Self::NotSent | Self::NotNow)
    }

    /// The number that it is, however it was said.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The next reply; `None`: the connection has ended.
#[track_caller]
fn next(client: &mut Client) -> Option<Bytes> {
    match client.try_reply() {
        Ok(reply) => reply,
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("a client waits for a reply in vain"),
        Err(_) => None,
    }
}
