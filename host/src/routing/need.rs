//! Which commands may share a connection with other sessions, and what the others need instead.

use std::sync::LazyLock;

use sluice_commands::{CommandId, Flags, table};

use crate::chain::vector::Arguments;
use crate::upstream::Expect;

/// What a command does to the connection that it runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ConnectionNeed {
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
    /// As [`ConnectionNeed::Momentary`], and it must get through where everything else waits.
    Urgent,
    /// As [`ConnectionNeed::Momentary`], and its reply may never come.
    Blocking,
    /// As [`ConnectionNeed::Blocking`] where it has an argument BLOCK, otherwise [`ConnectionNeed::Shared`].
    BlockingOption,
    /// MULTI: the connection is needed until the transaction has ended.
    Multi,
    /// EXEC: it ends a transaction, and the watch.
    Exec,
    /// DISCARD: as [`ConnectionNeed::Exec`].
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

/// The commands that are not [`ConnectionNeed::Shared`], but for those that the table flags as blocking.
const BY_NAME: &[(&str, ConnectionNeed)] = &[
    ("quit", ConnectionNeed::Quit),
    ("client|reply", ConnectionNeed::ClientReply),
    ("xread", ConnectionNeed::BlockingOption),
    ("xreadgroup", ConnectionNeed::BlockingOption),
    // Where it may go.
    ("asking", ConnectionNeed::Asking),
    ("cluster|slots", ConnectionNeed::Nodes),
    ("cluster|shards", ConnectionNeed::Nodes),
    ("cluster|nodes", ConnectionNeed::Nodes),
    ("cluster|replicas", ConnectionNeed::Nodes),
    ("cluster|slaves", ConnectionNeed::Nodes),
    // Who the session is.
    ("auth", ConnectionNeed::State),
    ("hello", ConnectionNeed::State),
    ("select", ConnectionNeed::State),
    ("reset", ConnectionNeed::State),
    ("readonly", ConnectionNeed::State),
    ("readwrite", ConnectionNeed::State),
    ("client|setname", ConnectionNeed::State),
    ("client|setinfo", ConnectionNeed::State),
    ("client|no-evict", ConnectionNeed::State),
    ("client|no-touch", ConnectionNeed::State),
    ("client|getname", ConnectionNeed::Momentary),
    ("client|info", ConnectionNeed::Momentary),
    // Transactions.
    ("multi", ConnectionNeed::Multi),
    ("exec", ConnectionNeed::Exec),
    ("discard", ConnectionNeed::Discard),
    ("watch", ConnectionNeed::Watch),
    ("unwatch", ConnectionNeed::Unwatch),
    // What it is sent.
    ("subscribe", ConnectionNeed::Listen),
    ("psubscribe", ConnectionNeed::Listen),
    ("ssubscribe", ConnectionNeed::Listen),
    ("unsubscribe", ConnectionNeed::Listen),
    ("punsubscribe", ConnectionNeed::Listen),
    ("sunsubscribe", ConnectionNeed::Listen),
    ("monitor", ConnectionNeed::Listen),
    ("client|tracking", ConnectionNeed::Tracking),
    ("client|trackinginfo", ConnectionNeed::Momentary),
    ("client|caching", ConnectionNeed::Momentary),
    ("client|getredir", ConnectionNeed::Momentary),
    // Whoever asks for its ID wants to be found by it.
    ("client|id", ConnectionNeed::Pin),
    ("client|capa", ConnectionNeed::Pin),
    ("client|import-source", ConnectionNeed::Pin),
    ("script|debug", ConnectionNeed::Pin),
    ("script|kill", ConnectionNeed::Urgent),
    ("function|kill", ConnectionNeed::Urgent),
    // What changes who may do what.
    ("acl|setuser", ConnectionNeed::Momentary),
    ("acl|deluser", ConnectionNeed::Momentary),
    ("acl|load", ConnectionNeed::Momentary),
    ("config|set", ConnectionNeed::Momentary),
    ("sync", ConnectionNeed::Pin),
    ("psync", ConnectionNeed::Pin),
    ("replconf", ConnectionNeed::Pin),
];

static TABLE: LazyLock<Vec<ConnectionNeed>> = LazyLock::new(|| {
    let mut affinities: Vec<ConnectionNeed> =
        table()
            .commands()
            .iter()
            .map(|command| {
                if command.flags().contains(Flags::BLOCKING) {
                    ConnectionNeed::Blocking
                } else {
                    ConnectionNeed::Shared
                }
            })
            .collect();
    for (name, need) in BY_NAME {
        if let Some(id) = table().by_name(name)
            && let Some(entry) = affinities.get_mut(usize::from(id.index()))
        {
            *entry = *need;
        }
    }
    affinities
});

impl ConnectionNeed {
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
    pub(super) fn is_exclusive(self) -> bool {
        !matches!(
            self,
            Self::Shared | Self::Nodes | Self::Quit | Self::ClientReply | Self::Exec | Self::Discard | Self::Unwatch
        )
    }
}

/// What a server sends for a request.
pub(super) fn expectation(need: ConnectionNeed, command: CommandId, arguments: usize) -> Expect {
    match need {
        ConnectionNeed::Blocking => Expect::Eventually,
        ConnectionNeed::Nodes => Expect::Apart,
        _ => Expect::of(command, arguments),
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

    fn need(line: &str) -> ConnectionNeed {
        let mut frame = Vec::new();
        encode::request(&mut frame, line.split(' ').map(str::as_bytes));
        let mut spans: Vec<Span> = Vec::new();
        RequestScanner::default().scan(&frame, &mut spans).unwrap();
        let arguments = Arguments::new(&frame, &spans);
        ConnectionNeed::of(crate::chain::vector::lookup(&arguments)).with(&arguments)
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
            ("GET a", ConnectionNeed::Shared),
            ("MODULE.COMMAND a", ConnectionNeed::Shared),
            ("blpop a 0", ConnectionNeed::Blocking),
            ("wait 1 0", ConnectionNeed::Blocking),
            ("XREAD COUNT 2 STREAMS BLOCK 0", ConnectionNeed::Shared),
            ("xread block 0 streams a 0", ConnectionNeed::Blocking),
            ("SELECT 1", ConnectionNeed::State),
            ("CLIENT REPLY OFF", ConnectionNeed::ClientReply),
            ("CLIENT SETNAME x", ConnectionNeed::State),
            ("CLIENT LIST", ConnectionNeed::Shared),
            ("MULTI", ConnectionNeed::Multi),
            ("EXEC now", ConnectionNeed::Shared),
            ("subscribe a", ConnectionNeed::Listen),
            ("quit", ConnectionNeed::Quit),
            ("ASKING", ConnectionNeed::Asking),
            ("ASKING now", ConnectionNeed::Shared),
            ("cluster NODES", ConnectionNeed::Nodes),
            ("CLUSTER INFO", ConnectionNeed::Shared),
            ("POST / HTTP/1.1", ConnectionNeed::Shared),
        ] {
            assert_eq!(need(line), expected, "{line}");
        }
    }
}
