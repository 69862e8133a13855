//! Requests that name a client by its ID: CLIENT KILL, CLIENT UNBLOCK and CLIENT TRACKING.
//!
//! The ID is the one that the proxy has given out, so it means nothing to a server. The server
//! still judges the request: whether the user may say it, and whether its words are right. It is
//! sent with the server's own ID of the client, or with one that no client has.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::{Aims, Args};

use super::clients::{Client, Clients};
use super::session_state::StateChange;
use crate::chain::vector::Arguments;
use crate::resp::encode;

/// An ID that no client of a server has.
const NO_CLIENT: &[u8] = b"9223372036854775807";

/// In the server's words for an ID that no client has.
const REDIRECT: &str = "ERR The client ID you want redirect to does not exist";

/// What becomes of a request that names clients.
pub(super) enum Aimed {
    /// It is sent like this, and asks for this change.
    Sent(Bytes, Option<StateChange>),
    /// It goes to these servers, each with a request of its own, and asks for this change.
    ToServers(Vec<(Arc<str>, Bytes)>, Option<StateChange>),
    /// It is answered with this error.
    Refused(Vec<u8>),
}

/// What becomes of a request; `None`: it names no client by an ID, and goes as it is. `own`: the
/// client that it comes from.
#[inline]
pub(super) fn aimed(aims: Aims, arguments: &Arguments<'_>, clients: &Clients, own: &Client) -> Option<Aimed> {
    match aims {
        Aims::Nothing => None,
        Aims::Kill => kill(arguments, clients, own),
        Aims::Unblock => unblock(arguments, clients),
        Aims::Redirect => redirect(arguments, own),
        Aims::List => list(arguments, clients),
    }
}

/// CLIENT KILL with filters, one of which is ID. Filters that only a server can judge are judged by
/// the server that knows the client by a connection of its own; without one, no client is meant.
fn kill(arguments: &Arguments<'_>, clients: &Clients, own: &Client) -> Option<Aimed> {
    let count = arguments.count();
    let mut words: Vec<&[u8]> = (0..count).map(|at| arguments.arg(at)).collect();
    let (mut victims, mut places): (Vec<Arc<Client>>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut skips_own, mut judged_elsewhere, mut names_ids) = (true, false, false);
    // `CLIENT KILL address` has no filters.
    let mut at = if count > 3 { 2 } else { count };
    while at + 1 < count {
        let (filter, value) = (words[at], words[at + 1]);
        at += 2;
        if filter.eq_ignore_ascii_case(b"SKIPME") {
            skips_own = !value.eq_ignore_ascii_case(b"no");
        } else if filter.eq_ignore_ascii_case(b"ID") {
            names_ids = true;
            let mut place = at - 1;
            // Newer servers take several.
            while let Some(id) = words.get(place).and_then(|word| number(word)) {
                victims.extend(clients.find(id));
                words[place] = NO_CLIENT;
                places.push(place);
                place += 1;
            }
            at = place.max(at);
        } else {
            judged_elsewhere = true;
        }
    }
    if !names_ids {
        return None;
    }
    if judged_elsewhere
        && let ([victim], [at]) = (&victims[..], &places[..])
        && (!skips_own || victim.id != own.id)
        && let Some(aimed) = kill_judged(arguments, *at, victim.clone())
    {
        return Some(aimed);
    }
    victims.retain(|victim| !judged_elsewhere && (!skips_own || victim.id != own.id));
    victims.sort_by_key(|victim| victim.id);
    victims.dedup_by_key(|victim| victim.id);
    Some(Aimed::Sent(frame(&words), Some(StateChange::Kill { victims: victims.into(), judged: false })))
}

/// CLIENT KILL of one client that only a server can judge. `at`: the place of its ID.
fn kill_judged(arguments: &Arguments<'_>, at: usize, victim: Arc<Client>) -> Option<Aimed> {
    let words: Vec<&[u8]> = (0..arguments.count()).map(|at| arguments.arg(at)).collect();
    let each: Vec<(Arc<str>, Bytes)> = victim
        .servers
        .all()
        .into_iter()
        .map(|(server, id)| {
            let (mut words, id) = (words.clone(), id.to_string());
            words[at] = id.as_bytes();
            (server.into(), frame(&words))
        })
        .collect();
    let change = StateChange::Kill { victims: Rc::new([victim]), judged: true };
    (!each.is_empty()).then_some(Aimed::ToServers(each, Some(change)))
}

/// CLIENT UNBLOCK: said where the client may be blocked.
fn unblock(arguments: &Arguments<'_>, clients: &Clients) -> Option<Aimed> {
    let mut words: Vec<&[u8]> = (0..arguments.count()).map(|at| arguments.arg(at)).collect();
    let id = number(words.get(2)?)?;
    let servers = clients.find(id).map(|client| client.servers.all()).unwrap_or_default();
    if servers.is_empty() {
        words[2] = NO_CLIENT;
        return Some(Aimed::Sent(frame(&words), None));
    }
    let each = servers.into_iter().map(|(server, id)| {
        let id = id.to_string();
        let mut words = words.clone();
        words[2] = id.as_bytes();
        (server.into(), frame(&words))
    });
    Some(Aimed::ToServers(each.collect(), None))
}

/// CLIENT LIST with IDs: said to the servers that know the clients, who are listed by the IDs that
/// they were told. Other IDs are those of a list, and stay.
fn list(arguments: &Arguments<'_>, clients: &Clients) -> Option<Aimed> {
    let words: Vec<&[u8]> = (0..arguments.count()).map(|at| arguments.arg(at)).collect();
    let first = 1 + words.iter().skip(2).position(|word| word.eq_ignore_ascii_case(b"ID"))? + 2;
    let ids: Vec<u64> = words.get(first..)?.iter().map_while(|word| number(word)).collect();
    let last = first + ids.len();
    let mut told: Vec<(i64, u64)> = Vec::new();
    let mut at_servers: Vec<(Arc<str>, Vec<String>)> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    for id in ids {
        let servers = clients.find(id).map(|client| client.servers.all()).unwrap_or_default();
        if servers.is_empty() {
            // One that a list has shown: a server's.
            others.push(id.to_string());
        }
        for (server, at_server) in servers {
            told.push((at_server, id));
            match at_servers.iter_mut().find(|(known, _)| **known == *server) {
                Some((_, ids)) => ids.push(at_server.to_string()),
                None => at_servers.push((server.into(), vec![at_server.to_string()])),
            }
        }
    }
    if at_servers.is_empty() {
        return None;
    }
    let with = |ids: &[String]| {
        let ids: Vec<&[u8]> = ids.iter().chain(&others).map(String::as_bytes).collect();
        frame(&[&words[..first], &ids, &words[last..]].concat())
    };
    let each = at_servers.iter().map(|(server, ids)| (server.clone(), with(ids)));
    Some(Aimed::ToServers(each.collect(), Some(StateChange::Listed(told.into()))))
}

/// CLIENT TRACKING: what is redirected to the client itself is not redirected.
fn redirect(arguments: &Arguments<'_>, own: &Client) -> Option<Aimed> {
    let mut words: Vec<&[u8]> = (0..arguments.count()).map(|at| arguments.arg(at)).collect();
    let mut at = 3;
    let mut redirects = false;
    while at < words.len() {
        if words[at].eq_ignore_ascii_case(b"PREFIX") {
            at += 2;
        } else if words[at].eq_ignore_ascii_case(b"REDIRECT") && at + 1 < words.len() {
            if number(words[at + 1]) != Some(own.id) {
                return Some(Aimed::Refused(encode::error(REDIRECT)));
            }
            words.drain(at..at + 2);
            redirects = true;
        } else {
            at += 1;
        }
    }
    redirects.then(|| Aimed::Sent(frame(&words), None))
}

/// What may be an ID; what none can be is the server's to refuse.
fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok().filter(|id| (1..=i64::MAX as u64).contains(id))
}

fn frame(words: &[&[u8]]) -> Bytes {
    let mut frame = Vec::new();
    encode::request(&mut frame, words.iter().copied());
    frame.into()
}

#[cfg(test)]
#[path = "aims_test.rs"]
mod tests;
