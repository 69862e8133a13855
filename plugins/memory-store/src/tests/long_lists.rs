//! Long lists: they are kept in segments, which nobody may notice.

use std::collections::{BTreeSet, VecDeque};

use sluice_plugin::{Reply, random, state};

use super::{Store, ask, said, shown, store};

fn segments() -> usize {
    state::keys(b"s", None, 1000).len()
}

/// Elements of half a KiB, so that a segment has a handful.
fn element(n: u64) -> String {
    format!("{n}:{}", "x".repeat(500))
}

fn contents(store: &mut Store) -> Vec<String> {
    let Reply::Array(elements) = ask(store, "LRANGE l 0 -1") else { panic!("no list") };
    elements.iter().map(shown).collect()
}

fn filled(count: u64) -> (Store, VecDeque<String>) {
    let mut store = store();
    let all: VecDeque<String> = (0..count).map(element).collect();
    all.iter().for_each(|element| drop(ask(&mut store, ["RPUSH", "l", element])));
    assert!(segments() > 5, "this is about lists with segments");
    (store, all)
}

#[test]
fn a_long_list_is_the_list_that_it_would_be_in_one_piece() {
    let mut store = store();
    store.state_limit(16 << 20);
    let mut model = VecDeque::new();
    let mut most = 0;
    for step in 0..6000 {
        // The list grows, shrinks to nothing, and grows again.
        let grows = (step / 1000) % 2 == 0;
        let choice = random::bits() % 10;
        let count = 1 + random::bits() % 3;
        if (choice < 7) == grows {
            for _ in 0..count {
                let new = element(step);
                if choice.is_multiple_of(2) {
                    model.push_front(new.clone());
                    ask(&mut store, ["LPUSH", "l", &new]);
                } else {
                    model.push_back(new.clone());
                    ask(&mut store, ["RPUSH", "l", &new]);
                }
            }
        } else {
            let (end, popped): (_, Vec<String>) = if choice.is_multiple_of(2) {
                ("LPOP", (0..count).map_while(|_| model.pop_front()).collect())
            } else {
                ("RPOP", (0..count).map_while(|_| model.pop_back()).collect())
            };
            let found = said(&mut store, [end, "l", &count.to_string()]);
            let expected = if popped.is_empty() { "(nil)".into() } else { format!("[{}]", popped.join(" ")) };
            assert_eq!(found, expected, "step {step}");
        }
        if let Some(element) = model.pop_back() {
            model.push_front(element.clone());
            assert_eq!(said(&mut store, "LMOVE l l RIGHT LEFT"), element);
        }
        assert_eq!(said(&mut store, "LLEN l"), model.len().to_string());
        if step % 97 == 0 {
            assert_eq!(contents(&mut store), Vec::from_iter(model.clone()), "step {step}");
        }
        most = most.max(segments());
    }
    assert!(most > 50, "this is about lists with segments: {most}");
    ask(&mut store, "DEL l");
    assert_eq!(segments(), 0);
}

#[test]
fn parts_of_a_long_list_are_found_wherever_they_are() {
    let (mut store, all) = filled(100);
    for (start, end) in [(0, 0), (5, 70), (-3, -1), (99, 200), (40, 41), (0, -1), (90, 10)] {
        let from = |at: i32| if at < 0 { 100 + at } else { at } as usize;
        let expected: Vec<_> = (from(start)..=from(end).min(99)).map(|at| all[at].clone()).collect();
        let line = format!("LRANGE l {start} {end}");
        assert_eq!(said(&mut store, line.as_str()), format!("[{}]", expected.join(" ")), "{line}");
    }
    for at in [0, 1, 50, 98, 99] {
        assert_eq!(said(&mut store, format!("LINDEX l {at}").as_str()), all[at]);
        assert_eq!(said(&mut store, format!("LPOS l {}", all[at]).as_str()), at.to_string());
    }
    assert_eq!(said(&mut store, "LINDEX l 100"), "(nil)");
}

#[test]
fn what_changes_a_long_list_as_a_whole_changes_all_of_it_and_leaves_no_segment_behind() {
    type Change = fn(&mut VecDeque<String>);
    let changes: [(&str, Change); 4] = [
        ("LSET l 50 new", |all| all[50] = "new".into()),
        ("LTRIM l 10 89", |all| *all = all.drain(10..90).collect()),
        ("LREM l 1 x", |_| ()),
        ("PEXPIRE l 100000", |_| ()),
    ];
    for (line, change) in changes {
        let (mut store, mut all) = filled(100);
        assert!(!said(&mut store, line).starts_with('-'), "{line}");
        change(&mut all);
        assert_eq!(contents(&mut store), Vec::from_iter(all), "{line}");
        ask(&mut store, "LTRIM l 0 0");
        assert_eq!(segments(), 0, "{line}");
    }
}

#[test]
fn no_segment_outlives_its_list() {
    let ends = [
        "DEL l",
        "SET l x",
        "MSET l x",
        "SETEX l 10 x",
        "SINTERSTORE l none",
        "FLUSHALL",
        "RENAME short l",
        "COPY short l REPLACE",
        "EXPIRE l 0",
        "LTRIM l 1 0",
        "LPOP l 1000",
    ];
    for end in ends {
        let (mut store, _) = filled(60);
        ask(&mut store, "RPUSH short a");
        assert!(!said(&mut store, end).starts_with('-'), "{end}");
        assert_eq!(segments(), 0, "{end}");
    }
    let (mut store, all) = filled(60);
    ask(&mut store, "RENAME l other");
    ask(&mut store, "RENAME other l");
    assert_eq!(contents(&mut store), Vec::from(all));
}

#[test]
fn a_flush_removes_what_a_stopped_instance_has_left_behind() {
    let (mut store, _) = filled(60);
    state::delete(b"kl");
    assert!(segments() > 5 && said(&mut store, "EXISTS l") == "0");
    ask(&mut store, "FLUSHDB");
    assert_eq!(segments(), 0);
}

#[test]
fn a_list_that_has_lost_a_segment_is_gone_and_holds_nobody_up() {
    let (mut store, _) = filled(60);
    for segment in state::keys(b"s", None, 2) {
        state::delete(&segment);
    }
    for (line, reply) in [("LRANGE l 0 -1", "[]"), ("LPOS l x", "(nil)"), ("LPOP l 1000", "(nil)"), ("PERSIST l", "0")]
    {
        assert_eq!(said(&mut store, line), reply, "{line}");
    }
    ask(&mut store, "DEL l");
    assert_eq!(said(&mut store, "RPUSH l a"), "1");
}

#[test]
fn a_long_list_expires_with_all_its_segments() {
    let (mut store, all) = filled(60);
    ask(&mut store, "PEXPIRE l 10000");
    for n in 0..60 {
        ask(&mut store, ["RPUSH", "l", &element(n)]);
    }
    assert_eq!(said(&mut store, "PTTL l"), "10000");
    store.advance(std::time::Duration::from_millis(9_999));
    assert_eq!(contents(&mut store).len(), 120);
    store.advance(std::time::Duration::from_millis(1));
    assert_eq!(said(&mut store, "EXISTS l"), "0");
    store.advance(std::time::Duration::from_secs(1));
    assert_eq!(segments(), 0);
    drop(all);

    let (mut store, all) = filled(60);
    ask(&mut store, "PEXPIRE l 10000");
    ask(&mut store, "PERSIST l");
    store.advance(std::time::Duration::from_secs(100));
    assert_eq!(contents(&mut store), Vec::from(all));
}

#[test]
fn a_long_list_is_no_key_more_and_no_other_type() {
    let (mut store, _) = filled(60);
    for (line, reply) in [
        ("DBSIZE", "1"),
        ("KEYS *", "[l]"),
        ("SCAN 0", "[0 [l]]"),
        ("SCAN 0 TYPE list", "[0 [l]]"),
        ("TYPE l", "list"),
        ("EXISTS l", "1"),
        ("GET l", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("SADD l a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("LPUSHX l a", "61"),
    ] {
        assert_eq!(said(&mut store, line), reply, "{line}");
    }
}

#[test]
fn a_push_that_there_is_no_room_for_leaves_no_segment_behind() {
    let mut store = store();
    store.state_limit(40_000);
    let mut pushed = 0;
    while said(&mut store, ["RPUSH", "l", &element(pushed)]) == (pushed + 1).to_string() {
        pushed += 1;
    }
    let named: BTreeSet<_> = state::keys(b"s", None, 1000).into_iter().collect();
    assert!(pushed > 40 && said(&mut store, "LLEN l") == pushed.to_string());
    assert!(said(&mut store, ["RPUSH", "l", &element(0)]).starts_with("-OOM"));
    assert_eq!(state::keys(b"s", None, 1000).into_iter().collect::<BTreeSet<_>>(), named);
    assert_eq!(contents(&mut store), (0..pushed).map(element).collect::<Vec<_>>());
}
