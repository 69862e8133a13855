//! `INFO`.

use std::fmt::Write as _;

use sluice_plugin::Reply;

use crate::args::is;
use crate::store;
use crate::table::{Row, row};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[row("info", -1, info)];

/// The server whose commands, replies and errors these are.
pub(crate) const REDIS_VERSION: &str = "7.0.0";

/// A section writes its lines.
type Section = fn(&mut String) -> std::fmt::Result;

const SECTIONS: &[(&str, Section)] = &[
    ("Server", |text| {
        write!(text, "redis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\n")?;
        write!(text, "server_name:sluice-memory-store\r\nmemory_store_version:{}\r\n", env!("CARGO_PKG_VERSION"))
    }),
    ("Replication", |text| text.write_str("role:master\r\nconnected_slaves:0\r\n")),
    ("Cluster", |text| text.write_str("cluster_enabled:0\r\n")),
    ("Keyspace", |text| {
        let (mut keys, mut expiring) = (0, 0);
        for key in store::keys(b"", None) {
            keys += 1;
            expiring += u64::from(store::peek(&key, |held| held.is_some_and(|held| held.deadline.is_some())));
        }
        if keys > 0 { write!(text, "db0:keys={keys},expires={expiring},avg_ttl=0\r\n") } else { Ok(()) }
    }),
];

fn info(call: &mut Call<'_>) -> Outcome {
    let wanted = call.rest(1);
    let all =
        wanted.is_empty() || wanted.iter().any(|word| ["ALL", "DEFAULT", "EVERYTHING"].iter().any(|all| is(word, all)));
    let mut text = String::new();
    for (name, section) in SECTIONS {
        if all || wanted.iter().any(|word| is(word, name)) {
            let separator = if text.is_empty() { "" } else { "\r\n" };
            // Nothing that writes to a string fails.
            let _ = write!(text, "{separator}# {name}\r\n").and_then(|()| section(&mut text));
        }
    }
    Ok(Reply::Verbatim(*b"txt", text.into_bytes().into()))
}
