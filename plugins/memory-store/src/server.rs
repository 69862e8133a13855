//! The server as a whole: its time, its settings, its databases.

use std::collections::BTreeMap;

use sluice_plugin::{Reply, clock};

use crate::args::integer;
use crate::failure::Failure;
use crate::glob;
use crate::table::{Row, row};
use crate::{Call, Outcome};

pub(crate) const ROWS: &[Row] = &[row("time", 1, time), row("config|get", -3, config_get)];

/// What `CONFIG GET` knows: enough for the tools that ask.
const SETTINGS: &[(&str, &str)] = &[
    ("appendonly", "no"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
    ("timeout", "0"),
];

fn time(_: &mut Call<'_>) -> Outcome {
    let now = clock::unix();
    Ok(Reply::array([now.as_secs().to_string(), now.subsec_micros().to_string()].map(Reply::bulk)))
}

fn config_get(call: &mut Call<'_>) -> Outcome {
    let mut found: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
    for asked in call.rest(2) {
        let pattern = asked.to_ascii_lowercase();
        let literal = glob::literal_prefix(&pattern) == pattern;
        for (name, value) in SETTINGS.iter().filter(|(name, _)| glob::matches(&pattern, name.as_bytes())) {
            // What is asked for by its name is answered in the same spelling.
            found.insert(if literal { asked.to_vec() } else { name.as_bytes().to_vec() }, value);
        }
    }
    Ok(Reply::Map(found.into_iter().map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect()))
}

/// The number of a database: there is one, with the number 0.
pub(crate) fn database(text: &[u8]) -> Result<(), Failure> {
    match integer(text).map(i32::try_from) {
        Some(Ok(0)) => Ok(()),
        Some(Ok(_)) => Err(Failure::BAD_DATABASE),
        Some(Err(_)) => Err(Failure::OUT_OF_INT),
        None => Err(Failure::NOT_AN_INTEGER),
    }
}
