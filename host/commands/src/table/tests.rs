#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;

use super::{CommandId, lookup, table};

fn name_of(id: CommandId) -> &'static str {
    id.get().map_or("unknown", |command| command.name())
}

fn top_level() -> impl Iterator<Item = &'static str> {
    table().commands().iter().map(|command| command.name()).filter(|name| !name.contains('|'))
}

/// Looks up a name that must not be a container's.
fn plain(name: &[u8]) -> CommandId {
    lookup(name, || panic!("asked for the subcommand of {}", name.escape_ascii()))
}

#[test]
fn every_name_is_found_whatever_its_case() {
    for name in top_level() {
        let mixed: String =
            name.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
        for spelling in [name, &name.to_uppercase(), &mixed] {
            assert_eq!(name_of(lookup(spelling.as_bytes(), || None)), name, "{spelling}");
        }
    }
}

#[test]
fn only_the_case_of_letters_may_differ() {
    let names: HashSet<&[u8]> = top_level().map(str::as_bytes).collect();
    for name in top_level().map(str::as_bytes) {
        for at in 0..name.len() {
            for byte in 0..=u8::MAX {
                let mut other = name.to_vec();
                other[at] = byte;
                let known = names.contains(other.to_ascii_lowercase().as_slice());
                let found = lookup(&other, || None) != CommandId::UNKNOWN;
                assert_eq!(found, known, "{}", other.escape_ascii());
            }
        }
    }
}

#[test]
fn a_name_that_is_cut_or_continued_is_another_name() {
    let names: HashSet<&[u8]> = top_level().map(str::as_bytes).collect();
    for name in top_level().map(str::as_bytes) {
        for length in 0..name.len() {
            let found = lookup(&name[..length], || None) != CommandId::UNKNOWN;
            assert_eq!(found, names.contains(&name[..length]), "{}", name[..length].escape_ascii());
        }
        for tail in [&b"\0"[..], b"x", b" ", b"|set", b"\0\0\0\0\0\0\0\0", &[b'x'; 600]] {
            let other = [name, tail].concat();
            let found = lookup(&other, || None) != CommandId::UNKNOWN;
            assert_eq!(found, names.contains(other.as_slice()), "{}", other.escape_ascii());
        }
    }
}

#[test]
fn the_subcommand_is_asked_for_containers_only() {
    assert_eq!(name_of(plain(b"SET")), "set");
    assert_eq!(name_of(plain(b"GEORADIUSBYMEMBER_RO")), "georadiusbymember_ro");
    assert_eq!(plain(b"nonsense"), CommandId::UNKNOWN);
    assert_eq!(plain(b""), CommandId::UNKNOWN);
    assert_eq!(name_of(lookup(b"CONFIG", || Some(b"sEt"))), "config|set");
    assert_eq!(name_of(lookup(b"client", || Some(b"NO-EVICT"))), "client|no-evict");
}

#[test]
fn a_container_stands_for_the_subcommands_that_are_not_in_the_table() {
    for subcommand in [None, Some(&b""[..]), Some(b"nonsense"), Some(b"se"), Some(b"sett"), Some(b"config|set")] {
        assert_eq!(name_of(lookup(b"config", || subcommand)), "config", "{subcommand:?}");
    }
}

#[test]
fn by_name_knows_exactly_the_names_of_the_table() {
    for (index, command) in table().commands().iter().enumerate() {
        let id = table().by_name(command.name()).unwrap();
        assert_eq!(usize::from(id.index()), index, "{}", command.name());
        assert_eq!(table().by_name(&command.name().to_uppercase()), Some(id));
        assert_eq!(CommandId::from_index(id.index()), Some(id));
    }
    for name in ["", "|", "config|", "|set", "config|nonsense", "config|set|", "get|x", "nonsense", "config set"] {
        assert_eq!(table().by_name(name), None, "{name}");
    }
}

#[test]
fn a_position_beyond_the_table_is_no_command() {
    let end = table().commands().len() as u16;
    assert!(CommandId::from_index(end - 1).is_some());
    assert_eq!(CommandId::from_index(end), None);
    assert_eq!(CommandId::from_index(0xffff), None);
    assert_eq!(CommandId::UNKNOWN.index(), 0xffff);
    assert!(CommandId::UNKNOWN.get().is_none());
}

#[test]
fn a_family_is_a_container_and_its_subcommands() {
    let family = |name| -> Vec<&str> { table().family(table().by_name(name).unwrap()).map(name_of).collect() };
    assert_eq!(family("get"), ["get"]);
    assert_eq!(
        family("config"),
        ["config", "config|get", "config|help", "config|resetstat", "config|rewrite", "config|set"]
    );
    assert_eq!(family("config|set"), ["config|set"]);
    assert_eq!(table().family(CommandId::UNKNOWN).count(), 0);
    // Rows that stand apart from their container would be in no family.
    let all: usize = top_level().map(|name| family(name).len()).sum();
    assert_eq!(all, table().commands().len());
}
