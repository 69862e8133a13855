//! Connections in the hands of a test: what their tasks and their servers would do, step by step.
//!
//! Where the tasks of connections are never polled, a connection waits in its first phase until a
//! test leads it on.

use std::str::from_utf8;

use super::connection::{Connection, ConnectionRef, Phase};
use super::disconnect::Loss;
use super::discovery::Discovery;
use super::identity::Own;
use super::single::Single;
use crate::chain::vector::Arguments;
use crate::cluster::SlotMap;
use crate::ids::SessionId;
use crate::resp::Scan;
use crate::resp::request::RequestScanner;

/// What servers call a connection that asks.
pub(crate) const SERVER_ID: i64 = 41;

impl Connection {
    /// The server takes the connection, and agrees to what it is told at the beginning.
    pub(crate) fn establish(&mut self) {
        self.connecting();
        let id = self.greeting.replies.contains(&Own::Id).then_some(SERVER_ID);
        self.ready(None, b"", id);
    }

    /// The server does not agree to what it is told at the beginning.
    pub(crate) fn refuse(&mut self) {
        self.refused(Loss { reason: "the server refuses it".to_owned(), refused: true });
    }

    /// The server cannot be reached.
    pub(crate) fn fail_to_connect(&mut self) {
        self.refused(Loss { reason: "there is no server".to_owned(), refused: false });
    }

    /// The server sends these bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.health.read += bytes.len() as u64;
    }

    /// The socket breaks.
    pub(crate) fn break_off(&mut self) {
        self.lose("connection closed".to_owned());
    }

    /// The server has reset the connection that was given back.
    pub(crate) fn come_to_rest(&mut self) {
        self.idle();
    }

    /// The socket takes all that waits: the requests that were written.
    pub(crate) fn written(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        if self.phase == Phase::Ready {
            let taken = self.out.flush(&mut self.written, |pieces| {
                pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
                Ok(pieces.iter().map(|piece| piece.len()).sum())
            });
            assert!(taken.is_ok(), "nothing hinders it");
        }
        lines(&bytes)
    }

    /// What the server is told before the first request, but for what is the proxy's own concern.
    pub(crate) fn introduction(&self) -> Vec<String> {
        let told = lines(&self.greeting.bytes).into_iter();
        told.filter(|line| line != "PING" && line != "CLIENT ID").collect()
    }

    /// Whose it is, where it is one session's.
    pub(crate) fn owner(&self) -> Option<SessionId> {
        self.private.as_ref()?.owner
    }
}

impl Single {
    /// The connections that sessions share.
    pub(crate) fn shared_connections(&self) -> Vec<ConnectionRef> {
        self.all().filter(|connection| connection.borrow().private.is_none()).collect()
    }

    /// The connections that are lent to sessions, or were.
    pub(crate) fn private_connections(&self) -> Vec<ConnectionRef> {
        self.all().filter(|connection| connection.borrow().private.is_some()).collect()
    }
}

impl Discovery {
    /// The cluster has answered `CLUSTER SLOTS` with this.
    pub(crate) fn hear(&self, answer: &[u8]) {
        let map = SlotMap::read(answer, "");
        assert!(map.is_ok(), "{map:?}");
        map.into_iter().for_each(|map| self.learn(map));
    }
}

/// The requests in these bytes, their words with a space between them.
fn lines(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while !bytes.is_empty() {
        let mut spans = Vec::new();
        let Ok(Scan::Complete(len)) = RequestScanner::default().scan(bytes, &mut spans) else { break };
        let arguments = Arguments::new(&bytes[..len], &spans);
        let words = (0..).map_while(|at| arguments.get(at)).map(|word| from_utf8(word).unwrap_or("?"));
        lines.push(words.collect::<Vec<_>>().join(" "));
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "half a request was written");
    lines
}
