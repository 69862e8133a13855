//! Replies in the client's terms: with the addresses of proxies in the place of a cluster's nodes,
//! and with the ID that the client was told in the place of a connection's.

use bytes::Bytes;
use sluice_commands::ClientIdForm;

use super::flow::Flow;
use super::session_state::StateChange;
use crate::chain::Kind;
use crate::cluster::Rewrite;
use crate::resp::{encode, reply};
use crate::upstream::{Payload, Ticket};

/// The replies to the requests of `ticket` as the client sees them; `None`: as they are. `rewrite`:
/// the addresses of proxies, where clients are told those.
pub(super) fn retold(
    flow: &Flow,
    rewrite: Option<&Rewrite>,
    ticket: &Ticket,
    replies: &Payload<'_>,
    kind: Kind,
) -> Option<Bytes> {
    let replies = replies.bytes();
    let several = ticket.count > 1 || kind != Kind::Single;
    let told = match flow.change_of(ticket.sequence) {
        Some(StateChange::Exec(changes)) => elements(replies, |at, element| {
            let change = changes.iter().find(|(place, _)| *place == at);
            change.and_then(|(_, change)| one(change, flow.client.id, rewrite, element))
        }),
        Some(change) => one(change, flow.client.id, rewrite, replies),
        None => None,
    };
    told.or_else(|| rewrite?.errors(replies, several)).map(Bytes::from)
}

/// The reply to one request that asked for a change.
fn one(change: &StateChange, id: u64, rewrite: Option<&Rewrite>, frame: &[u8]) -> Option<Vec<u8>> {
    match change {
        StateChange::Nodes(form) => rewrite?.reply(*form, frame),
        StateChange::Refused(reply) => Some(reply.to_vec()),
        StateChange::Hello { .. } => client_id(ClientIdForm::Greeting, id, frame),
        StateChange::ClientId(form) => client_id(*form, id, frame),
        StateChange::Listed(clients) => listed(clients, frame),
        StateChange::Kill { victims, judged: false } => {
            let killed = i64::try_from(victims.len()).ok()?.saturating_add(reply::integer(frame)?);
            Some(integer(killed))
        }
        _ => None,
    }
}

/// A reply that gives the ID of its connection, with this one.
fn client_id(form: ClientIdForm, id: u64, frame: &[u8]) -> Option<Vec<u8>> {
    let id = i64::try_from(id).ok()?;
    match form {
        ClientIdForm::Integer => reply::integer(frame).map(|_| integer(id)),
        ClientIdForm::Greeting => {
            let mut is_id = false;
            elements(frame, |_, element| {
                let was_id = std::mem::replace(&mut is_id, reply::text(element) == Some(b"id"));
                was_id.then(|| integer(id))
            })
        }
        ClientIdForm::Line => lines(frame, |_| Some(id)),
    }
}

/// A list of clients by their servers' IDs, with those that they were told.
fn listed(clients: &[(i64, u64)], frame: &[u8]) -> Option<Vec<u8>> {
    lines(frame, |id| clients.iter().find(|(known, _)| *known == id).and_then(|(_, told)| i64::try_from(*told).ok()))
}

/// A text of lines that begin with the ID of a client, with others in the place of some.
fn lines(frame: &[u8], other: impl Fn(i64) -> Option<i64>) -> Option<Vec<u8>> {
    let text = reply::text(frame)?;
    let mut told = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        // The first line of a verbatim string stands behind its format.
        let (format, line) = line.split_at(if line.starts_with(b"txt:") { 4 } else { 0 });
        told.extend_from_slice(format);
        let digits =
            line.strip_prefix(b"id=").map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        let id = std::str::from_utf8(line.get(3..3 + digits).unwrap_or_default()).ok().and_then(|id| id.parse().ok());
        match id.and_then(&other) {
            Some(id) => {
                told.extend_from_slice(format!("id={id}").as_bytes());
                told.extend_from_slice(&line[3 + digits..]);
            }
            None => told.extend_from_slice(line),
        }
    }
    let mut out = Vec::with_capacity(told.len() + 16);
    encode::header(&mut out, *frame.first()?, told.len());
    out.extend_from_slice(&told);
    out.extend_from_slice(b"\r\n");
    Some(out)
}

fn integer(number: i64) -> Vec<u8> {
    let mut out = Vec::new();
    encode::integer(&mut out, number);
    out
}

/// An array or a map, with others in the place of some of its elements; `None`: it is neither.
fn elements(frame: &[u8], mut other: impl FnMut(usize, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    if !matches!(frame.first(), Some(b'*' | b'%')) || frame.get(1) == Some(&b'-') {
        return None;
    }
    let header = frame.iter().position(|&byte| byte == b'\n')? + 1;
    let mut out = frame.get(..header)?.to_vec();
    for (at, element) in reply::elements(frame).enumerate() {
        match other(at, element) {
            Some(told) => out.extend_from_slice(&told),
            None => out.extend_from_slice(element),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_reply_that_gives_an_id_gives_the_clients_own() {
        for (form, frame, expected) in [
            (ClientIdForm::Integer, ":12\r\n", Some(":7\r\n")),
            (ClientIdForm::Integer, "-NOPERM no\r\n", None),
            (ClientIdForm::Line, "$12\r\nid=123 laddr\r\n", Some("$10\r\nid=7 laddr\r\n")),
            (ClientIdForm::Line, "=16\r\ntxt:id=123 laddr\r\n", Some("=14\r\ntxt:id=7 laddr\r\n")),
            (
                ClientIdForm::Greeting,
                "%2\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:9\r\n",
                Some("%2\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:7\r\n"),
            ),
            (ClientIdForm::Greeting, "*2\r\n$2\r\nid\r\n:9\r\n", Some("*2\r\n$2\r\nid\r\n:7\r\n")),
            (ClientIdForm::Greeting, "-NOPROTO no\r\n", None),
        ] {
            let told = client_id(form, 7, frame.as_bytes()).map(|told| String::from_utf8(told).unwrap());
            assert_eq!(told.as_deref(), expected, "{frame}");
        }
    }
}
