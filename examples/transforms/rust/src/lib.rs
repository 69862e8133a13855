//! `CardMask`: masks the digits of card numbers in values that are written and read.

mod card;

use sluice_plugin::metrics::Counter;
use sluice_plugin::{Change, CommandSet, Interest, Request, Response, Transform, Verdict, log};

/// The map in the topology.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// How many digits at the end stay readable, 0 to 12.
    keep: usize,
    /// The commands in whose arguments, keys aside, card numbers are masked.
    write: Vec<String>,
    /// The commands in whose responses card numbers are masked.
    read: Vec<String>,
}

const MOST_KEPT: usize = 12;

const WRITE: &[&str] = &[
    "set", "setex", "psetex", "setnx", "getset", "append", "mset", "msetnx", "hset", "hsetnx", "hmset", "lpush",
    "rpush", "sadd",
];

const READ: &[&str] =
    &["get", "mget", "getset", "getdel", "getex", "hget", "hmget", "hgetall", "lrange", "smembers"];

impl Default for Config {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self { keep: 4, write: names(WRITE), read: names(READ) }
    }
}

struct CardMask {
    keep: usize,
    write: CommandSet,
    read: CommandSet,
    masked_written: Counter,
    masked_read: Counter,
}

/// The only reason to watch a response.
const READING: u64 = 1;

impl Transform for CardMask {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let Config { keep, write, read } = config;
        if keep > MOST_KEPT {
            return Err(format!("keep: found {keep}, expected a whole number from 0 to {MOST_KEPT}"));
        }
        log::info!("masking card numbers, keeping the last {keep} digits");
        let counter = |direction| Counter::new("card_numbers_masked_total", &[("direction", direction)]);
        Ok(Self {
            keep,
            write: CommandSet::parse(&write)?,
            read: CommandSet::parse(&read)?,
            masked_written: counter("written")?,
            masked_read: counter("read")?,
        })
    }

    fn interest(&self) -> Interest {
        Interest::in_commands(self.write.names().chain(self.read.names())).key_positions()
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        if self.write.contains(request.command()) {
            self.mask_arguments(request, verdict);
        }
        if self.read.contains(request.command()) {
            verdict.watch(READING);
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        let mut masked = 0;
        change.map_strings(response, |_, text| card::mask(text, self.keep, &mut masked));
        if masked > 0 {
            self.masked_read.add(masked);
        }
    }
}

impl CardMask {
    /// Arguments without card numbers are kept: they are not copied out of the sandbox.
    fn mask_arguments(&self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let mut masked = 0;
        let new: Vec<_> = request
            .args()
            .map(|arg| match arg.bytes() {
                Some(value) if arg.position() > 0 && !arg.is_key() => card::mask(value, self.keep, &mut masked),
                _ => None,
            })
            .collect();
        if masked == 0 {
            return;
        }
        self.masked_written.add(masked);
        let mut rewrite = verdict.rewrite();
        for (arg, new) in request.args().zip(new) {
            match new {
                Some(value) => rewrite.push(value),
                None => rewrite.keep(&arg),
            };
        }
    }
}

sluice_plugin::transform!(CardMask);
