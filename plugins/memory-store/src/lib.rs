//! `MemoryStore`: answers the common commands by itself, from a map in memory that all workers share.
//!
//! A request finds its row in the `table`: an arity and a handler. The handlers are grouped as the server groups its commands, a file
//! each; what they know of values is `encoding`, and all that they know of the map is `store`.

mod args;
mod clients;
mod commands;
mod counters;
mod decimal;
mod encoding;
mod expiry;
mod failure;
mod glob;
mod hashes;
mod info;
mod keys;
mod lists;
mod moves;
mod pick;
mod scan;
mod segments;
mod server;
mod sets;
mod store;
mod strings;
mod table;

use sluice_plugin::{Command, NoConfig, Reply, Request, Transform, Verdict};

use crate::clients::Clients;
use crate::failure::Failure;
use crate::scan::Cursors;
use crate::table::Row;

/// Answers commands.
pub struct MemoryStore {
    /// By the command's place in the host's table.
    rows: Vec<Option<&'static Row>>,
    /// What the handlers remember between requests.
    memory: Memory,
}

/// What an instance remembers between requests, beside the data itself.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    clients: Clients,
    cursors: Cursors,
}

/// A request on its way through a handler.
pub(crate) struct Call<'a> {
    /// Its row of the table.
    pub(crate) row: &'static Row,
    /// All its arguments, the command's name first.
    pub(crate) args: &'a [&'a [u8]],
    /// The session that sent it.
    pub(crate) session: sluice_plugin::SessionId,
    pub(crate) memory: &'a mut Memory,
}

/// The reply, or the error that takes its place.
pub(crate) type Outcome = Result<Reply<'static>, Failure>;

impl Transform for MemoryStore {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        let rows = Command::all().map(|command| table::find(command.name())).collect();
        Ok(Self { rows, memory: Memory::default() })
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let args: Vec<&[u8]> = request.args().map(|arg| arg.bytes().unwrap_or_default()).collect();
        let command = request.command();
        let Some(row) = self.rows.get(command.index()).copied().flatten() else {
            return verdict.reply(&failure::no_row(command, &args).into());
        };
        if !row.takes(args.len()) {
            return verdict.reply(&Failure::arity(row.name).into());
        }
        let Some(run) = row.run else { return };
        let mut call = Call { row, args: &args, session: request.session(), memory: &mut self.memory };
        verdict.reply(&run(&mut call).unwrap_or_else(Reply::from));
    }
}

sluice_plugin::transform!(MemoryStore);

#[cfg(test)]
mod tests;
