#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::resp::Span;

/// What becomes of a request of the second of two clients, as words.
fn of(line: &str) -> String {
    let clients = Clients::default();
    let (_other, own) = (clients.add(Box::new(|| {})), clients.add(Box::new(|| {})));
    let mut bytes = Vec::new();
    encode::request(&mut bytes, line.split(' ').map(str::as_bytes));
    let mut spans: Vec<Span> = Vec::new();
    let arguments = Arguments::of(&bytes, &mut spans);
    let command = crate::chain::vector::lookup(&arguments);
    match aimed(command.effect().aims, &arguments, &clients, &own) {
        None => "as it is".to_owned(),
        Some(Aimed::Refused(_)) => "refused".to_owned(),
        Some(Aimed::ToServers(servers, _)) => format!("to {} servers", servers.len()),
        Some(Aimed::Sent(frame, change)) => {
            let text = String::from_utf8(frame.to_vec()).unwrap().replace("9223372036854775807", "NONE");
            let words: Vec<&str> = text.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).collect();
            let victims = match change {
                Some(StateChange::Kill { victims, .. }) => format!(" kills {victims:?}"),
                _ => String::new(),
            };
            format!("{}{victims}", words.join(" ").trim())
        }
    }
}

#[test]
fn a_kill_by_id_means_the_client_that_was_told_the_id_or_none() {
    for (line, expected) in [
        ("CLIENT KILL 127.0.0.1:1", "as it is"),
        ("CLIENT KILL ADDR 127.0.0.1:1", "as it is"),
        ("CLIENT KILL ID 1", "CLIENT KILL ID NONE kills [Client(1)]"),
        ("CLIENT KILL ID 7", "CLIENT KILL ID NONE kills []"),
        ("CLIENT KILL ID 2", "CLIENT KILL ID NONE kills []"),
        ("CLIENT KILL ID 2 SKIPME no", "CLIENT KILL ID NONE SKIPME no kills [Client(2)]"),
        ("CLIENT KILL SKIPME no ID 2", "CLIENT KILL SKIPME no ID NONE kills [Client(2)]"),
        ("CLIENT KILL ID 1 1 7", "CLIENT KILL ID NONE NONE NONE kills [Client(1)]"),
        ("CLIENT KILL ID 1 USER joe", "CLIENT KILL ID NONE USER joe kills []"),
        ("CLIENT KILL ID x", "CLIENT KILL ID x kills []"),
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn a_client_is_unblocked_where_it_may_be_blocked() {
    for (line, expected) in [
        ("CLIENT UNBLOCK 1", "CLIENT UNBLOCK NONE"),
        ("CLIENT UNBLOCK 9 ERROR", "CLIENT UNBLOCK NONE ERROR"),
        ("CLIENT UNBLOCK x", "as it is"),
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn clients_are_listed_by_the_ids_that_they_were_told() {
    for (line, expected) in [
        ("CLIENT LIST", "as it is"),
        ("CLIENT LIST TYPE normal", "as it is"),
        ("CLIENT LIST ID x", "as it is"),
        ("CLIENT LIST ID 1 2 7", "as it is"),
        ("CLIENT LIST ID 1 TYPE normal", "as it is"),
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn invalidations_are_redirected_to_no_other_client() {
    for (line, expected) in [
        ("CLIENT TRACKING ON", "as it is"),
        ("CLIENT TRACKING ON REDIRECT 1", "refused"),
        ("CLIENT TRACKING ON BCAST redirect 1 PREFIX a", "refused"),
        ("CLIENT TRACKING ON REDIRECT 2 BCAST", "CLIENT TRACKING ON BCAST"),
        ("CLIENT TRACKING ON BCAST PREFIX REDIRECT", "as it is"),
        ("CLIENT TRACKING ON REDIRECT", "as it is"),
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
}
