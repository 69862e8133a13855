//! What the host offers, as a native test has it.

use std::time::Duration;

use serde_json::json;
use sluice_plugin::clock::{self, Instant};
use sluice_plugin::log::{self, Level};
use sluice_plugin::metrics::{self, Counter, Gauge, Histogram};
use sluice_plugin::sessions::{self, Session};
use sluice_plugin::state::{self, Refusal};
use sluice_plugin::testing::Harness;
use sluice_plugin::{NoConfig, Transform, random};

struct Idle;

impl Transform for Idle {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Idle)
    }
}

fn world() -> Harness<Idle> {
    Harness::new(json!({})).unwrap()
}

#[test]
fn lines_below_the_level_that_is_kept_are_not_even_formatted() {
    let mut world = world();
    world.log_level(Level::Warn);
    let mut formatted = 0;
    let mut count = || {
        formatted += 1;
        formatted
    };
    log::warn!("number {}", count());
    log::info!("number {}", count());
    log::error!("plain");
    assert_eq!(world.log(), [(Level::Warn, "number 1".to_owned()), (Level::Error, "plain".to_owned())]);
    assert!(world.log().is_empty());
}

#[test]
fn a_series_is_what_its_name_and_labels_say() {
    let world = world();
    let denied = Counter::new("denied", &[("a", "1"), ("b", "2")]).unwrap();
    assert_eq!(Counter::new("denied", &[("b", "2"), ("a", "1")]), Ok(denied));
    denied.add(2);
    denied.add(3);
    Gauge::new("level", &[]).unwrap().set(1.5);
    let sizes = Histogram::new("sizes", &[]).unwrap();
    sizes.observe(1.0);
    sizes.observe(8.0);
    assert_eq!(world.metric("denied", &[("b", "2"), ("a", "1")]), Some(5.0));
    assert_eq!(world.metric("level", &[]), Some(1.5));
    assert_eq!(world.observations("sizes", &[]), Some(vec![1.0, 8.0]));
    assert_eq!(world.metric("denied", &[]), None);
    for bad in [Counter::new("1st", &[]), Counter::new("a", &[("plugin", "x")]), Counter::new("level", &[])] {
        assert!(matches!(bad, Err(metrics::Refusal::Invalid(_))), "{bad:?}");
    }
}

#[test]
fn the_state_is_shared_by_the_instances_and_expires_by_the_clock() {
    let mut world = world();
    let second = Some(Duration::from_secs(1));
    state::set(b"k", b"v", second).unwrap();
    let sibling = world.sibling().unwrap();
    assert_eq!(state::get(b"k"), Some(b"v".to_vec()));
    drop(sibling);
    world.advance(Duration::from_millis(400));
    assert_eq!(state::expires_in(b"k"), Some(Duration::from_millis(600)));
    world.advance(Duration::from_millis(600));
    assert_eq!(state::get(b"k"), None);
    assert_eq!(state::increment(b"n", 5, second), Ok(5));
    assert_eq!(state::increment(b"n", -7, None), Ok(-2));
    assert_eq!(state::expires_in(b"n"), second);
    assert_eq!(state::increment(b"n", i64::MIN, None), Err(Refusal::NotANumber));
    assert!(state::delete(b"n") && !state::delete(b"n"));
}

#[test]
fn a_swap_happens_only_where_the_value_is_the_expected_one() {
    let _world = world();
    assert_eq!(state::compare_and_swap(b"k", Some(b"x"), Some(b"1"), None), Ok(false));
    assert_eq!(state::compare_and_swap(b"k", None, Some(b"1"), None), Ok(true));
    assert_eq!(state::compare_and_swap(b"k", None, Some(b"2"), None), Ok(false));
    assert_eq!(state::compare_and_swap(b"k", Some(b"1"), None, None), Ok(true));
    assert_eq!(state::get(b"k"), None);
}

#[test]
fn the_state_is_bounded_and_a_refused_write_changes_nothing() {
    let mut world = world();
    world.state_limit(10);
    assert_eq!(state::set(b"key", b"1234567", None), Ok(()));
    assert_eq!(state::set(b"key", b"12345678", None), Err(Refusal::Full));
    assert_eq!(state::set(b"k", b"", None), Err(Refusal::Full));
    assert_eq!(state::get(b"key"), Some(b"1234567".to_vec()));
}

#[test]
fn keys_are_listed_in_order_a_page_at_a_time() {
    let _world = world();
    for key in ["b:1", "a:3", "a:1", "a:2"] {
        state::set(key.as_bytes(), b"", None).unwrap();
    }
    assert_eq!(state::keys(b"a:", None, 2), [b"a:1", b"a:2"]);
    assert_eq!(state::keys(b"a:", Some(b"a:2"), 2), [b"a:3"]);
}

#[test]
fn the_clock_stands_still_until_it_is_moved() {
    let mut world = world();
    let (start, unix) = (Instant::now(), clock::unix());
    assert_eq!(start.elapsed(), Duration::ZERO);
    world.advance(Duration::from_millis(5));
    assert_eq!(start.elapsed(), Duration::from_millis(5));
    assert_eq!(clock::unix() - unix, Duration::from_millis(5));
    assert_eq!(start.since(Instant::now()), Duration::ZERO);
    assert_eq!(Instant::from_nanos(start.as_nanos()), start);
}

#[test]
fn random_numbers_are_the_same_in_every_run() {
    let _world = world();
    let first = (random::bits(), random::bytes(3));
    assert_ne!(random::bits(), first.0);
    let _world = self::world();
    assert_eq!((random::bits(), random::bytes(3)), first);
    assert_eq!(random::bytes(1 << 20).len(), 65_536);
}

#[test]
fn a_session_is_known_until_it_ends() {
    let session = Session {
        peer: "127.0.0.1:50012".into(),
        source: "valkey".into(),
        user: "alice".into(),
        tls_subject: None,
        database: 3,
        protocol: 3,
    };
    let mut world = Harness::<Idle>::with_sessions(json!({}), [(7, session.clone())]).unwrap();
    assert_eq!(sessions::get(7.into()), Some(session));
    assert_eq!(sessions::get(8.into()), None);
    world.end_session(7.into());
    assert_eq!(sessions::get(7.into()), None);
}
