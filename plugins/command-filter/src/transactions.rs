//! Which transactions are broken: a command that is denied within one has to abort it, as one does that the server refuses.

use std::collections::BTreeMap;

use sluice_plugin::{Command, SessionId};

/// How many transactions are followed at a time. A client may go away in the middle of one, and nobody says so: where there are more, one
/// is given up, and should it go on after all, it is executed without what was denied in it.
const MOST: usize = 8192;

/// What a request means to the transaction of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Nothing that matters here.
    Other,
    /// `EXEC`, of a transaction in which a command was denied.
    ExecOfBroken,
}

/// The transactions of all sessions.
#[derive(Debug)]
pub(crate) struct Transactions {
    multi: Option<Command>,
    exec: Option<Command>,
    /// What ends one without executing it.
    ends: [Option<Command>; 2],
    /// The sessions that have sent `MULTI` and not yet its end, and whether a command was denied since.
    open: BTreeMap<SessionId, bool>,
}

impl Transactions {
    pub(crate) fn new() -> Self {
        Self {
            multi: Command::named("multi"),
            exec: Command::named("exec"),
            ends: [Command::named("discard"), Command::named("reset")],
            open: BTreeMap::new(),
        }
    }

    /// The commands that it has to see.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Command> {
        [self.multi, self.exec].into_iter().chain(self.ends).flatten()
    }

    /// A command of a session was denied.
    pub(crate) fn denied(&mut self, session: SessionId) {
        if let Some(broken) = self.open.get_mut(&session) {
            *broken = true;
        }
    }

    /// A session sends a command that is not denied.
    pub(crate) fn sent(&mut self, session: SessionId, command: Command) -> Sent {
        let command = Some(command);
        if command == self.multi {
            self.open.entry(session).or_insert(false);
            if self.open.len() > MOST {
                self.open.pop_first();
            }
        } else if command == self.exec {
            if self.open.remove(&session) == Some(true) {
                return Sent::ExecOfBroken;
            }
        } else if self.ends.contains(&command) {
            self.open.remove(&session);
        }
        Sent::Other
    }
}
