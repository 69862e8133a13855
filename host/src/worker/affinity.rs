//! Which commands may share a connection with other sessions, and what the others need instead.

use std::sync::LazyLock;

use sluice_commands::{CommandId, Flags, table};

use crate::chain::vector::Arguments;

/// What a command does to the connection that it runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Affinity {
    /// Nothing: it may run between the commands of other sessions.
    Shared,
    /// Nothing either, but its reply names nodes of a cluster.
    Nodes,
    /// It concerns the session alone and never reaches a server: QUIT.
    Quit,
    /// It concerns the session alone and never reaches a server: CLIENT REPLY.
    ClientReply,
    /// It changes who the session is to the server. Nothing is sent past it, and then it is the proxy's to know.
    State,
    /// It speaks of the connection that it runs on, or needs one to itself while it runs.
    Momentary,
    /// As [`Affinity::Momentary`], and it must get through where everything else waits.
    Urgent,
    /// As [`Affinity::Momentary`], and its reply may never come.
    Blocking,
    /// As [`Affinity::Blocking`] where it has an argument BLOCK, otherwise [`Affinity::Shared`].
    BlockingOption,
    /// MULTI: the connection is needed until the transaction has ended.
    Multi,
    /// EXEC: it ends a transaction, and the watch.
    Exec,
    /// DISCARD: as [`Affinity::Exec`].
    Discard,
    /// WATCH: the connection is needed until the next EXEC, DISCARD or UNWATCH.
    Watch,
    /// UNWATCH.
    Unwatch,
    /// ASKING: the connection is needed for the next request too, which alone it is about.
    Asking,
    /// Subscriptions and MONITOR: the connection is needed for as long as the server may send something by itself.
    Listen,
    /// CLIENT TRACKING: the connection is needed while it is on.
    Tracking,
    /// What it does to the connection cannot be done again on another one, so the session keeps it.
    Pin,
}

/// The commands that are not [`Affinity::Shared`], but for those that the table flags as blocking.
const BY_NAME: &[(&str, Affinity)] = &[
    ("quit", Affinity::Quit),
    ("client|reply", Affinity::ClientReply),
    ("xread", Affinity::BlockingOption),
    ("xreadgroup", Affinity::BlockingOption),
    // Where it may go.
    ("asking", Affinity::Asking),
    ("cluster|slots", Affinity::Nodes),
    ("cluster|shards", Affinity::Nodes),
    ("cluster|nodes", Affinity::Nodes),
    ("cluster|replicas", Affinity::Nodes),
    ("cluster|slaves", Affinity::Nodes),
    // Who the session is.
    ("auth", Affinity::State),
    ("hello", Affinity::State),
    ("select", Affinity::State),
    ("reset", Affinity::State),
    ("readonly", Affinity::State),
    ("readwrite", Affinity::State),
    ("client|setname", Affinity::State),
    ("client|setinfo", Affinity::State),
    ("client|no-evict", Affinity::State),
    ("client|no-touch", Affinity::State),
    ("client|getname", Affinity::Momentary),
    ("client|info", Affinity::Momentary),
    // Transactions.
    ("multi", Affinity::Multi),
    ("exec", Affinity::Exec),
    ("discard", Affinity::Discard),
    ("watch", Affinity::Watch),
    ("unwatch", Affinity::Unwatch),
    // What it is sent.
    ("subscribe", Affinity::Listen),
    ("psubscribe", Affinity::Listen),
    ("ssubscribe", Affinity::Listen),
    ("unsubscribe", Affinity::Listen),
    ("punsubscribe", Affinity::Listen),
    ("sunsubscribe", Affinity::Listen),
    ("monitor", Affinity::Listen),
    ("client|tracking", Affinity::Tracking),
    ("client|trackinginfo", Affinity::Momentary),
    ("client|caching", Affinity::Momentary),
    ("client|getredir", Affinity::Momentary),
    // Whoever asks for its ID wants to be found by it.
    ("client|id", Affinity::Pin),
    ("client|capa", Affinity::Pin),
    ("client|import-source", Affinity::Pin),
    ("script|debug", Affinity::Pin),
    ("script|kill", Affinity::Urgent),
    ("function|kill", Affinity::Urgent),
    // What changes who may do what.
    ("acl|setuser", Affinity::Momentary),
    ("acl|deluser", Affinity::Momentary),
    ("acl|load", Affinity::Momentary),
    ("config|set", Affinity::Momentary),
    ("sync", Affinity::Pin),
    ("psync", Affinity::Pin),
    ("replconf", Affinity::Pin),
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
        if self.takes_nothing() && arguments.get(1).is_some() {
            // The server refuses it, whatever it would have done.
            return Self::Shared;
        }
        if self != Self::BlockingOption {
            return self;
        }
        // What stands before STREAMS are options; behind it, BLOCK could be the name of a stream.
        let mut options =
            (1..).map_while(|at| arguments.get(at)).take_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"));
        if options.any(|word| word.eq_ignore_ascii_case(b"BLOCK")) { Self::Blocking } else { Self::Shared }
    }

    fn takes_nothing(self) -> bool {
        matches!(self, Self::Multi | Self::Exec | Self::Discard | Self::Unwatch | Self::Asking)
    }

    /// Whether it must not run on a connection that sessions share. What ends something that never began may.
    pub(super) fn needs_private(self) -> bool {
        !matches!(
            self,
            Self::Shared | Self::Nodes | Self::Quit | Self::ClientReply | Self::Exec | Self::Discard | Self::Unwatch
        )
    }
}

/// Whether the server takes a command that it does not know for a web browser that was lured into sending it, and closes the connection.
pub(super) fn is_from_a_browser(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
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
            ("wait 1 0", Affinity::Blocking),
            ("XREAD COUNT 2 STREAMS BLOCK 0", Affinity::Shared),
            ("xread block 0 streams a 0", Affinity::Blocking),
            ("SELECT 1", Affinity::State),
            ("CLIENT REPLY OFF", Affinity::ClientReply),
            ("CLIENT SETNAME x", Affinity::State),
            ("CLIENT LIST", Affinity::Shared),
            ("MULTI", Affinity::Multi),
            ("EXEC now", Affinity::Shared),
            ("subscribe a", Affinity::Listen),
            ("quit", Affinity::Quit),
            ("ASKING", Affinity::Asking),
            ("ASKING now", Affinity::Shared),
            ("cluster NODES", Affinity::Nodes),
            ("CLUSTER INFO", Affinity::Shared),
            ("POST / HTTP/1.1", Affinity::Shared),
        ] {
            assert_eq!(affinity(line), expected, "{line}");
        }
    }
}
