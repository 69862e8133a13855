//! Which commands may share a connection with other sessions.

use std::sync::LazyLock;

use sluice_commands::{CommandId, Flags, table};

use crate::chain::vector::Arguments;

/// What a command does to the connection that it runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Affinity {
    /// Nothing: it may run between the commands of other sessions.
    Shared,
    /// It changes the state of its connection, or holds it up: its session gets a connection of its own.
    Private,
    /// As [`Affinity::Private`], and its reply may never come.
    Blocking,
    /// As [`Affinity::Blocking`] where it has an argument BLOCK, otherwise [`Affinity::Shared`].
    BlockingOption,
    /// It concerns the session alone and never reaches a server: QUIT.
    Quit,
    /// It concerns the session alone and never reaches a server: CLIENT REPLY.
    ClientReply,
}

/// The commands that are not [`Affinity::Shared`], but for those that the table flags as blocking.
const BY_NAME: &[(&str, Affinity)] = &[
    ("quit", Affinity::Quit),
    ("client|reply", Affinity::ClientReply),
    ("xread", Affinity::BlockingOption),
    ("xreadgroup", Affinity::BlockingOption),
    // Who the connection is.
    ("auth", Affinity::Private),
    ("hello", Affinity::Private),
    ("select", Affinity::Private),
    ("reset", Affinity::Private),
    ("readonly", Affinity::Private),
    ("readwrite", Affinity::Private),
    ("asking", Affinity::Private),
    ("client|id", Affinity::Private),
    ("client|info", Affinity::Private),
    ("client|setname", Affinity::Private),
    ("client|getname", Affinity::Private),
    ("client|setinfo", Affinity::Private),
    ("client|no-evict", Affinity::Private),
    ("client|no-touch", Affinity::Private),
    ("client|capa", Affinity::Private),
    ("client|import-source", Affinity::Private),
    // What it remembers.
    ("multi", Affinity::Private),
    ("watch", Affinity::Private),
    ("client|tracking", Affinity::Private),
    ("client|trackinginfo", Affinity::Private),
    ("client|caching", Affinity::Private),
    ("client|getredir", Affinity::Private),
    ("script|debug", Affinity::Private),
    // What it is sent.
    ("subscribe", Affinity::Private),
    ("psubscribe", Affinity::Private),
    ("ssubscribe", Affinity::Private),
    ("unsubscribe", Affinity::Private),
    ("punsubscribe", Affinity::Private),
    ("sunsubscribe", Affinity::Private),
    ("monitor", Affinity::Private),
    ("sync", Affinity::Private),
    ("psync", Affinity::Private),
    ("replconf", Affinity::Private),
];

static TABLE: LazyLock<Vec<Affinity>> = LazyLock::new(|| {
    let mut affinities: Vec<Affinity> = table()
        .commands()
        .iter()
        .map(|command| if command.flags().contains(Flags::BLOCKING) { Affinity::Blocking } else { Affinity::Shared })
        .collect();
    for (name, affinity) in BY_NAME {
        if let Some(id) = table().by_name(name)
            && let Some(entry) = affinities.get_mut(usize::from(id.index()))
        {
            *entry = *affinity;
        }
    }
    affinities
});

impl Affinity {
    /// What `command` may do, its arguments aside. Commands that the table does not know are taken to be ordinary ones.
    #[inline]
    pub(super) fn of(command: CommandId) -> Self {
        TABLE.get(usize::from(command.index())).copied().unwrap_or(Self::Shared)
    }

    /// What it does with these arguments.
    pub(super) fn with(self, arguments: &Arguments<'_>) -> Self {
        if self != Self::BlockingOption {
            return self;
        }
        // What stands before STREAMS are options; behind it, BLOCK could be the name of a stream.
        let mut options =
            (1..).map_while(|at| arguments.get(at)).take_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"));
        if options.any(|word| word.eq_ignore_ascii_case(b"BLOCK")) { Self::Blocking } else { Self::Shared }
    }
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::resp::{Span, encode, request::RequestScanner};

    fn affinity(line: &str) -> Affinity {
        let mut frame = Vec::new();
        encode::request(&mut frame, line.split(' ').map(str::as_bytes));
        let mut spans: Vec<Span> = Vec::new();
        RequestScanner::default().scan(&frame, &mut spans).unwrap();
        let arguments = Arguments::new(&frame, &spans);
        Affinity::of(crate::chain::vector::lookup(&arguments)).with(&arguments)
    }

    #[test]
    fn every_name_is_a_command() {
        let newer_than_the_table = ["client|import-source", "client|capa"];
        for (name, _) in BY_NAME {
            assert!(table().by_name(name).is_some() || newer_than_the_table.contains(name), "{name}");
        }
    }

    #[test]
    fn commands_that_would_disturb_others_are_told_from_those_that_would_not() {
        for (line, expected) in [
            ("GET a", Affinity::Shared),
            ("MODULE.COMMAND a", Affinity::Shared),
            ("blpop a 0", Affinity::Blocking),
            ("XREAD COUNT 2 STREAMS BLOCK 0", Affinity::Shared),
            ("xread block 0 streams a 0", Affinity::Blocking),
            ("SELECT 1", Affinity::Private),
            ("CLIENT REPLY OFF", Affinity::ClientReply),
            ("CLIENT SETNAME x", Affinity::Private),
            ("CLIENT LIST", Affinity::Shared),
            ("quit", Affinity::Quit),
        ] {
            assert_eq!(affinity(line), expected, "{line}");
        }
    }
}
