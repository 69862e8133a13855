//! The structure of the host: rooms import each other one way, and files in no large circle; and what
//! `docs/architecture.md` says of it.
//!
//! This reads the sources as text; it neither needs the crate nor compiles it.

#![allow(clippy::panic)]

mod circles;
mod modules;
mod page;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use circles::circles;
use modules::{Arrows, Modules};

/// The most files that may import each other in a circle: types and functions of one thought.
const LARGEST_CIRCLE: usize = 4;

/// The rooms, from the top layer to the bottom one, and what each imports. A row has rooms below it
/// alone.
const ROOMS: &[(&str, &[&str])] = &[
    ("reload", &["topology", "worker", "plugin"]),
    ("cases", &["topology", "yaml", "chain", "plugin", "buffer", "resp", "ids"]),
    ("topology", &["yaml", "worker", "routing", "chain", "traffic", "plugin", "upstream", "cluster", "net"]),
    ("yaml", &["net"]),
    ("worker", &["routing", "chain", "traffic", "plugin", "upstream", "net", "buffer", "resp", "turn_waker", "ids"]),
    ("routing", &["chain", "upstream", "cluster", "net", "resp", "ids"]),
    ("chain", &["traffic", "plugin", "buffer", "resp", "ids"]),
    ("traffic", &["plugin", "ids"]),
    ("plugin", &["resp", "ids"]),
    ("upstream", &["cluster", "net", "buffer", "resp", "turn_waker", "ids"]),
    ("cluster", &["net", "resp"]),
    ("admin", &["logging"]),
    ("net", &[]),
    ("logging", &[]),
    ("buffer", &[]),
    ("resp", &[]),
    ("turn_waker", &[]),
    ("ids", &[]),
];

/// The roots of the crates, which may import every room.
const ROOTS: [&str; 3] = ["main", "lib", "command"];

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).ok()
}

/// The arrows between the files of the host.
fn host() -> Arrows {
    arrows(&["lib.rs", "main.rs"], &read)
}

fn arrows(roots: &[&str], read: &dyn Fn(&str) -> Option<String>) -> Arrows {
    let mut modules = Modules::default();
    for root in roots {
        modules.add(root, read);
    }
    modules.arrows()
}

/// The room that a file is in: a folder, or a file beside the folders.
fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// The arrows between rooms, each with those between files that it consists of. The roots draw none.
fn arrows_of_rooms(arrows: &Arrows) -> BTreeMap<(String, String), Vec<String>> {
    let mut rooms: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (file, others) in arrows.iter().filter(|(file, _)| !ROOTS.contains(&room(file))) {
        for (other, names) in others.iter().filter(|(other, _)| room(other) != room(file)) {
            let line = format!("  {file} -> {other}: {}", list(names));
            rooms.entry((room(file).to_owned(), room(other).to_owned())).or_default().push(line);
        }
    }
    rooms
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The arrows within a circle, a line each.
fn lines(arrows: &Arrows, circle: &[&str]) -> String {
    let mut lines = String::new();
    for file in circle {
        for (other, names) in arrows.get(*file).into_iter().flatten() {
            if circle.contains(&other.as_str()) {
                lines += &format!("  {file} -> {other}: {}\n", list(names));
            }
        }
    }
    lines
}

#[test]
fn no_more_than_four_files_import_each_other_in_a_circle() {
    let arrows = host();
    let large: Vec<String> = circles(&arrows)
        .iter()
        .filter(|circle| circle.len() > LARGEST_CIRCLE)
        .map(|circle| format!("{} files import each other in a circle:\n{}", circle.len(), lines(&arrows, circle)))
        .collect();
    assert!(large.is_empty(), "{}Give what they share a file of its own, which imports none of them.", large.concat());
}

#[test]
fn a_room_imports_only_the_rooms_that_the_table_allows() {
    let mut wrong = BTreeSet::new();
    for ((from, to), files) in arrows_of_rooms(&host()) {
        let row = ROOMS.iter().find(|(room, _)| *room == from);
        let (_, allowed) = row.unwrap_or_else(|| panic!("`{from}` is no room of the table: give it a row"));
        if !allowed.contains(&to.as_str()) {
            wrong.extend(files);
        }
    }
    assert!(wrong.is_empty(), "these arrows are not in the table:\n{}", Vec::from_iter(wrong).join("\n"));
}

#[test]
fn every_arrow_of_the_table_is_in_the_code() {
    let found = arrows_of_rooms(&host());
    for (room, allowed) in ROOMS {
        for other in *allowed {
            let is_found = found.contains_key(&((*room).to_owned(), (*other).to_owned()));
            assert!(is_found, "`{room}` does not import `{other}`: take it out of the table");
        }
    }
}

#[test]
fn the_table_lets_no_room_import_one_above_it() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for other in *allowed {
            let below = ROOMS[at + 1..].iter().any(|(name, _)| name == other);
            assert!(below, "`{room}` may import `{other}`, which is not below it");
        }
    }
}

/// A crate of these files, for the tests of what the others rely on.
fn crate_of(files: &[(&str, &str)]) -> Arrows {
    arrows(&["lib.rs"], &|file| files.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned()))
}

/// The arrows as `a.rs -> b.rs`.
fn shown(arrows: &Arrows) -> Vec<String> {
    let pairs = arrows.iter().flat_map(|(file, others)| others.keys().map(move |other| format!("{file} -> {other}")));
    pairs.collect()
}

#[test]
fn a_name_that_a_room_passes_on_counts_for_the_file_that_defines_it() {
    let arrows = crate_of(&[
        ("lib.rs", "mod a;\npub mod room;"),
        ("a.rs", "use crate::room::{Thing, inner::{self, Deep as Other}};\nfn f() { inner::call(); }"),
        ("room/mod.rs", "mod inner;\nmod thing;\npub use self::thing::Thing;"),
        ("room/inner.rs", "pub(in super::super) use super::thing::*;\npub struct Deep;\npub fn call() {}"),
        ("room/thing.rs", "pub struct Thing;"),
    ]);
    let expected = [
        "a.rs -> room/inner.rs",
        "a.rs -> room/thing.rs",
        "room/inner.rs -> room/thing.rs",
        "room/mod.rs -> room/thing.rs",
    ];
    assert_eq!(shown(&arrows), expected);
}

#[test]
fn a_circle_is_found_through_paths_in_code_and_from_modules_within_a_file() {
    let arrows = crate_of(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;"),
        ("a.rs", "fn f() -> Vec<super::b::B> { Vec::new() }"),
        ("b.rs", "mod part { use super::super::c::C; }\npub struct B;"),
        ("c.rs", "pub struct C(crate::a::A);\nuse crate::b;\nfn f() { b::B; }"),
    ]);
    assert_eq!(circles(&arrows), [["a.rs", "b.rs", "c.rs"]]);
    assert_eq!(lines(&arrows, &["a.rs", "b.rs"]), "  a.rs -> b.rs: B\n");
}

#[test]
fn tests_comments_strings_and_other_crates_draw_no_arrow() {
    let arrows = crate_of(&[
        ("lib.rs", "mod a;\nmod b;"),
        (
            "a.rs",
            r##"
            use std::b::B; // use crate::b::B;
            /* use crate::b::B; /* */ use crate::b::B; */
            const TEXT: &str = "\" use crate::b::B;";
            const RAW: &[u8] = br#"" use crate::b::B;"#;
            const QUOTE: [char; 3] = ['"', '\'', '\u{22}'];
            fn f<'a>(_: &'a str) { ::b::call(); other::b::call(); }
            #[cfg(test)]
            #[allow(dead_code)]
            mod tests { use crate::b::B; }
            #[cfg(test)]
            use crate::b::B;
            "##,
        ),
        ("b.rs", "pub struct B;"),
    ]);
    assert_eq!(shown(&arrows), [""; 0]);
}
