//! Clients with keys and values that nobody else knows.

use std::time::Duration;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_tests::{Client, Sluice, inline};

/// What a client asks. `K`, `L`, `H`, `Z` and `N` are keys of its own, `V` is a value that only it knows.
const SHAPES: &[&str] = &[
    "SET K V",
    "GET K",
    "GET K",
    "APPEND K V",
    "STRLEN K",
    "GETSET K V",
    "SET K V GET",
    "MSET K V N 5",
    "MGET K N L",
    "INCR N",
    "INCRBY N 1000",
    "INCR K",
    "RPUSH L V V",
    "LRANGE L 0 -1",
    "LPOP L",
    "LLEN K",
    "HSET H f V",
    "HGET H f",
    "HGETALL H",
    "ZADD Z 1 V",
    "ZRANGE Z 0 -1 WITHSCORES",
    "DEL K",
    "EXISTS K L H",
    "TYPE L",
    "ECHO V",
    "ECHO V",
    "PING V",
    "PING",
    "NOSUCHCOMMAND V",
    "GET",
    "EVAL return{1,ARGV[1]} 1 N V",
    "OBJECT ENCODING N",
    "CLIENT GETNAME",
    "ACL WHOAMI",
    "EXEC",
];

/// How many pieces a client sends, each when the one before is answered, and the most requests in one.
const PIECES: usize = 12;
const PIECE: usize = 5;

/// What one client sends, and gets when it is alone.
pub(super) struct Script {
    number: usize,
    pieces: Vec<(Vec<u8>, Vec<Bytes>)>,
}

impl Script {
    /// The script of a client, with the replies that it gets on a connection to a server of its own.
    pub(super) fn new(number: usize, alone: &mut Client) -> Self {
        let mut random = SmallRng::seed_from_u64(number as u64);
        let mut pieces: Vec<_> = (0..PIECES)
            .map(|_| {
                let count = random.random_range(1..=PIECE);
                let lines: Vec<String> = (0..count).map(|_| line(number, &mut random)).collect();
                (lines.iter().flat_map(|line| inline(line)).collect::<Vec<u8>>(), count)
            })
            .collect();
        pieces.push((inline(&format!("ECHO end-of-{number}")), 1));
        let pieces = pieces.into_iter().map(|(bytes, count)| {
            alone.send(&bytes);
            let replies = alone.replies(count);
            (bytes, replies)
        });
        Self { number, pieces: pieces.collect() }
    }

    /// How many replies it gets.
    pub(super) fn replies(&self) -> usize {
        self.pieces.iter().map(|(_, replies)| replies.len()).sum()
    }
}

fn line(number: usize, random: &mut SmallRng) -> String {
    let words = SHAPES[random.random_range(0..SHAPES.len())].split(' ').map(|word| match word {
        "K" | "L" | "H" | "Z" | "N" => key(number, word),
        "V" => format!("{number}-{:016x}", random.random::<u64>()),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The key of a client of the crowd.
pub(super) fn key(number: usize, kind: &str) -> String {
    format!("crowd:{number}:{kind}")
}

/// Lets the clients of these scripts run at once. Returns how many replies were right, and what was not.
pub(super) fn run(scripts: &[Script], proxy: &Sluice) -> (usize, Vec<String>) {
    let mut clients: Vec<Client> = scripts.iter().map(|_| proxy.client()).collect();
    let (mut right, mut differences) = (0, Vec::new());
    for at in 0..=PIECES {
        for (script, client) in scripts.iter().zip(&mut clients) {
            client.send(&script.pieces[at].0);
        }
        for (script, client) in scripts.iter().zip(&mut clients) {
            let (bytes, expected) = &script.pieces[at];
            for expected in expected {
                match client.try_reply() {
                    Ok(Some(reply)) if reply == expected => right += 1,
                    other => differences.push(format!(
                        "client {}: {other:?} instead of {expected:?}, to one of {}",
                        script.number,
                        bytes.escape_ascii()
                    )),
                }
            }
        }
        if !differences.is_empty() {
            return (right, differences);
        }
    }
    // Nothing that nobody asked for comes behind the last reply.
    for (script, client) in scripts.iter().zip(&mut clients) {
        if !client.silent_for(Duration::from_millis(1)) {
            differences.push(format!("client {}: something came behind its last reply", script.number));
        }
    }
    (right, differences)
}
