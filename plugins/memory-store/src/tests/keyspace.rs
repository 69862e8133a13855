//! Keys: how they expire, how they are gone through, and what there is no room for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ask, said, shown, store};
use sluice_plugin::Reply;

#[test]
fn a_key_vanishes_when_its_time_has_come() {
    for set in ["SET k v EX 10", "SETEX k 10 v", "PSETEX k 10000 v"] {
        let mut store = store();
        ask(&mut store, set);
        store.advance(Duration::from_millis(9_999));
        assert_eq!(said(&mut store, "PTTL k"), "1");
        assert_eq!(said(&mut store, "GET k"), "v");
        store.advance(Duration::from_millis(1));
        for (line, reply) in [("GET k", "(nil)"), ("TTL k", "-2"), ("EXISTS k", "0"), ("KEYS *", "[]"), ("DBSIZE", "0")]
        {
            assert_eq!(said(&mut store, line), reply, "{set}, {line}");
        }
        assert_eq!(said(&mut store, "SET k w NX"), "OK");
    }
}

#[test]
fn a_change_of_the_value_keeps_the_deadline_and_a_new_value_does_not() {
    let mut store = store();
    ask(&mut store, "SET k 1 PX 5000");
    for line in ["INCR k", "APPEND k 0", "INCRBYFLOAT k 1", "SETRANGE k 0 3", "SET k 7 KEEPTTL"] {
        ask(&mut store, line);
        assert_eq!(said(&mut store, "PTTL k"), "5000", "{line}");
    }
    ask(&mut store, "SET k 8");
    assert_eq!(said(&mut store, "PTTL k"), "-1");
    for (fill, change) in [("SADD c a", "SADD c b"), ("RPUSH c a", "LPUSH c b"), ("HSET c a 1", "HDEL c none")] {
        ask(&mut store, fill);
        ask(&mut store, "PEXPIRE c 7000");
        ask(&mut store, change);
        assert_eq!(said(&mut store, "PTTL c"), "7000", "{change}");
        ask(&mut store, "DEL c");
    }
}

/// Go through all keys, with requests that `each` may make in between; the keys as often as they came.
fn scanned(store: &mut super::Store, options: &str, mut each: impl FnMut(&mut super::Store)) -> Vec<String> {
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let line = format!("SCAN {cursor} {options}");
        let Reply::Array(parts) = ask(store, line.as_str()) else { panic!("{line}") };
        let [next, Reply::Array(keys)] = &parts[..] else { panic!("{line}") };
        found.extend(keys.iter().map(shown));
        cursor = shown(next);
        if cursor == "0" {
            return found;
        }
        each(store);
    }
}

fn fill(store: &mut super::Store, count: usize) -> BTreeSet<String> {
    (0..count)
        .map(|n| {
            let key = format!("key:{n}");
            ask(store, ["SET", &key, ""]);
            key
        })
        .collect()
}

#[test]
fn a_scan_gives_every_key_once() {
    let mut store = store();
    let all = fill(&mut store, 2345);
    for options in ["COUNT 37", "COUNT 100", "COUNT 1000", "COUNT 5000"] {
        let found = scanned(&mut store, options, |_| ());
        assert_eq!(found.len(), all.len(), "{options}");
        assert_eq!(BTreeSet::from_iter(found), all, "{options}");
    }
    ask(&mut store, "SADD other a");
    assert_eq!(scanned(&mut store, "TYPE set", |_| ()), ["other"]);
    assert_eq!(scanned(&mut store, "MATCH *234? COUNT 50", |_| ()).len(), 5);
}

#[test]
fn a_scan_that_goes_on_at_another_worker_leaves_nothing_out() {
    let mut first = store();
    let all = fill(&mut first, 100);
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    for requests in 0.. {
        assert!(requests < 20, "the scan does not end");
        // An instance that has never seen the cursor.
        let mut other = first.sibling().unwrap();
        let Reply::Array(parts) = ask(&mut other, ["SCAN", &cursor, "COUNT", "7"]) else { panic!() };
        let Reply::Array(keys) = &parts[1] else { panic!() };
        found.extend(keys.iter().map(shown));
        cursor = shown(&parts[0]);
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found, all);
}

#[test]
fn a_scan_ends_and_leaves_nothing_out_while_its_keys_are_removed() {
    let mut store = store();
    let all = fill(&mut store, 100);
    let mut other = store.sibling().unwrap();
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        // By turns, so that no cursor is remembered where it is used.
        std::mem::swap(&mut store, &mut other);
        let Reply::Array(parts) = ask(&mut store, ["SCAN", &cursor]) else { panic!() };
        let Reply::Array(keys) = &parts[1] else { panic!() };
        for key in keys.iter().map(shown) {
            ask(&mut store, ["DEL", &key]);
            found.insert(key);
        }
        cursor = shown(&parts[0]);
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found, all);
    assert_eq!(said(&mut store, "DBSIZE"), "0");
}

#[test]
fn every_key_can_be_the_random_one() {
    let mut store = store();
    let all = fill(&mut store, 5);
    let seen: BTreeSet<String> = (0..200).map(|_| said(&mut store, "RANDOMKEY")).collect();
    assert_eq!(seen, all);
}

#[test]
fn every_member_can_be_the_random_one() {
    let mut store = store();
    ask(&mut store, "SADD s a b c d");
    let seen: BTreeSet<String> = (0..200).map(|_| said(&mut store, "SRANDMEMBER s")).collect();
    assert_eq!(seen.len(), 4);
    let Reply::Set(popped) = ask(&mut store, "SPOP s 3") else { panic!() };
    let left = said(&mut store, "SMEMBERS s");
    assert!(popped.len() == 3 && popped.iter().all(|member| !left.contains(&shown(member))), "{popped:?} {left}");
}

#[test]
fn what_there_is_no_room_for_is_refused_and_changes_nothing() {
    const FULL: &str = "-OOM command not allowed when used memory > 'maxmemory'.";
    let mut store = store();
    store.state_limit(1000);
    let large = "x".repeat(900);
    ask(&mut store, ["SET", "k", &large]);
    ask(&mut store, "RPUSH l a");
    ask(&mut store, "SADD s a");
    for line in [
        ["SET", "other", &large],
        ["APPEND", "k", &large],
        ["RPUSH", "l", &large],
        ["SADD", "s", &large],
        ["MSET", "m", &large],
        ["GETSET", "m", &large],
    ] {
        assert_eq!(said(&mut store, line), FULL, "{}", line[0]);
    }
    assert_eq!(said(&mut store, "SETRANGE k2 100000 x"), FULL);
    assert_eq!(said(&mut store, ["HSET", "h", "f", &large]), FULL);
    assert_eq!(said(&mut store, "STRLEN k"), "900");
    assert_eq!(said(&mut store, "LRANGE l 0 -1"), "[a]");
    assert_eq!(said(&mut store, "DBSIZE"), "3");
    // What makes it smaller is done still.
    assert_eq!(said(&mut store, "DEL k"), "1");
    assert_eq!(said(&mut store, ["SET", "other", &large]), "OK");
}

#[test]
fn a_move_into_a_full_store_leaves_the_element_where_it_was() {
    let mut store = store();
    ask(&mut store, "RPUSH l a b");
    // A second list costs more than an element of the first one gives back.
    store.state_limit(2 + 4 + 4 + 1);
    let long = "x".repeat(100);
    assert!(said(&mut store, ["LMOVE", "l", &long, "LEFT", "RIGHT"]).starts_with("-OOM"));
    assert_eq!(said(&mut store, "LRANGE l 0 -1"), "[a b]");
}
