//! Requests without keys: which nodes of a cluster get one, and what becomes of their replies.
//!
//! The servers' tips say it of some commands; the table here says it of those that have none, or where the tip is only `special`. What
//! changes a server's state goes to all that have this state, or nowhere: a cluster whose nodes differ by accident is not one server.
//!
//! A few are worth a word:
//!
//! - `PUBSUB NUMSUB` counts subscribers, each of which is connected to one node, so the sum is exact. `PUBSUB NUMPAT` counts patterns:
//!   one that is subscribed to at several nodes is counted at each, because no command lists them. The sum is the upper bound.
//! - `CLIENT LIST` without IDs tells the servers' IDs of their connections; in a cluster several may have the same.
//! - `INFO` and `MEMORY STATS` describe one node: the sum of what they tell would be nonsense for most of it.
//! - `PING` goes to one node, whatever the tip says: it asks whether the proxy is well, and often.
//! - `WAIT` and `WAITAOF` ask every primary, and the answer is the smallest: whatever the session has written, and wherever that is by now,
//!   so many replicas have it. A shard that has fewer replicas is the bound, even if the session has written nothing there. Each primary is
//!   asked on a private connection that is new or has been said something on since: so everything that was answered before counts.
//! - `SCRIPT KILL` and `FUNCTION KILL` go to every primary, on private connections too, which a busy server reads.
//! - What belongs to a session alone (`CLIENT SETNAME`, `MULTI`, `SUBSCRIBE`) goes wherever that session's connection leads.

use std::sync::LazyLock;

use sluice_commands::{Args, Command, CommandId, RequestPolicy, ResponsePolicy, table};

use super::merge::Merge;
use super::slot::Slot;
use super::target::Target;
use crate::resp::encode;

/// Where a request without keys goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reach {
    /// To any primary.
    One,
    /// To every primary.
    Primaries,
    /// To every node.
    Nodes,
    /// To every node, but where it is about a key after all.
    Debug,
    /// See [`Target::Scan`].
    Scan,
    /// See [`Target::RandomKey`].
    RandomKey,
    /// Nowhere.
    Refused,
}

const ALL: Merge<'static> = Merge::By(ResponsePolicy::AllSucceeded);
const ANY: Merge<'static> = Merge::By(ResponsePolicy::OneSucceeded);
const SUM: Merge<'static> = Merge::By(ResponsePolicy::AggSum);
const MIN: Merge<'static> = Merge::By(ResponsePolicy::AggMin);
const LIST: Merge<'static> = Merge::By(ResponsePolicy::Default);

/// What the tips do not say, or say otherwise. The reply of one node is taken as it is.
const BY_NAME: &[(&str, Reach, Merge<'static>)] = &[
    // Orders to servers.
    ("acl|load", Reach::Nodes, ALL),
    ("backup|abort", Reach::Nodes, ALL),
    ("backup|cleanup", Reach::Nodes, ALL),
    ("backup|seal", Reach::Nodes, ALL),
    ("backup|start", Reach::Nodes, ALL),
    ("bgrewriteaof", Reach::Nodes, ALL),
    ("bgsave", Reach::Nodes, ALL),
    ("save", Reach::Nodes, ALL),
    ("client|pause", Reach::Nodes, ALL),
    ("client|unpause", Reach::Nodes, ALL),
    ("debug", Reach::Debug, ALL),
    ("hotkeys|reset", Reach::Nodes, ALL),
    ("hotkeys|start", Reach::Nodes, ALL),
    ("hotkeys|stop", Reach::Nodes, ALL),
    ("module|load", Reach::Nodes, ALL),
    ("module|loadex", Reach::Nodes, ALL),
    ("module|unload", Reach::Nodes, ALL),
    ("swapdb", Reach::Primaries, ALL),
    // Clients, who may be connected to any node.
    ("client|list", Reach::Nodes, Merge::Text),
    ("client|kill", Reach::Nodes, SUM),
    ("client|unblock", Reach::Nodes, SUM),
    ("pubsub|channels", Reach::Nodes, Merge::Union),
    ("pubsub|shardchannels", Reach::Nodes, Merge::Union),
    ("pubsub|numsub", Reach::Nodes, Merge::Pairs),
    ("pubsub|shardnumsub", Reach::Nodes, Merge::Pairs),
    ("pubsub|numpat", Reach::Nodes, SUM),
    // What servers tell of themselves.
    ("acl|log", Reach::Nodes, LIST),
    ("function|stats", Reach::Primaries, Merge::Running),
    ("lastsave", Reach::Nodes, MIN),
    ("latency|doctor", Reach::Nodes, Merge::Text),
    ("latency|graph", Reach::Nodes, Merge::Text),
    ("latency|histogram", Reach::Nodes, Merge::Histograms),
    ("latency|history", Reach::Nodes, LIST),
    ("latency|latest", Reach::Nodes, Merge::Latest),
    ("memory|doctor", Reach::Primaries, Merge::Text),
    ("memory|malloc-stats", Reach::Primaries, Merge::Text),
    // A script that was not loaded but run is known where it ran.
    ("script|show", Reach::Primaries, ANY),
    ("info", Reach::One, LIST),
    ("memory|stats", Reach::One, LIST),
    ("ping", Reach::One, LIST),
    // The session's own.
    ("client|setinfo", Reach::One, LIST),
    ("client|setname", Reach::One, LIST),
    // The keyspace as a whole.
    ("randomkey", Reach::RandomKey, LIST),
    ("scan", Reach::Scan, LIST),
    // What is about one server, or would tear it from its cluster or the connection from the proxy.
    ("backup|list", Reach::Refused, LIST),
    ("backup|status", Reach::Refused, LIST),
    ("bless|scan", Reach::Refused, LIST),
    ("cluster|slot-stats", Reach::Refused, LIST),
    ("failover", Reach::Refused, LIST),
    ("psync", Reach::Refused, LIST),
    ("replconf", Reach::Refused, LIST),
    ("replicaof", Reach::Refused, LIST),
    ("himport|discard", Reach::Refused, LIST),
    ("himport|discardall", Reach::Refused, LIST),
    ("himport|prepare", Reach::Refused, LIST),
    ("hotkeys|get", Reach::Refused, LIST),
    ("script|debug", Reach::Refused, LIST),
    ("shutdown", Reach::Refused, LIST),
    ("slaveof", Reach::Refused, LIST),
    ("trimslots", Reach::Refused, LIST),
    ("sync", Reach::Refused, LIST),
];

/// Subcommands of DEBUG, none of which the table knows, of which all further arguments are keys.
const DEBUG_OF_KEYS: &[&str] = &["digest-value", "htstats-key", "listpack", "object", "quicklist", "sdslen", "ziplist"];

static RULES: LazyLock<Vec<(Reach, Merge<'static>)>> = LazyLock::new(|| {
    let mut rules: Vec<_> = table().commands().iter().map(tip).collect();
    for &(name, reach, merge) in BY_NAME {
        if let Some(rule) = table().by_name(name).and_then(|id| rules.get_mut(usize::from(id.index()))) {
            *rule = (reach, merge);
        }
    }
    rules
});

/// What the server says.
fn tip(command: &Command) -> (Reach, Merge<'static>) {
    let reach = match command.request_policy() {
        RequestPolicy::AllShards => Reach::Primaries,
        RequestPolicy::AllNodes => Reach::Nodes,
        RequestPolicy::Default | RequestPolicy::MultiShard | RequestPolicy::Special => Reach::One,
    };
    (reach, Merge::By(command.response_policy()))
}

fn rule(command: CommandId) -> (Reach, Merge<'static>) {
    RULES.get(usize::from(command.index())).copied().unwrap_or((Reach::One, LIST))
}

/// The target of a request in which no keys have been found.
pub(super) fn target<A: Args + ?Sized>(command: CommandId, arguments: &A) -> Target {
    match rule(command).0 {
        Reach::One => Target::Anywhere,
        Reach::Primaries => Target::Primaries,
        Reach::Nodes => Target::Nodes,
        Reach::Debug => debug(arguments),
        Reach::Scan => Target::Scan,
        Reach::RandomKey => Target::RandomKey,
        Reach::Refused => Target::Refused,
    }
}

/// DEBUG, of which the table knows no subcommands.
fn debug<A: Args + ?Sized>(arguments: &A) -> Target {
    let count = arguments.count();
    let of_keys = |name: &[u8]| DEBUG_OF_KEYS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    if count > 1 && arguments.arg(1).eq_ignore_ascii_case(b"PROTOCOL") {
        // It only answers, and may send more than a reply.
        return Target::Anywhere;
    }
    if count < 3 || !of_keys(arguments.arg(1)) {
        return Target::Nodes;
    }
    let slot = Slot::of(arguments.arg(2));
    if (3..count).all(|at| Slot::of(arguments.arg(at)) == slot) { Target::To(slot) } else { Target::Apart }
}

/// What becomes of the replies to a request that several nodes get, whole or in parts.
pub fn merge_rule<A: Args + ?Sized>(command: CommandId, arguments: &A) -> Merge<'static> {
    let merge = rule(command).1;
    match command.get().map(|command| command.name()) {
        // `CLIENT KILL address`: OK from the one that has this client.
        Some("client|kill") if arguments.count() == 3 => ANY,
        Some("acl|log") if arguments.count() > 2 && arguments.arg(2).eq_ignore_ascii_case(b"RESET") => ALL,
        _ => merge,
    }
}

/// The reply to a request whose target is [`Target::Refused`].
pub fn refusal(command: CommandId) -> Vec<u8> {
    let name = command.get().map_or("this command", |command| command.name());
    let name = name.replace('|', " ").to_uppercase();
    encode::error(&format!("ERR {name} is for a single server, and this proxy stands for a whole cluster"))
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn command(line: &str) -> (CommandId, Vec<&[u8]>) {
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        (sluice_commands::lookup(arguments[0], || arguments.get(1).copied()), arguments)
    }

    #[test]
    fn every_name_is_in_the_table_of_commands_and_has_no_keys() {
        for (name, ..) in BY_NAME {
            let command = table().by_name(name).unwrap();
            assert!(!command.get().unwrap().is_keyed(), "{name}");
        }
    }

    /// Commands that tell something. What changes anything that the other nodes would not hear of
    /// does not belong here.
    const TELL: &[&str] = &[
        "acl|cat",
        "acl|dryrun",
        "acl|genpass",
        "acl|getuser",
        "acl|list",
        "acl|users",
        "acl|whoami",
        "command",
        "command|count",
        "command|docs",
        "command|getkeys",
        "command|getkeysandflags",
        "command|info",
        "command|list",
        "config|get",
        "echo",
        "function|dump",
        "function|list",
        "info",
        "lolwut",
        "memory|stats",
        "module|list",
        "pfselftest",
        "ping",
        "role",
        "time",
    ];

    /// Commands that belong to a session.
    const SESSION: &[&str] = &[
        "asking",
        "auth",
        "client|caching",
        "client|capa",
        "client|getname",
        "client|getredir",
        "client|id",
        "client|import-source",
        "client|info",
        "client|no-evict",
        "client|no-touch",
        "client|reply",
        "client|setinfo",
        "client|setname",
        "client|tracking",
        "client|trackinginfo",
        "discard",
        "exec",
        "hello",
        "monitor",
        "multi",
        "psubscribe",
        "punsubscribe",
        "quit",
        "readonly",
        "readwrite",
        "reset",
        "select",
        "subscribe",
        "unsubscribe",
        "unwatch",
    ];

    #[test]
    fn only_what_tells_or_belongs_to_a_session_goes_to_a_single_node() {
        // The cluster hears of it by itself.
        let broadcast = ["publish"];
        for command in table().commands() {
            let name = command.name();
            let id = table().by_name(name).unwrap();
            // Shard channels are found as keys are; a container alone is refused by any server; CLUSTER is a matter of its own.
            let elsewhere = command.is_keyed()
                || !command.key_specs().is_empty()
                || name.ends_with("|help")
                || table().family(id).count() > 1 && name != "command"
                || name.starts_with("cluster|");
            let known = TELL.iter().chain(SESSION).chain(&broadcast).any(|known| *known == name);
            if !elsewhere {
                assert_eq!(rule(id).0 == Reach::One, known, "{name}");
            }
        }
    }

    #[test]
    fn debugging_a_key_goes_to_its_shard() {
        let target = |line| {
            let (id, arguments) = command(line);
            target(id, &arguments)
        };
        assert_eq!(target("DEBUG object a"), Target::To(Slot::of(b"a")));
        assert_eq!(target("DEBUG DIGEST-VALUE {a}1 {a}2"), Target::To(Slot::of(b"a")));
        assert_eq!(target("DEBUG DIGEST-VALUE a b"), Target::Apart);
        assert_eq!(target("DEBUG OBJECT"), Target::Nodes);
        assert_eq!(target("DEBUG SLEEP 0"), Target::Nodes);
        assert_eq!(target("DEBUG PROTOCOL push"), Target::Anywhere);
    }

    #[test]
    fn the_form_of_a_request_says_how_its_replies_are_gathered() {
        for (line, expected) in [
            ("CLIENT KILL 127.0.0.1:1", ANY),
            ("CLIENT KILL ADDR 127.0.0.1:1", SUM),
            ("CLIENT UNBLOCK 7", SUM),
            ("ACL LOG", LIST),
            ("ACL LOG 10", LIST),
            ("ACL LOG reset", ALL),
            ("CLIENT LIST", Merge::Text),
            ("PUBSUB SHARDNUMSUB a", Merge::Pairs),
            ("DBSIZE", SUM),
            ("CONFIG SET a b", ALL),
            ("SCRIPT EXISTS a", Merge::By(ResponsePolicy::AggLogicalAnd)),
            ("WAITAOF 1 1 0", MIN),
        ] {
            let (id, arguments) = command(line);
            assert_eq!(merge_rule(id, &arguments), expected, "{line}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_refused() {
        let (id, _) = command("SCRIPT DEBUG YES");
        assert!(refusal(id).starts_with(b"-ERR SCRIPT DEBUG is for a single server"));
    }
}
