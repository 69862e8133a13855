//! What a command does to the connection that it runs on: which connection it needs, what it sets
//! there, how its replies come, whether it waits, and which of its arguments are secret.

use crate::keys::Args;
use crate::table::{CommandId, table};

/// What a command does to the connection that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Which connection it needs, and for how long. What it needs with certain arguments,
    /// [`Effect::need_with`] says.
    pub need: ConnectionNeed,
    /// What it sets where it succeeds.
    pub sets: Sets,
    /// How its replies come.
    pub replies: Replies,
    /// Whether it may wait before it replies.
    pub blocks: Blocks,
    /// What its reply says that holds for this connection, or this server, only.
    pub tells: Tells,
    /// Which client its arguments name by an ID.
    pub aims: Aims,
    /// Which of its arguments may be secret.
    pub secrets: Secrets,
}

/// Which connection a command needs, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionNeed {
    /// Any: it may run between the commands of other clients.
    Shared,
    /// None: it ends the client's connection. QUIT.
    Quit,
    /// None: it switches the replies to the client off and on. CLIENT REPLY.
    ClientReply,
    /// One that is in the client's name: it changes who the client is to the server.
    State,
    /// One of its own while it runs: it speaks of the connection that it runs on.
    Momentary,
    /// As [`Self::Momentary`], and it must get through where everything else waits.
    Urgent,
    /// As [`Self::Momentary`], and its reply may never come.
    Blocking,
    /// One of its own until the transaction has ended: MULTI.
    Multi,
    /// The one of its transaction, which it ends: EXEC.
    Exec,
    /// The one of its transaction, which it ends: DISCARD.
    Discard,
    /// One of its own until the next EXEC, DISCARD or UNWATCH: WATCH.
    Watch,
    /// The one of the keys that are watched: UNWATCH.
    Unwatch,
    /// One of its own for the next request too, which alone it is about: ASKING.
    Asking,
    /// One of its own for as long as the server may send something by itself: subscriptions and
    /// MONITOR.
    Listen,
    /// One of its own while tracking is on: CLIENT TRACKING.
    Tracking,
    /// One of its own from then on: what it does to a connection cannot be done again on another.
    Pin,
    /// One of its own, as the table does not know what the command does. The client keeps it unless
    /// the server did not know the command either.
    Unknown,
}

/// What a command sets where it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sets {
    /// Nothing that lasts.
    Nothing,
    /// The user: AUTH.
    User,
    /// The protocol, and the user and the connection's name where it is given them: HELLO.
    Greeting,
    /// The database: SELECT.
    Database,
    /// Everything, to what it was at the beginning: RESET.
    Reset,
    /// Whether a replica may answer for its primary: READONLY, READWRITE.
    Readonly(bool),
    /// Whether the connection is spared when memory is short: CLIENT NO-EVICT.
    NoEvict,
    /// Whether reading a key counts as using it: CLIENT NO-TOUCH.
    NoTouch,
    /// The connection's name: CLIENT SETNAME.
    Name,
    /// The name or the version of the client's library: CLIENT SETINFO.
    Library,
    /// Whether the server tells of changes to keys that were read: CLIENT TRACKING.
    Tracking,
    /// Who may do what on the whole server: ACL SETUSER, DELUSER and LOAD.
    Users,
    /// The same where a parameter among its arguments is the default user's password: CONFIG SET
    /// requirepass.
    UsersByParameter,
    /// That requests are queued: MULTI.
    Transaction,
    /// That a transaction fails once these keys have changed: WATCH.
    Watch,
}

/// How the replies to a command come. An error is one reply, whatever is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// One.
    One,
    /// One confirmation for each channel; without channels, a command that ends subscriptions
    /// confirms each that there is, and at least one.
    Confirmations {
        /// Of which kind.
        kind: Subscription,
        /// Whether subscriptions end.
        ends: bool,
    },
    /// `OK`, and from then on a line for each command that the server executes.
    Monitor,
    /// Replication: from the reply on, nothing is framed.
    Stream,
    /// None where it succeeds: SHUTDOWN.
    None,
}

/// The kinds of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// SUBSCRIBE, UNSUBSCRIBE.
    Channel = 0,
    /// PSUBSCRIBE, PUNSUBSCRIBE.
    Pattern = 1,
    /// SSUBSCRIBE, SUNSUBSCRIBE.
    Shard = 2,
}

/// Whether a command may wait before it replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// It replies at once.
    Never,
    /// It may.
    Always,
    /// It may where an option asks for it.
    Option(&'static Grammar),
}

/// What a reply says that holds for one connection, or one server, only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Nothing of the kind.
    Nothing,
    /// The addresses of a cluster's nodes.
    Nodes(NodesForm),
    /// The ID of the connection that it runs on.
    ClientId(ClientIdForm),
}

/// How a reply names the nodes of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodesForm {
    /// CLUSTER SLOTS: an array for each range of slots.
    Slots,
    /// CLUSTER SHARDS: a map for each shard.
    Shards,
    /// CLUSTER NODES, and what writes its lines.
    Lines,
}

/// How a reply gives the ID of the connection that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIdForm {
    /// HELLO: a map with a field `id`.
    Greeting,
    /// CLIENT ID: an integer.
    Integer,
    /// CLIENT INFO: a line of text with `id=`.
    Line,
}

/// Which clients a command names by their IDs, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aims {
    /// None.
    Nothing,
    /// Those that it disconnects: CLIENT KILL.
    Kill,
    /// The one whose blocked command it ends: CLIENT UNBLOCK.
    Unblock,
    /// The one that is sent what another client asks to be told: CLIENT TRACKING.
    Redirect,
    /// Those that it tells of: CLIENT LIST.
    List,
}

/// Which arguments of a command may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// None.
    None,
    /// All from this position on; the command's name has position 0.
    From(u8),
}

/// The options of a command that stand before a keyword, one of which asks to block.
#[derive(Debug, PartialEq, Eq)]
pub struct Grammar {
    /// The options, each with how many arguments it takes.
    pub(crate) options: &'static [(&'static str, usize)],
    /// Which of them asks to block.
    pub(crate) asking: &'static str,
    /// Ends the options: behind it, a word that reads like one of them is something else.
    pub(crate) end: &'static str,
}

// === impl Effect ===

impl Effect {
    /// What a command does that leaves no trace on its connection.
    pub(crate) const PLAIN: Self = Self {
        need: ConnectionNeed::Shared,
        sets: Sets::Nothing,
        replies: Replies::One,
        blocks: Blocks::Never,
        tells: Tells::Nothing,
        aims: Aims::Nothing,
        secrets: Secrets::None,
    };

    /// What a command does that always may block.
    pub(crate) const BLOCKING: Self = Self { need: ConnectionNeed::Blocking, blocks: Blocks::Always, ..Self::PLAIN };

    /// What is assumed of a command that the table does not know, and of a container whose
    /// subcommand it does not know: anything could be done to the connection, and any argument
    /// could be secret, as it may be a command that carries passwords, with a typing error.
    pub const UNKNOWN: Self = Self { need: ConnectionNeed::Unknown, secrets: Secrets::From(1), ..Self::PLAIN };

    /// Whether it leaves no trace on its connection, whatever its arguments: it may run between the
    /// commands of other clients, and has one reply that is the same on every connection.
    #[inline]
    pub const fn is_plain(&self) -> bool {
        matches!(
            (self.need, self.replies, self.blocks, self.tells, self.aims),
            (ConnectionNeed::Shared, Replies::One, Blocks::Never, Tells::Nothing, Aims::Nothing)
        )
    }

    /// Which connection it needs with these arguments.
    ///
    /// Options may ask to block, and what takes no arguments needs nothing where it has some: the
    /// server refuses it. Where the command may be a container, [`CommandId::need_with`] knows
    /// more.
    #[inline]
    pub fn need_with<A: Args + ?Sized>(&self, arguments: &A) -> ConnectionNeed {
        use ConnectionNeed::{Asking, Blocking, Discard, Exec, Multi, Shared, Unwatch};
        match (self.need, self.blocks) {
            (Multi | Exec | Discard | Unwatch | Asking, _) if arguments.count() > 1 => Shared,
            (_, Blocks::Option(grammar)) if grammar.asks(arguments) => Blocking,
            (need, _) => need,
        }
    }
}

impl CommandId {
    /// What the command does to the connection that it runs on; [`Effect::UNKNOWN`] for one that is
    /// not in the table.
    #[must_use]
    #[inline]
    pub fn effect(self) -> &'static Effect {
        self.get().map_or(&Effect::UNKNOWN, |command| command.effect())
    }

    /// Which connection the command needs with these arguments, its name first: as
    /// [`Effect::need_with`], and a container by itself does nothing.
    #[inline]
    pub fn need_with<A: Args + ?Sized>(self, arguments: &A) -> ConnectionNeed {
        let need = self.effect().need_with(arguments);
        if need == ConnectionNeed::Unknown && arguments.count() == 1 && table().family(self).nth(1).is_some() {
            return ConnectionNeed::Shared;
        }
        need
    }
}

// === impl Grammar ===

impl Grammar {
    /// Whether a request, its name first, asks to block. Words that the grammar does not know are
    /// taken to ask for it.
    pub fn asks<A: Args + ?Sized>(&self, arguments: &A) -> bool {
        let mut at = 1;
        while at < arguments.count() {
            let word = arguments.arg(at);
            if word.eq_ignore_ascii_case(self.end.as_bytes()) {
                return false;
            }
            match self.operands(word) {
                Some(operands) if !word.eq_ignore_ascii_case(self.asking.as_bytes()) => at += 1 + operands,
                _ => return true,
            }
        }
        false
    }

    /// How many arguments this option takes; `None` where it is not one.
    pub(crate) fn operands(&self, option: &[u8]) -> Option<usize> {
        let known = self.options.iter().find(|(name, _)| option.eq_ignore_ascii_case(name.as_bytes()));
        known.map(|&(_, operands)| operands)
    }
}

/// `XREAD` and `XREADGROUP`, which tell each other's options apart only to refuse them.
pub(crate) static READ_STREAMS: Grammar = Grammar {
    options: &[("block", 1), ("claim", 1), ("count", 1), ("group", 2), ("noack", 0)],
    asking: "block",
    end: "streams",
};

#[cfg(test)]
mod tests;
