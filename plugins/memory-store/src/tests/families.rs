//! Each family of commands at its plainest, for people to read.

use super::{said, store};

fn check(lines: &[(&str, &str)]) {
    let mut store = store();
    for (line, reply) in lines {
        assert_eq!(said(&mut store, *line), *reply, "{line}");
    }
}

#[test]
fn strings_are_set_read_and_changed() {
    check(&[
        ("SET k hello", "OK"),
        ("GET k", "hello"),
        ("SET k other NX GET", "hello"),
        ("APPEND k !", "6"),
        ("SETRANGE k 7 x", "8"),
        ("GETRANGE k 4 -1", r"o!\x00x"),
        ("GETDEL k", r"hello!\x00x"),
        ("MSET a 1 b 2", "OK"),
        ("MGET a k b", "[1 (nil) 2]"),
        ("MSETNX c 3 a 4", "0"),
        ("EXISTS c", "0"),
    ]);
}

#[test]
fn counters_count() {
    check(&[
        ("INCR k", "1"),
        ("INCRBY k 9", "10"),
        ("DECRBY k 4", "6"),
        ("INCRBYFLOAT k 0.1", "6.1"),
        ("INCRBYFLOAT k 0.2", "6.3"),
        ("INCR k", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn hashes_hold_fields() {
    check(&[
        ("HSET h a 1 b 2", "2"),
        ("HSET h a 3 c 4", "1"),
        ("HGETALL h", "{a=3 b=2 c=4}"),
        ("HMGET h c none a", "[4 (nil) 3]"),
        ("HINCRBY h a 4", "7"),
        ("HINCRBYFLOAT h a 0.5", "7.5"),
        ("HDEL h a b none", "2"),
        ("HLEN h", "1"),
        ("HDEL h c", "1"),
        ("TYPE h", "none"),
    ]);
}

#[test]
fn lists_have_two_ends() {
    check(&[
        ("RPUSH l b c", "2"),
        ("LPUSH l a z", "4"),
        ("LRANGE l 0 -1", "[z a b c]"),
        ("LPOP l", "z"),
        ("RPOP l 2", "[c b]"),
        ("LMOVE l m LEFT RIGHT", "a"),
        ("EXISTS l", "0"),
        ("RPUSH m b a", "3"),
        ("LINSERT m AFTER b x", "4"),
        ("LPOS m a RANK -1", "3"),
        ("LREM m -1 a", "1"),
        ("LSET m -1 y", "OK"),
        ("LTRIM m 1 -1", "OK"),
        ("LRANGE m 0 -1", "[b y]"),
    ]);
}

#[test]
fn sets_have_each_member_once() {
    check(&[
        ("SADD s a b a c", "3"),
        ("SADD t c d", "2"),
        ("SMISMEMBER s a d", "[1 0]"),
        ("SINTER s t", "{c}"),
        ("SDIFF s t", "{a b}"),
        ("SUNIONSTORE u s t", "4"),
        ("SMOVE s t a", "1"),
        ("SMEMBERS t", "{c d a}"),
        ("SREM s b c", "2"),
        ("EXISTS s", "0"),
    ]);
}

#[test]
fn a_command_is_told_by_its_name_its_arguments_and_what_its_key_holds() {
    check(&[
        ("nosuch a b", r"-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command"),
        ("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."),
        ("SADD s a", "1"),
        ("GET s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ]);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for line in ["MULTI", "EXEC", "WATCH k", "SUBSCRIBE c", "BLPOP k 0", "ZADD z 1 a", "EVAL x 0", "CONFIG SET a b"] {
        let name = if line.starts_with("CONFIG") {
            "config|set".into()
        } else {
            line.split(' ').next().unwrap().to_lowercase()
        };
        assert_eq!(said(&mut store(), line), format!("-ERR MemoryStore does not support '{name}'"));
    }
}
