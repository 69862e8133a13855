#![allow(clippy::unwrap_used)]

use super::key_positions;
use crate::{CommandId, table};

fn keys(request: &str) -> Vec<u32> {
    let args: Vec<&str> = request.split(' ').collect();
    let id = crate::lookup(args[0].as_bytes(), || args.get(1).map(|arg| arg.as_bytes()));
    let mut out = vec![42];
    key_positions(id, &args, &mut out);
    out
}

#[test]
fn keys_are_found_by_index_keyword_and_number() {
    assert_eq!(keys("GET k"), [1]);
    assert_eq!(keys("MSET a 1 b 2"), [1, 3]);
    assert_eq!(keys("BLPOP a b 0"), [1, 2]);
    assert_eq!(keys("EVAL script 2 a b arg"), [3, 4]);
    assert_eq!(keys("ZUNIONSTORE d 2 a b WEIGHTS 1 2"), [1, 3, 4]);
    assert_eq!(keys("XREAD COUNT 1 STREAMS a b 0 0"), [4, 5]);
    assert_eq!(keys("OBJECT ENCODING k"), [2]);
    assert_eq!(keys("MSETEX 2 a 1 b 2 EX 10"), [2, 4]);
    assert_eq!(keys("STRALGO LCS LEN KEYS a b"), [4, 5]);
    assert_eq!(keys("XREADGROUP GROUP g c CLAIM 10 STREAMS a >"), [7]);
    assert_eq!(keys("PING"), []);
    assert_eq!(keys("SPUBLISH channel message"), []);
}

#[test]
fn an_unknown_command_has_no_known_keys() {
    assert_eq!(keys("NONSENSE a b"), []);
    let mut out = vec![1];
    key_positions(CommandId::UNKNOWN, &vec!["get", "k"], &mut out);
    assert!(out.is_empty());
}

#[test]
fn a_request_that_is_too_short_has_the_keys_that_it_has() {
    assert_eq!(keys("GET"), []);
    assert_eq!(keys("GET k extra"), [1]);
    assert_eq!(keys("RENAME a"), []);
    assert_eq!(keys("MSET a"), [1]);
    assert_eq!(keys("BLPOP a"), []);
    assert_eq!(keys("SORT"), []);
    assert_eq!(keys("GEORADIUS"), []);
    assert_eq!(keys("MIGRATE host 6379"), []);
}

#[test]
fn streams_without_an_id_each_are_no_keys() {
    assert_eq!(keys("XREAD STREAMS a b 0"), []);
    assert_eq!(keys("XREAD COUNT 1 a 0"), []);
}

#[test]
fn a_number_of_keys_that_is_none_gives_none() {
    for number in ["0", "-1", "3", "x", "", "+1", "01", " 1", "1 ", "9223372036854775807", "99999999999999999999999"] {
        let mut out = vec![42];
        key_positions(table().by_name("eval").unwrap(), &vec!["EVAL", "script", number, "a", "b"], &mut out);
        assert!(out.is_empty(), "{number:?}: {out:?}");
    }
}

/// Every command with up to seven arguments of the worst kind: no panic, and only positions of the request, rising.
#[test]
fn no_request_is_bad_enough_to_point_outside_itself() {
    const WORDS: &[&str] = &["store", "STREAMS", "keys", "", "-1", "2", "18446744073709551615", "get"];
    let mut out = Vec::new();
    for index in 0..table().commands().len() as u16 {
        let id = CommandId::from_index(index).unwrap();
        for seed in 0..512_usize {
            for count in 0..=8 {
                let args: Vec<&str> = (0..count).map(|at| WORDS[(seed >> at) % WORDS.len()]).collect();
                key_positions(id, &args, &mut out);
                assert!(out.is_sorted_by(|a, b| a < b), "{id:?} {args:?}: {out:?}");
                assert!(
                    out.iter().all(|&position| 0 < position && (position as usize) < count),
                    "{id:?} {args:?}: {out:?}"
                );
            }
        }
    }
}
