#![allow(clippy::unwrap_used)]

use super::{Blocks, CommandId, ConnectionNeed, Effect, Replies, Secrets, Sets, Subscription, Tells};
use crate::{Categories, Command, Flags, lookup, table};

fn commands() -> impl Iterator<Item = &'static Command> {
    table().commands().iter()
}

fn effect(name: &str) -> &'static Effect {
    table().by_name(name).unwrap().effect()
}

fn need(request: &str) -> ConnectionNeed {
    let words: Vec<&str> = request.split(' ').collect();
    let id = lookup(words[0].as_bytes(), || words.get(1).map(|word| word.as_bytes()));
    id.need_with(&words)
}

#[test]
fn commands_that_would_disturb_others_are_told_from_those_that_would_not() {
    for (request, expected) in [
        ("GET a", ConnectionNeed::Shared),
        ("blpop a 0", ConnectionNeed::Blocking),
        ("wait 1 0", ConnectionNeed::Blocking),
        ("SELECT 1", ConnectionNeed::State),
        ("CLIENT REPLY OFF", ConnectionNeed::ClientReply),
        ("CLIENT SETNAME x", ConnectionNeed::State),
        ("CLIENT LIST", ConnectionNeed::Shared),
        ("MULTI", ConnectionNeed::Multi),
        ("subscribe a", ConnectionNeed::Listen),
        ("quit", ConnectionNeed::Quit),
        ("ASKING", ConnectionNeed::Asking),
        ("cluster NODES", ConnectionNeed::Shared),
        ("CLUSTER INFO", ConnectionNeed::Shared),
        ("CLIENT ID", ConnectionNeed::Pin),
        ("HIMPORT PREPARE people name city", ConnectionNeed::Pin),
        ("HIMPORT SET key people Ada London", ConnectionNeed::Momentary),
        ("CLUSTER SYNCSLOTS CAPA x", ConnectionNeed::Pin),
    ] {
        assert_eq!(need(request), expected, "{request}");
    }
}

#[test]
fn what_the_table_does_not_know_may_do_anything() {
    for request in ["MODULE.COMMAND a", "FOO", "POST / HTTP/1.1", "CONFIG SETT requirepass x", "COMMAND MORE"] {
        assert_eq!(need(request), ConnectionNeed::Unknown, "{request}");
    }
    assert_eq!(CommandId::UNKNOWN.effect().secrets, Secrets::From(1));
    assert_eq!(effect("config").secrets, Secrets::From(1));
}

#[test]
fn a_container_by_itself_does_nothing() {
    for request in ["CONFIG", "COMMAND", "client"] {
        assert_eq!(need(request), ConnectionNeed::Shared, "{request}");
    }
}

#[test]
fn what_takes_no_arguments_is_refused_where_it_has_some() {
    for request in ["EXEC now", "ASKING now", "MULTI x", "DISCARD x", "UNWATCH key"] {
        assert_eq!(need(request), ConnectionNeed::Shared, "{request}");
    }
}

#[test]
fn reading_streams_blocks_where_an_option_says_so() {
    for (request, expected) in [
        ("XREAD STREAMS a 0", ConnectionNeed::Shared),
        ("XREAD COUNT 2 STREAMS BLOCK 0", ConnectionNeed::Shared),
        ("xread block 0 streams a 0", ConnectionNeed::Blocking),
        ("XREAD COUNT 2 BLOCK 0 STREAMS a 0", ConnectionNeed::Blocking),
        ("XREADGROUP GROUP BLOCK streams COUNT 1 NOACK STREAMS a >", ConnectionNeed::Shared),
        ("XREADGROUP GROUP g STREAMS BLOCK 1 STREAMS a >", ConnectionNeed::Blocking),
        ("XREADGROUP GROUP g c CLAIM 10 STREAMS a >", ConnectionNeed::Shared),
        ("XREAD COUNT", ConnectionNeed::Shared),
        // An option of a server that is newer than the table.
        ("XREAD WHATEVER BLOCKS STREAMS a 0", ConnectionNeed::Blocking),
    ] {
        assert_eq!(need(request), expected, "{request}");
    }
}

#[test]
fn what_is_flagged_as_blocking_blocks_and_nothing_else_does() {
    for command in commands() {
        let (flagged, effect) = (command.flags().contains(Flags::BLOCKING), command.effect());
        assert_eq!(effect.blocks != Blocks::Never, flagged, "{}", command.name());
        assert_eq!(effect.need == ConnectionNeed::Blocking, effect.blocks == Blocks::Always, "{}", command.name());
    }
}

#[test]
fn what_subscribes_or_ends_a_subscription_is_confirmed_and_nothing_else_is() {
    for command in commands() {
        let name = command.name();
        let expected = name.strip_suffix("subscribe").map(|prefix| match prefix.trim_end_matches("un") {
            "" => (Subscription::Channel, prefix.ends_with("un")),
            "p" => (Subscription::Pattern, prefix.ends_with("un")),
            _ => (Subscription::Shard, prefix.ends_with("un")),
        });
        let confirmed = match command.effect().replies {
            Replies::Confirmations { kind, ends } => Some((kind, ends)),
            _ => None,
        };
        assert_eq!(confirmed, expected, "{name}");
        let listens = matches!(command.effect().replies, Replies::Confirmations { .. } | Replies::Monitor);
        assert_eq!(command.effect().need == ConnectionNeed::Listen, listens, "{name}");
    }
}

#[test]
fn exactly_the_containers_stand_for_what_is_not_known() {
    for command in commands() {
        let family = table().family(table().by_name(command.name()).unwrap()).count();
        assert_eq!(command.effect().need == ConnectionNeed::Unknown, family > 1, "{}", command.name());
        assert_eq!(*command.effect() == Effect::UNKNOWN, family > 1, "{}", command.name());
    }
}

#[test]
fn nothing_that_speaks_of_its_connection_or_changes_it_is_shared() {
    for command in commands() {
        let Effect { need, sets, replies, tells, .. } = *command.effect();
        let special = sets != Sets::Nothing || replies != Replies::One || matches!(tells, Tells::ClientId(_));
        assert!(need != ConnectionNeed::Shared || !special, "{}", command.name());
        // What is allowed before a user is known is about the session.
        let introduces = command.flags().contains(Flags::NO_AUTH);
        assert!(!introduces || matches!(need, ConnectionNeed::State | ConnectionNeed::Quit), "{}", command.name());
    }
}

/// A newer server's commands in the category must be looked at one by one.
#[test]
fn a_command_about_connections_is_shared_only_where_it_is_about_others() {
    const SHARED: [&str; 5] = ["client|kill", "client|list", "client|pause", "client|unblock", "echo"];
    for command in commands().filter(|command| command.category_set().contains(Categories::CONNECTION)) {
        let name = command.name();
        let about_the_server = name == "ping" || name.starts_with("command|") || name.ends_with("|help");
        let shared = command.effect().need == ConnectionNeed::Shared;
        assert_eq!(shared, about_the_server || SHARED.contains(&name), "{name}");
    }
}

#[test]
fn what_helps_a_server_that_is_stuck_gets_through() {
    for name in ["script|kill", "function|kill", "function|stats", "shutdown", "client|unpause", "failover"] {
        assert_eq!(effect(name).need, ConnectionNeed::Urgent, "{name}");
    }
    // What a server answers while a script holds it up either gets through or is about its own
    // connection.
    for command in commands().filter(|command| command.flags().contains(Flags::ALLOW_BUSY)) {
        assert_ne!(command.effect().need, ConnectionNeed::Shared, "{}", command.name());
    }
}

#[test]
fn arguments_that_may_be_passwords_are_secret() {
    for (name, from) in [
        ("auth", 1),
        ("hello", 2),
        ("migrate", 6),
        ("config|set", 2),
        ("acl|setuser", 3),
        ("acl|dryrun", 4),
        ("command|getkeys", 3),
        ("command|getkeysandflags", 3),
        ("module|load", 3),
        ("module|loadex", 3),
    ] {
        assert_eq!(effect(name).secrets, Secrets::From(from), "{name}");
    }
    assert_eq!(effect("get").secrets, Secrets::None);
    assert_eq!(effect("config|get").secrets, Secrets::None);
}
