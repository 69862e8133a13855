//! Several workers on one store: what happens when another one is faster.

use std::cell::Cell;

use sluice_plugin::state;

use super::{ask, said, store};
use crate::encoding::{Draft, Kind};
use crate::store::{self as shared, Edit};

#[test]
fn instances_share_the_keys() {
    let mut first = store();
    let mut second = first.sibling().unwrap();
    ask(&mut first, "SET k 1");
    assert_eq!(said(&mut second, "INCR k"), "2");
    assert_eq!(said(&mut first, "GET k"), "2");
}

#[test]
fn a_change_is_made_again_where_another_worker_was_faster() {
    let mut store = store();
    ask(&mut store, "RPUSH l a");
    let tries = Cell::new(0);
    let count = shared::update(b"l", |held| {
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            // Between reading and writing, another worker pushes.
            shared::put(b"l", Draft::of(Kind::List, ["a", "theirs"])).unwrap();
        }
        let mut draft = held.unwrap().draft();
        draft.push(b"ours");
        let count = draft.count();
        Ok((Edit::Put(draft), count))
    });
    assert_eq!((tries.get(), count.unwrap()), (2, 3));
    assert_eq!(said(&mut store, "LRANGE l 0 -1"), "[a theirs ours]");
}

#[test]
fn a_long_list_that_comes_too_late_takes_its_segments_with_it() {
    let mut store = store();
    let tries = Cell::new(0);
    let long = Draft::of(Kind::List, (0..100).map(|_| vec![b'x'; 500]));
    shared::update(b"l", |_| {
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            shared::put(b"l", Draft::string("theirs", None)).unwrap();
        }
        Ok((Edit::Put(long.clone()), ()))
    })
    .unwrap();
    let named = state::keys(b"s", None, 1000).len();
    assert_eq!((tries.get(), said(&mut store, "LLEN l")), (2, "100".to_owned()));
    ask(&mut store, "DEL l");
    assert!(named > 5 && state::keys(b"s", None, 1000).is_empty());
}

#[test]
fn a_change_of_the_deadline_alone_is_not_lost_either() {
    let mut store = store();
    ask(&mut store, "SET k v");
    let tries = Cell::new(0);
    shared::update(b"k", |held| {
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            let mut theirs = held.unwrap().draft();
            theirs.deadline = Some(u64::MAX);
            shared::put(b"k", theirs).unwrap();
        }
        Ok((Edit::Put(Draft::string("new", held.unwrap().deadline)), ()))
    })
    .unwrap();
    assert_eq!(tries.get(), 2);
    assert_eq!(said(&mut store, "GET k"), "new");
    assert_ne!(said(&mut store, "PTTL k"), "-1");
}

#[test]
fn a_removal_waits_for_the_last_change_too() {
    let mut store = store();
    ask(&mut store, "SET k 1");
    let tries = Cell::new(0);
    let old = shared::update(b"k", |held| {
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            shared::put(b"k", Draft::string("2", None)).unwrap();
        }
        Ok((Edit::Remove, held.unwrap().payload.to_vec()))
    });
    assert_eq!((tries.get(), old.unwrap()), (2, b"2".to_vec()));
    assert_eq!(said(&mut store, "EXISTS k"), "0");
}
