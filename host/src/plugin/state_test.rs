#![allow(clippy::unwrap_used)]

use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn map() -> StateMap {
    StateMap::new(1 << 20)
}

/// Until a key is gone; the test hangs, and so fails, if it never goes.
fn wait_for_expiry(map: &StateMap, key: &[u8]) {
    while map.get(key).is_some() {
        thread::yield_now();
    }
}

#[test]
fn what_was_set_is_there_until_it_is_deleted() {
    let map = map();
    assert_eq!(map.get(b"k"), None);
    map.set(b"k", b"v".to_vec(), None).unwrap();
    assert_eq!(map.get(b"k").unwrap(), b"v");
    assert_eq!(map.expires_in(b"k"), None);
    assert!(map.delete(b"k"));
    assert!(!map.delete(b"k"));
    assert_eq!(map.get(b"k"), None);
}

#[test]
fn an_expired_key_is_not_there_in_any_way() {
    let map = map();
    map.set(b"k", b"1".to_vec(), Some(20)).unwrap();
    assert!((1..=20).contains(&map.expires_in(b"k").unwrap()));
    wait_for_expiry(&map, b"k");
    assert_eq!(map.expires_in(b"k"), None);
    assert!(map.keys(b"", None, 10).is_empty());
    assert!(!map.delete(b"k"));
    map.set(b"k", b"1".to_vec(), Some(0)).unwrap();
    assert_eq!(map.get(b"k"), None);
    assert!(map.compare_and_swap(b"k", None, Some(b"2".to_vec()), None).unwrap());
    map.set(b"n", b"41".to_vec(), Some(0)).unwrap();
    assert_eq!(map.increment(b"n", 1, None).unwrap(), 1);
}

#[test]
fn setting_a_key_again_replaces_its_expiry() {
    let map = map();
    map.set(b"k", b"v".to_vec(), Some(60_000)).unwrap();
    map.set(b"k", b"v".to_vec(), None).unwrap();
    assert_eq!(map.expires_in(b"k"), None);
    map.set(b"k", b"v".to_vec(), Some(u64::MAX)).unwrap();
    assert_eq!(map.get(b"k").unwrap(), b"v");
}

#[test]
fn a_swap_happens_only_if_the_value_is_the_expected_one() {
    let map = map();
    assert!(!map.compare_and_swap(b"k", Some(b"a"), Some(b"b".to_vec()), None).unwrap());
    assert!(map.compare_and_swap(b"k", None, Some(b"a".to_vec()), None).unwrap());
    assert!(!map.compare_and_swap(b"k", None, Some(b"b".to_vec()), None).unwrap());
    assert!(map.compare_and_swap(b"k", Some(b"a"), Some(b"b".to_vec()), None).unwrap());
    assert_eq!(map.get(b"k").unwrap(), b"b");
    assert!(map.compare_and_swap(b"k", Some(b"b"), None, None).unwrap());
    assert_eq!(map.get(b"k"), None);
    assert!(map.compare_and_swap(b"k", None, None, None).unwrap());
}

#[test]
fn an_heir_has_the_same_entries_under_a_bound_of_its_own() {
    let map = map();
    map.set(b"k", vec![b'v'; 300], None).unwrap();
    let tight = map.heir(OVERHEAD);
    assert_eq!(tight.get(b"k").unwrap(), [b'v'; 300]);
    assert_eq!(tight.set(b"n", b"1".to_vec(), None), Err(Refusal::Full));
    map.set(b"n", b"1".to_vec(), None).unwrap();
    // There is more than it may have, and it adds nothing to that.
    assert_eq!(tight.increment(b"n", 1, None), Ok(2));
    tight.set(b"k", b"short".to_vec(), None).unwrap();
    assert_eq!(map.get(b"k").unwrap(), b"short");
    assert_eq!(tight.set(b"k", b"longer".to_vec(), None), Err(Refusal::Full));
    assert!(tight.delete(b"k") && map.get(b"k").is_none());
}

#[test]
fn an_increment_keeps_the_expiry_of_a_key_that_is_there() {
    let map = map();
    assert_eq!(map.increment(b"n", 5, Some(60_000)).unwrap(), 5);
    assert_eq!(map.increment(b"n", -7, None).unwrap(), -2);
    assert!(map.expires_in(b"n").is_some());
    assert_eq!(map.get(b"n").unwrap(), b"-2");
}

#[test]
fn what_is_no_number_is_not_incremented() {
    let map = map();
    for value in ["", "x", "1.5", " 1", "9223372036854775808"] {
        map.set(b"k", value.into(), None).unwrap();
        assert_eq!(map.increment(b"k", 1, None), Err(Refusal::NotANumber), "{value:?}");
        assert_eq!(map.get(b"k").unwrap(), value.as_bytes());
    }
    map.set(b"k", i64::MAX.to_string().into(), None).unwrap();
    assert_eq!(map.increment(b"k", 1, None), Err(Refusal::NotANumber));
}

#[test]
fn a_write_beyond_the_limit_is_refused_and_changes_nothing() {
    let map = StateMap::new(2 * (OVERHEAD + 10));
    map.set(b"a", vec![0; 9], None).unwrap();
    map.set(b"b", vec![0; 9], None).unwrap();
    assert_eq!(map.set(b"c", Vec::new(), None), Err(Refusal::Full));
    assert_eq!(map.set(b"a", vec![1; 10], None), Err(Refusal::Full));
    assert_eq!(map.increment(b"c", 1, None), Err(Refusal::Full));
    assert_eq!(map.compare_and_swap(b"a", Some(&[0; 9]), Some(vec![1; 10]), None), Err(Refusal::Full));
    assert_eq!(map.get(b"a").unwrap(), [0; 9]);
    assert_eq!(map.get(b"c"), None);
    map.set(b"a", vec![1; 9], None).unwrap();
    assert!(map.delete(b"b"));
    map.set(b"c", vec![1; 9], None).unwrap();
}

#[test]
fn expired_entries_make_room() {
    let map = StateMap::new(50 * (OVERHEAD + 2));
    for key in 0..50u8 {
        map.set(&[key], vec![0], Some(1)).unwrap();
    }
    wait_for_expiry(&map, &[49]);
    map.set(b"large", vec![0; 20 * OVERHEAD], None).unwrap();
    assert_eq!(map.lock().entries.len(), 1);
}

#[test]
fn keys_are_listed_in_order_by_prefix_and_in_pages() {
    let map = map();
    for key in ["b:2", "a", "b:1", "b:3", "c"] {
        map.set(key.as_bytes(), Vec::new(), None).unwrap();
    }
    assert_eq!(map.keys(b"b:", None, 10), [b"b:1", b"b:2", b"b:3"]);
    assert_eq!(map.keys(b"b:", None, 2), [b"b:1", b"b:2"]);
    assert_eq!(map.keys(b"b:", Some(b"b:2"), 2), [b"b:3"]);
    assert_eq!(map.keys(b"b:", Some(b"a"), 1), [b"b:1"]);
    assert!(map.keys(b"b:", Some(b"c"), 10).is_empty());
    assert_eq!(map.keys(b"", None, 10).len(), 5);
    assert!(map.keys(b"", None, 0).is_empty());
    for key in 0..2000u32 {
        map.set(&key.to_be_bytes(), Vec::new(), None).unwrap();
    }
    assert_eq!(map.keys(b"", None, u32::MAX).len(), LISTED);
}

#[test]
fn increments_from_many_threads_all_count() {
    let map = map();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| assert!(map.increment(b"n", 1, None).is_ok())));
        }
    });
    assert_eq!(map.get(b"n").unwrap(), b"4000");
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, usize, Option<u64>),
    Delete(u8),
    Swap(u8, bool),
    Increment(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = prop_oneof![Just(None), Just(Some(0)), Just(Some(60_000))];
    prop_oneof![
        (0..8u8, 0..300usize, ttl).prop_map(|(key, size, ttl)| Step::Set(key, size, ttl)),
        (0..8u8).prop_map(Step::Delete),
        (0..8u8, any::<bool>()).prop_map(|(key, there)| Step::Swap(key, there)),
        (0..8u8).prop_map(Step::Increment),
    ]
}

proptest! {
    #[test]
    fn the_books_always_balance(steps in vec(step(), 0..100)) {
        let limit = 5 * OVERHEAD + 600;
        let map = StateMap::new(limit);
        for step in steps {
            match step {
                Step::Set(key, size, ttl) => {
 let _ = map.set(&[key], vec![b'1'; size], ttl);
}
                Step::Delete(key) => {
 let _ = map.delete(&[key]);
}
                Step::Swap(key, there) => {
                    let expected = map.get(&[key]).filter(|_| there);
                    let _ = map.compare_and_swap(&[key], expected.as_deref(), Some(vec![b'2'; 50]), Some(60_000));
                }
                Step::Increment(key) => {
 let _ = map.increment(&[key], 1, None);
}
            }
            let inner = map.lock();
            let used: usize = inner.entries.iter().map(|(key, entry)| cost(key, &entry.value)).sum();
            prop_assert_eq!(inner.used, used);
            prop_assert!(used <= limit);
            let expiring = inner.entries.values().filter(|entry| entry.expires.is_some()).count();
            prop_assert_eq!(inner.expiries.len(), expiring);
        }
    }
}
