//! The commands that are answered here: a row each.

use crate::{
    Call, Outcome, clients, commands, counters, expiry, hashes, info, keys, lists, moves, scan, server, sets, strings,
};

/// Answers a request whose number of arguments is right.
pub(crate) type Handler = fn(&mut Call<'_>) -> Outcome;

/// What there is to know of a command.
#[derive(Debug)]
pub(crate) struct Row {
    /// In lower case; `container|subcommand` for a subcommand.
    pub(crate) name: &'static str,
    /// How many arguments it takes, its name (or both names) included; negative where that is the least.
    pub(crate) arity: i64,
    /// The first key, the last one (negative: from the end) and the distance between two; all 0 without keys.
    pub(crate) keys: [i64; 3],
    /// `None`: the host answers it.
    pub(crate) run: Option<Handler>,
}

impl Row {
    /// Whether it takes so many arguments.
    pub(crate) fn takes(&self, arguments: usize) -> bool {
        let arguments = i64::try_from(arguments).unwrap_or(i64::MAX);
        if self.arity < 0 { arguments >= -self.arity } else { arguments == self.arity }
    }
}

/// A command without keys.
pub(crate) const fn row(name: &'static str, arity: i64, run: Handler) -> Row {
    Row { name, arity, keys: [0, 0, 0], run: Some(run) }
}

/// A command whose first argument is its key.
pub(crate) const fn keyed(name: &'static str, arity: i64, run: Handler) -> Row {
    spanning(name, arity, [1, 1, 1], run)
}

/// A command with several keys.
pub(crate) const fn spanning(name: &'static str, arity: i64, keys: [i64; 3], run: Handler) -> Row {
    Row { name, arity, keys, run: Some(run) }
}

/// A group of commands, named as the server's documentation names it.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [Row],
}

const fn group(name: &'static str, rows: &'static [Row]) -> Group {
    Group { name, rows }
}

/// All of them.
pub(crate) static GROUPS: &[Group] = &[
    group("string", strings::ROWS),
    group("string", counters::ROWS),
    group("generic", keys::ROWS),
    group("generic", expiry::ROWS),
    group("generic", moves::ROWS),
    group("generic", scan::ROWS),
    group("hash", hashes::ROWS),
    group("list", lists::ROWS),
    group("set", sets::ROWS),
    group("connection", clients::ROWS),
    group("server", server::ROWS),
    group("server", commands::ROWS),
    group("server", info::ROWS),
];

/// All rows with the name of their group.
pub(crate) fn rows() -> impl Iterator<Item = (&'static str, &'static Row)> {
    GROUPS.iter().flat_map(|group| group.rows.iter().map(|row| (group.name, row)))
}

/// The row of a command.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    rows().map(|(_, row)| row).find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sluice_plugin::Command;

    use super::*;

    #[test]
    fn every_row_is_a_command_that_the_host_knows_and_none_is_there_twice() {
        let mut names = BTreeSet::new();
        for (_, row) in rows() {
            assert!(Command::named(row.name).is_some(), "{}", row.name);
            assert!(names.insert(row.name), "{}", row.name);
        }
    }

    #[test]
    fn rows_with_keys_are_those_of_which_the_host_says_so() {
        for (_, row) in rows() {
            let keyed = Command::named(row.name).is_some_and(Command::is_keyed);
            assert_eq!(keyed, row.keys[0] > 0, "{}", row.name);
        }
    }
}
