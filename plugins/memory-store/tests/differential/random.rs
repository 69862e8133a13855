//! Random requests, from templates: mostly right, now and then not.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// A template is words: those in capitals stand for themselves, `[a|b:c]` for nothing, `a`, or `b` and `c`; `x+` for one to four of what `x`
/// stands for; and single small letters for one of the words in [`POOLS`].
const TEMPLATES: &[&str] = &[
    "GET k",
    "SET k v",
    "SET k v [NX|XX] [GET] [KEEPTTL|EX:e|PX:e|EXAT:t|PXAT:t]",
    "SET k v [EX:e] [XX|NX|GET]",
    "SETNX k v",
    "SETEX k e v",
    "PSETEX k e v",
    "GETSET k v",
    "GETDEL k",
    "GETEX k [EX:e|PX:e|EXAT:t|PERSIST|NX]",
    "APPEND k v",
    "STRLEN k",
    "GETRANGE k i i",
    "SUBSTR k i i",
    "SETRANGE k o v",
    "INCR k",
    "DECR k",
    "INCRBY k i",
    "DECRBY k i",
    "INCRBYFLOAT k x",
    "MGET k+",
    "MSET k v",
    "MSET k v k v",
    "MSET k v k",
    "MSETNX k v",
    "MSETNX k v k v",
    "EXPIRE k e [NX|XX]",
    "PEXPIRE k e [NX|XX]",
    "EXPIREAT k t [NX|XX|GT|LT] [GT|LT|XX|NX]",
    "PEXPIREAT k t [GT|LT]",
    "TTL k",
    "PTTL k",
    "EXPIRETIME k",
    "PEXPIRETIME k",
    "PERSIST k",
    "DEL k+",
    "UNLINK k",
    "EXISTS k+",
    "TOUCH k+",
    "TYPE k",
    "KEYS p",
    "SCAN 0 COUNT 1000 [MATCH:p] [TYPE:y]",
    "RANDOMKEY",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k [REPLACE|DB:0|DB:1]",
    "HSET k f v",
    "HSET k f v f v",
    "HMSET k f v f v",
    "HSET k f v f",
    "HSETNX k f v",
    "HGET k f",
    "HMGET k f+",
    "HGETALL k",
    "HDEL k f+",
    "HEXISTS k f",
    "HLEN k",
    "HKEYS k",
    "HVALS k",
    "HINCRBY k f i",
    "HINCRBYFLOAT k f x",
    "HSTRLEN k f",
    "HSCAN k 0 [MATCH:p|COUNT:100|TYPE:hash]",
    "LPUSH k v+",
    "RPUSH k v+",
    "LPUSHX k v",
    "RPUSHX k v+",
    "LPOP k [i]",
    "RPOP k [i]",
    "LLEN k",
    "LRANGE k i i",
    "LINDEX k i",
    "LSET k i v",
    "LREM k i v",
    "LTRIM k i i",
    "LINSERT k [BEFORE|AFTER] v v",
    "LPOS k v [RANK:r] [COUNT:i] [MAXLEN:i]",
    "RPOPLPUSH k k",
    "LMOVE k k [LEFT|RIGHT] [LEFT|RIGHT]",
    "SADD k v+",
    "SREM k v+",
    "SMEMBERS k",
    "SISMEMBER k v",
    "SMISMEMBER k v+",
    "SCARD k",
    "SPOP k 1000",
    "SPOP k 0",
    "SRANDMEMBER k [i]",
    "SINTER k+",
    "SUNION k+",
    "SDIFF k+",
    "SINTERSTORE k k+",
    "SUNIONSTORE k k+",
    "SDIFFSTORE k k+",
    "SMOVE k k v",
    "SSCAN k 0 [MATCH:p|COUNT:100]",
    "PING [v]",
    "ECHO v",
];

const LONG_LISTS: &[&str] = &[
    "RPUSH l w+",
    "LPUSH l w+",
    "RPUSH l w+",
    "LPUSH l w+",
    "RPUSHX l w",
    "LPOP l",
    "RPOP l",
    "LPOP l n",
    "RPOP l n",
    "LLEN l",
    "LRANGE l n n",
    "LINDEX l n",
    "LRANGE l 0 -1",
    "RPOPLPUSH l l",
    "LMOVE l l LEFT RIGHT",
    "LMOVE l l LEFT LEFT",
    "LSET l n w",
    "LREM l i w",
    "LINSERT l BEFORE w w",
    "LPOS l w",
    "LTRIM l 2 -2",
    "LTRIM l n n",
    "RENAME l l",
    "COPY l l REPLACE",
    "EXPIRE l e",
    "PERSIST l",
    "TYPE l",
    "DEL l",
    "SET l v",
];

const POOLS: &[(&str, &[&[u8]])] = &[
    ("k", &[b"a", b"b", b"c", b"d", b"key:1", b"key:2", b""]),
    ("v", &[b"", b"x", b"hello", b"10", b"-3", b"0", b"2.5", b"\xff\x00\r\n", b"a b", b"007"]),
    ("f", &[b"f", b"g", b"h", b"", b"12"]),
    (
        "i",
        &[
            b"0",
            b"1",
            b"2",
            b"3",
            b"7",
            b"100",
            b"-1",
            b"-2",
            b"-3",
            b"-100",
            b"x",
            b"",
            b"1.5",
            b"9223372036854775807",
            b"-9223372036854775808",
        ],
    ),
    ("r", &[b"1", b"2", b"-1", b"-2", b"0", b"x"]),
    ("o", &[b"0", b"1", b"5", b"20", b"-1", b"x", b"536870912"]),
    ("x", &[b"0.5", b"-1.25", b"3.0e3", b"10", b"-2", b"x", b"", b"nan", b"inf"]),
    ("l", &[b"a", b"b"]),
    ("w", &[&[b'x'; 700], &[b'y'; 1500], &[b'z'; 3000], b"short", b""]),
    ("n", &[b"0", b"1", b"5", b"20", b"40", b"-1", b"-7", b"-30", b"x"]),
    ("e", &[b"100000", b"500000", b"9000000", b"0", b"-1", b"x", b"9223372036854775807"]),
    ("t", &[b"4000000000000", b"4000000000001", b"5000000000000", b"1", b"0", b"-7", b"x", b"9223372036854775807"]),
    ("p", &[b"*", b"k*", b"key:?", b"[ab]", b"[^a]", b"?", b"a", b"*:*", b"\\a", b""]),
    ("y", &[b"string", b"hash", b"LIST", b"set", b"zset", b"nosuch"]),
];

/// One in so many requests loses or gains an argument.
const SPOILT: u32 = 25;

/// A sequence of requests that a seed gives again.
pub(crate) struct Requests {
    templates: &'static [&'static str],
    random: SmallRng,
}

impl Requests {
    pub(crate) fn new(seed: u64) -> Self {
        Self { templates: TEMPLATES, random: SmallRng::seed_from_u64(seed) }
    }

    /// Of those that are about lists only, and make them long.
    pub(crate) fn of_long_lists(seed: u64) -> Self {
        Self { templates: LONG_LISTS, random: SmallRng::seed_from_u64(seed) }
    }

    pub(crate) fn next(&mut self) -> Vec<Vec<u8>> {
        let template = self.templates.choose(&mut self.random).unwrap();
        let mut line = Vec::new();
        template.split(' ').for_each(|word| self.put(word, &mut line));
        if self.random.random_ratio(1, SPOILT) {
            if self.random.random() && line.len() > 1 {
                line.pop();
            } else {
                self.put("v", &mut line);
            }
        }
        line
    }

    fn put(&mut self, word: &str, line: &mut Vec<Vec<u8>>) {
        if let Some(choices) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            if self.random.random_ratio(2, 3) {
                let choices: Vec<_> = choices.split('|').collect();
                choices.choose(&mut self.random).unwrap().split(':').for_each(|word| self.put(word, line));
            }
        } else if let Some(word) = word.strip_suffix('+') {
            (0..self.random.random_range(1..=4)).for_each(|_| self.put(word, line));
        } else if let Some((_, pool)) = POOLS.iter().find(|(name, _)| *name == word) {
            line.push(pool.choose(&mut self.random).unwrap().to_vec());
        } else {
            line.push(word.into());
        }
    }
}
