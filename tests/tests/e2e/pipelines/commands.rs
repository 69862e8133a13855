//! Random commands on the keys of one client.

use rand::Rng;
use rand::rngs::SmallRng;
use sluice_tests::request;

/// How two replies to the same request are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Byte for byte.
    Exactly,
    /// As arrays whose order the server chooses.
    AnyOrder,
    /// By their first byte: they tell of the connection itself.
    Begins,
    /// There is no reply.
    Silent,
}

/// One request, and how its reply is compared.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) bytes: Vec<u8>,
    pub(super) compare: Compare,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(120)];
        write!(f, "\"{}\"({} bytes)", shown.escape_ascii(), self.bytes.len())
    }
}

/// One shape of command. `K`, `L`, `H`, `S` and `Z` become keys of that kind (or, now and then, of another kind, for the error),
/// `V` a value, `I` a small number, `P` the pattern of all keys of the client.
struct Shape(&'static str, Compare);

/// How often a key is of the wrong kind, in percent.
const WRONG_KIND: u32 = 4;

const ORDINARY: &[Shape] = &[
    Shape("PING", Compare::Exactly),
    Shape("PING V", Compare::Exactly),
    Shape("ECHO V", Compare::Exactly),
    Shape("SET K V", Compare::Exactly),
    Shape("SET K V", Compare::Exactly),
    Shape("SET K V XX GET", Compare::Exactly),
    Shape("SETNX K V", Compare::Exactly),
    Shape("GET K", Compare::Exactly),
    Shape("GET K", Compare::Exactly),
    Shape("GET K", Compare::Exactly),
    Shape("GETDEL K", Compare::Exactly),
    Shape("APPEND K V", Compare::Exactly),
    Shape("STRLEN K", Compare::Exactly),
    Shape("GETRANGE K 0 I", Compare::Exactly),
    Shape("SETRANGE K I V", Compare::Exactly),
    Shape("MGET K K K L", Compare::Exactly),
    Shape("MSET K V K V", Compare::Exactly),
    Shape("DEL K L", Compare::Exactly),
    Shape("EXISTS K K H", Compare::Exactly),
    Shape("TYPE K", Compare::Exactly),
    Shape("RENAME K K", Compare::Exactly),
    Shape("COPY K K REPLACE", Compare::Exactly),
    Shape("INCR N", Compare::Exactly),
    Shape("INCRBY N I", Compare::Exactly),
    Shape("INCR K", Compare::Exactly),
    Shape("DECRBY N I", Compare::Exactly),
    Shape("EXPIREAT K 4102444800", Compare::Exactly),
    Shape("EXPIRETIME K", Compare::Exactly),
    Shape("PERSIST K", Compare::Exactly),
    Shape("OBJECT ENCODING N", Compare::Exactly),
    Shape("LPUSH L V", Compare::Exactly),
    Shape("RPUSH L V V V", Compare::Exactly),
    Shape("LPOP L", Compare::Exactly),
    Shape("RPOP L I", Compare::Exactly),
    Shape("LRANGE L 0 -1", Compare::Exactly),
    Shape("LRANGE L 5 1", Compare::Exactly),
    Shape("LLEN L", Compare::Exactly),
    Shape("LMPOP 2 L L LEFT COUNT I", Compare::Exactly),
    Shape("LMOVE L L LEFT RIGHT", Compare::Exactly),
    Shape("HSET H f V g V", Compare::Exactly),
    Shape("HSET H V V", Compare::Exactly),
    Shape("HGET H f", Compare::Exactly),
    Shape("HMGET H f missing g", Compare::Exactly),
    Shape("HDEL H f", Compare::Exactly),
    Shape("HGETALL H", Compare::AnyOrder),
    Shape("SADD S V V", Compare::Exactly),
    Shape("SADD S a b c", Compare::Exactly),
    Shape("SREM S a", Compare::Exactly),
    Shape("SMEMBERS S", Compare::AnyOrder),
    Shape("SINTER S S", Compare::AnyOrder),
    Shape("SINTERCARD 2 S S", Compare::Exactly),
    Shape("SORT S ALPHA", Compare::Exactly),
    Shape("ZADD Z 1 a 2.5 b I V", Compare::Exactly),
    Shape("ZRANGE Z 0 -1 WITHSCORES", Compare::Exactly),
    Shape("ZUNION 2 Z Z WITHSCORES", Compare::Exactly),
    Shape("ZMPOP 1 Z MIN", Compare::Exactly),
    Shape("KEYS P", Compare::AnyOrder),
    Shape("EVAL return{1,'x',{redis.call('get',KEYS[1])},redis.status_reply('fine')} 1 K", Compare::Exactly),
    Shape("EVAL return{err='MINE'} 0", Compare::Exactly),
    Shape("EVALSHA ffffffffffffffffffffffffffffffffffffffff 1 K", Compare::Exactly),
    Shape("PUBLISH nobody V", Compare::Exactly),
    Shape("COMMAND COUNT", Compare::Exactly),
    Shape("CLIENT GETNAME", Compare::Exactly),
    Shape("PUBSUB CHANNELS none*", Compare::Exactly),
    // Errors of every sort.
    Shape("GET", Compare::Exactly),
    Shape("SET K", Compare::Exactly),
    Shape("SET K V NX XX", Compare::Exactly),
    Shape("NOSUCHCOMMAND V", Compare::Exactly),
    Shape("OBJECT NOSUCH K", Compare::Exactly),
    Shape("CONFIG", Compare::Exactly),
    Shape("LMPOP 0 L LEFT", Compare::Exactly),
    Shape("EVAL return 1", Compare::Exactly),
    Shape("EVAL x 7 K", Compare::Exactly),
];

/// Commands after which a session has a connection of its own: rarer, so that most sessions keep sharing theirs.
const PRIVATE: &[&[Shape]] = &[
    &[
        Shape("MULTI", Compare::Exactly),
        Shape("SET K V", Compare::Exactly),
        Shape("INCR N", Compare::Exactly),
        Shape("GET K", Compare::Exactly),
        Shape("LRANGE L 0 -1", Compare::Exactly),
        Shape("EXEC", Compare::Exactly),
    ],
    &[
        Shape("MULTI", Compare::Exactly),
        Shape("SET K", Compare::Exactly),
        Shape("SET K V", Compare::Exactly),
        Shape("EXEC", Compare::Exactly),
    ],
    &[Shape("MULTI", Compare::Exactly), Shape("DEL K", Compare::Exactly), Shape("DISCARD", Compare::Exactly)],
    &[Shape("WATCH K", Compare::Exactly), Shape("UNWATCH", Compare::Exactly)],
    &[
        Shape("RPUSH Q a b", Compare::Exactly),
        Shape("BLPOP Q Q 0", Compare::Exactly),
        Shape("BRPOP Q 0", Compare::Exactly),
    ],
    &[Shape("SELECT 1", Compare::Exactly), Shape("GET K", Compare::Exactly), Shape("SELECT 0", Compare::Exactly)],
    &[Shape("HELLO 2", Compare::Begins), Shape("SELECT 99", Compare::Exactly)],
    &[
        Shape("CLIENT REPLY SKIP", Compare::Silent),
        Shape("SET K V", Compare::Silent),
        Shape("CLIENT REPLY OFF", Compare::Silent),
        Shape("INCR N", Compare::Silent),
        Shape("CLIENT REPLY ON", Compare::Exactly),
    ],
    &[Shape("EXEC", Compare::Exactly), Shape("DISCARD", Compare::Exactly), Shape("AUTH wrong wrong", Compare::Exactly)],
];

/// The requests of one client whose keys begin with `name`.
pub(super) fn generate(random: &mut SmallRng, name: &str, count: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    // Half of the clients never leave the shared connections.
    let may_go_private = random.random_bool(0.5);
    while steps.len() < count {
        if may_go_private && random.random_ratio(1, 30) {
            let sequence = PRIVATE[random.random_range(0..PRIVATE.len())];
            steps.extend(sequence.iter().map(|shape| array(random, name, shape)));
        } else {
            steps.push(match random.random_range(0..40) {
                0 => silence(random),
                1 | 2 => typed(random, name),
                _ => {
                    let shape = &ORDINARY[random.random_range(0..ORDINARY.len())];
                    array(random, name, shape)
                }
            });
        }
    }
    steps
}

fn array(random: &mut SmallRng, name: &str, shape: &Shape) -> Step {
    let Shape(words, compare) = *shape;
    let args: Vec<Vec<u8>> = words.split(' ').map(|word| argument(random, name, word)).collect();
    Step { bytes: request(&args), compare }
}

fn argument(random: &mut SmallRng, name: &str, word: &str) -> Vec<u8> {
    match word {
        // Always the same one: what was pushed is there to be popped.
        "Q" => format!("{name}:Q").into_bytes(),
        "K" | "L" | "H" | "S" | "Z" | "N" => {
            let wrong = random.random_ratio(WRONG_KIND, 100);
            let kind = if wrong { ["K", "L", "H", "S", "Z"][random.random_range(0..5)] } else { word };
            format!("{name}:{kind}{}", random.random_range(0..4)).into_bytes()
        }
        "P" => format!("{name}:*").into_bytes(),
        "I" => random.random_range(0..50).to_string().into_bytes(),
        "V" => value(random),
        word => word.as_bytes().to_vec(),
    }
}

/// Mostly short, sometimes empty, rarely larger than any buffer; any bytes.
fn value(random: &mut SmallRng) -> Vec<u8> {
    let length = match random.random_range(0..100) {
        0 => 0,
        1..=80 => random.random_range(1..40),
        81..=97 => random.random_range(40..3000),
        98 => random.random_range(3000..70_000),
        _ => random.random_range(70_000..400_000),
    };
    (0..length).map(|_| random.random()).collect()
}

/// What a server skips without a word.
fn silence(random: &mut SmallRng) -> Step {
    let bytes = [b"*0\r\n".as_slice(), b"*-1\r\n", b"\r\n"][random.random_range(0..3)];
    Step { bytes: bytes.to_vec(), compare: Compare::Silent }
}

/// A command as a person types it into a terminal.
fn typed(random: &mut SmallRng, name: &str) -> Step {
    let line = [
        format!("GET {name}:K1\r\n"),
        format!("  SET   {name}:K1 \"quoted \\x00\\r\\n\\\" value\"\n"),
        format!("RPUSH {name}:L1 'single \\' quote' plain\r\n"),
        "ECHO \"\"\r\n".to_owned(),
        "nosuchcommand typed\r\n".to_owned(),
    ];
    Step { bytes: line[random.random_range(0..line.len())].clone().into_bytes(), compare: Compare::Exactly }
}
