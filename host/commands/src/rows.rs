//! The commands of Redis 8.12 and Valkey 9.1, and those that were given up since 6.2: a row each,
//! facts and nothing else, as the servers' own `COMMAND` gives them. Where versions differ, the row
//! is Valkey's.
//!
//! A row is the name, the arity, the flags and the categories that do not follow from the flags;
//! then the key specs; then the tips for clusters; then, which no server tells, what it does to its
//! connection ([`Effect`](crate::Effect)), unless it does nothing. A container stands before its
//! subcommands. The order is part of the process's own naming of commands only
//! ([`CommandId`](crate::CommandId)), so rows may be added anywhere. Left out are the commands that
//! only Sentinel knows, those that servers send each other but refuse from clients, and those of
//! modules. Vector sets (`VADD` …), which come with every Redis 8, are a module's as well: their
//! rows follow the documentation, as `COMMAND` says less of them.

mod data;
mod server;

use crate::command::Command;

/// Every row.
pub(crate) static COMMANDS: &[Command] = &ROWS;

static ROWS: [Command; data::ROWS.len() + server::ROWS.len()] = {
    let mut rows = [data::ROWS[0]; data::ROWS.len() + server::ROWS.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at] = if at < data::ROWS.len() { data::ROWS[at] } else { server::ROWS[at - data::ROWS.len()] };
        at += 1;
    }
    rows
};
