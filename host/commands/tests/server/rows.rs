//! What `COMMAND` says of each command is what the table says.

use std::collections::BTreeSet;

use sluice_commands::{Begin, Command, Find, KeyFlags, KeySpec, RequestPolicy, ResponsePolicy, table};

use crate::redis::{Redis, Value};

/// A command, what differs, and what the server says of it.
type Known = (&'static str, &'static str, &'static str);

/// A flag that is in the servers' sources and that no `COMMAND` reports.
const NOT_REPORTED: (&str, &[Known]) = (
    "may_replicate is not reported",
    &[
        ("cluster|setslot", "flags", "admin no_async_loading stale"),
        ("eval", "flags", "no_mandatory_keys noscript skip_monitor stale"),
        ("evalsha", "flags", "no_mandatory_keys noscript skip_monitor stale"),
        ("fcall", "flags", "no_mandatory_keys noscript skip_monitor stale"),
        ("pfcount", "flags", "readonly"),
        ("publish", "flags", "fast loading pubsub stale"),
        ("spublish", "flags", "fast loading pubsub stale"),
    ],
);

/// Where the table does not say what Valkey 9 says, and why.
const VALKEY_9: &[(&str, &[Known])] = &[
    NOT_REPORTED,
    ("the slow log has another name", &[("exec", "flags", "loading noscript skip_commandlog stale")]),
    ("got an option that Redis has not", &[("cluster|replicate", "arity", "-3"), ("script|debug", "arity", "-3")]),
];

/// Where the table follows Valkey 9 and not Redis 7.0, and why.
const REDIS_7: &[(&str, &[Known])] = &[
    NOT_REPORTED,
    (
        "blocking commands became allowed in scripts, where they do not block",
        &[
            ("blmove", "flags", "blocking denyoom noscript write"),
            ("blpop", "flags", "blocking noscript write"),
            ("brpop", "flags", "blocking noscript write"),
            ("brpoplpush", "flags", "blocking denyoom noscript write"),
            ("bzpopmax", "flags", "blocking fast noscript write"),
            ("bzpopmin", "flags", "blocking fast noscript write"),
        ],
    ),
    ("WAIT blocks; 7.0 did not say so", &[("wait", "flags", "noscript"), ("wait", "categories", "connection slow")]),
    (
        "MULTI in MULTI and WATCH in MULTI became errors that abort the transaction",
        &[
            ("multi", "flags", "allow_busy fast loading noscript stale"),
            ("watch", "flags", "allow_busy fast loading noscript stale"),
        ],
    ),
    (
        "became allowed while the server loads its data",
        &[
            ("cluster|info", "flags", "stale"),
            ("cluster|myid", "flags", "stale"),
            ("cluster|nodes", "flags", "stale"),
            ("cluster|shards", "flags", "stale"),
            ("cluster|slots", "flags", "stale"),
            ("memory|malloc-stats", "flags", ""),
            ("memory|purge", "flags", ""),
        ],
    ),
    (
        "became allowed while a script holds the server up",
        &[
            ("client|caching", "flags", "loading noscript stale"),
            ("client|getname", "flags", "loading noscript stale"),
            ("client|getredir", "flags", "loading noscript stale"),
            ("client|id", "flags", "loading noscript stale"),
            ("client|no-evict", "flags", "admin loading noscript stale"),
            ("client|reply", "flags", "loading noscript stale"),
            ("client|setname", "flags", "loading noscript stale"),
            ("select", "flags", "fast loading stale"),
        ],
    ),
    (
        "became allowed on a replica that has lost its primary",
        &[("script|exists", "flags", "noscript"), ("script|flush", "flags", "noscript")],
    ),
    (
        "got an option, or lost a wrong minimum",
        &[
            ("command|getkeys", "arity", "-4"),
            ("command|getkeysandflags", "arity", "-4"),
            ("zrank", "arity", "3"),
            ("zrevrank", "arity", "3"),
        ],
    ),
    (
        "the destination is overwritten, not read",
        &[("sinterstore", "key specs", r#"["rw update: index 1, range 0 1 0", "access ro: index 2, range -1 1 0"]"#)],
    ),
    (
        "of several destinations only the last is written",
        &[
            (
                "georadius",
                "key specs",
                r#"["access ro: index 1, range 0 1 0", "ow update: keyword STORE 6, range 0 1 0", "ow update: keyword STOREDIST 6, range 0 1 0"]"#,
            ),
            (
                "georadiusbymember",
                "key specs",
                r#"["access ro: index 1, range 0 1 0", "ow update: keyword STORE 5, range 0 1 0", "ow update: keyword STOREDIST 5, range 0 1 0"]"#,
            ),
        ],
    ),
    (
        "tips were added or corrected; MSETNX is atomic and cannot be split",
        &[
            ("acl|deluser", "request policy", "default"),
            ("acl|deluser", "response policy", "default"),
            ("acl|save", "request policy", "default"),
            ("acl|save", "response policy", "default"),
            ("acl|setuser", "request policy", "default"),
            ("acl|setuser", "response policy", "default"),
            ("client|setname", "request policy", "default"),
            ("client|setname", "response policy", "default"),
            ("config|resetstat", "request policy", "default"),
            ("config|resetstat", "response policy", "default"),
            ("config|rewrite", "request policy", "default"),
            ("config|rewrite", "response policy", "default"),
            ("latency|reset", "response policy", "all_succeeded"),
            ("msetnx", "request policy", "multi_shard"),
            ("msetnx", "response policy", "agg_min"),
            ("randomkey", "response policy", "default"),
            ("scan", "response policy", "default"),
        ],
    ),
];

/// One thing that the table and the server say of a command, if they differ.
struct Difference {
    name: String,
    what: &'static str,
    table: String,
    server: String,
}

#[test]
fn every_command_of_redis_7_is_in_the_table_as_the_server_describes_it() {
    check(Redis::start(), REDIS_7);
}

#[test]
fn every_command_of_valkey_9_is_in_the_table_as_the_server_describes_it() {
    check(Redis::valkey(), VALKEY_9);
}

/// Fails on differences that are not known.
fn check(mut server: Redis, differences: &[(&str, &[Known])]) {
    let reply = server.call(&["COMMAND"]);
    let mut found = Vec::new();
    let mut count = 0;
    for described in reply.array() {
        compare(described, &mut found, &mut count);
    }
    assert!(count > 300, "the server described only {count} commands");

    let known = |found: &Difference| {
        let mut known = differences.iter().flat_map(|(_, differences)| *differences);
        known.any(|known| *known == (found.name.as_str(), found.what, found.server.as_str()))
    };
    let surprises: Vec<String> = found
        .iter()
        .filter(|found| !known(found))
        .map(|found| {
            format!("{}: {}: the table says {}, the server {}", found.name, found.what, found.table, found.server)
        })
        .collect();
    assert!(surprises.is_empty(), "{} differences:\n{}", surprises.len(), surprises.join("\n"));
}

/// Compares a command and its subcommands.
fn compare(described: &Value, found: &mut Vec<Difference>, count: &mut usize) {
    *count += 1;
    let described = described.array();
    let name = described[0].text();
    let Some(command) = table().by_name(name).and_then(|id| id.get()) else {
        let server = format!("{described:?}");
        found.push(Difference { name: name.into(), what: "name", table: "nothing".into(), server });
        return;
    };
    let mut check = |what, table: String, server: String| {
        if table != server {
            found.push(Difference { name: name.into(), what, table, server });
        }
    };

    check("arity", command.arity().to_string(), described[1].integer().to_string());

    let mut flags: BTreeSet<&str> = described[2].array().iter().map(Value::text).collect();
    let movable = flags.remove("movablekeys");
    check("flags", list(command.flags().names()), list(flags));

    let categories = described[6].array().iter().map(|category| category.text().trim_start_matches('@'));
    check("categories", list(command.categories()), list(categories));

    let numbers: Vec<i64> = described[3..6].iter().map(Value::integer).collect();
    check("key range", key_range(command), if movable { "movable".into() } else { format!("{numbers:?}") });

    let specs = described[8].array().iter().map(spec_of_server);
    check(
        "key specs",
        format!("{:?}", command.key_specs().iter().map(spec_of_table).collect::<Vec<_>>()),
        format!("{:?}", specs.collect::<Vec<_>>()),
    );

    let tips: Vec<&str> = described[7].array().iter().map(Value::text).collect();
    check("request policy", request_policy(command).into(), tip(&tips, "request_policy:"));
    check("response policy", response_policy(command).into(), tip(&tips, "response_policy:"));

    for subcommand in described[9].array() {
        compare(subcommand, found, count);
    }
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

/// First, last, step as the server writes them; it counts shard channels in, which the table's `key_range` does not.
fn key_range(command: &Command) -> String {
    match (command.key_range(), command.key_specs()) {
        (Some(range), _) => format!("[{}, {}, {}]", range.first, range.last, range.step),
        (None, [KeySpec { flags, begin: Begin::Index(first), find: Find::Range { last, step, .. } }])
            if flags.contains(KeyFlags::NOT_KEY) =>
        {
            format!("[{first}, {}, {step}]", if *last < 0 { *last } else { first + last })
        }
        (None, []) => "[0, 0, 0]".into(),
        (None, _) => "movable".into(),
    }
}

fn spec_of_table(spec: &KeySpec) -> String {
    let begin = match spec.begin {
        Begin::Index(index) => format!("index {index}"),
        Begin::Keyword { keyword, start_from } => format!("keyword {keyword} {start_from}"),
        Begin::Unknown => "unknown".into(),
    };
    let find = match spec.find {
        Find::Range { last, step, limit } => format!("range {last} {step} {limit}"),
        Find::KeyNum { index, first, step } => format!("keynum {index} {first} {step}"),
        Find::Unknown => "unknown".into(),
    };
    format!("{}: {begin}, {find}", list(spec.flags.names()))
}

fn spec_of_server(spec: &Value) -> String {
    let flags: Vec<String> = spec.field("flags").array().iter().map(|flag| flag.text().to_lowercase()).collect();
    let part = |name, fields: &[&str]| {
        let part = spec.field(name);
        let mut text = part.field("type").text().to_owned();
        for field in fields {
            if let Some(pair) = part.field("spec").array().chunks_exact(2).find(|pair| pair[0].text() == *field) {
                match &pair[1] {
                    Value::Integer(integer) => text += &format!(" {integer}"),
                    other => text += &format!(" {}", other.text()),
                }
            }
        }
        text
    };
    let begin = part("begin_search", &["index", "keyword", "startfrom"]);
    let find = part("find_keys", &["lastkey", "keynumidx", "firstkey", "keystep", "limit"]);
    format!("{}: {begin}, {find}", list(flags.iter().map(String::as_str)))
}

fn tip(tips: &[&str], prefix: &str) -> String {
    tips.iter().find_map(|tip| tip.strip_prefix(prefix)).unwrap_or("default").into()
}

fn request_policy(command: &Command) -> &'static str {
    match command.request_policy() {
        RequestPolicy::Default => "default",
        RequestPolicy::AllNodes => "all_nodes",
        RequestPolicy::AllShards => "all_shards",
        RequestPolicy::MultiShard => "multi_shard",
        RequestPolicy::Special => "special",
    }
}

fn response_policy(command: &Command) -> &'static str {
    match command.response_policy() {
        ResponsePolicy::Default => "default",
        ResponsePolicy::OneSucceeded => "one_succeeded",
        ResponsePolicy::AllSucceeded => "all_succeeded",
        ResponsePolicy::AggLogicalAnd => "agg_logical_and",
        ResponsePolicy::AggLogicalOr => "agg_logical_or",
        ResponsePolicy::AggMin => "agg_min",
        ResponsePolicy::AggMax => "agg_max",
        ResponsePolicy::AggSum => "agg_sum",
        ResponsePolicy::Special => "special",
    }
}
