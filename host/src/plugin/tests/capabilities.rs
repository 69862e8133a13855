//! The host's capabilities as a component sees them.

use std::rc::Rc;

use serde_json::json;

use super::guest::Guest;
use super::harness::{Requests, Speaks, cross, instance_with, load, one_request, site};
use crate::plugin::{Grant, Grants, Spec};

fn all(spec: &mut Spec) {
    spec.grants = Grant::ALL.into_iter().collect::<Grants>();
}

/// A guest whose handler for requests runs a check that traps if it fails.
fn checks(guest: Guest, check: &str) -> Guest {
    guest.requests(&format!("{check} (i32.const 0x100)"))
}

fn passes(guest: &Guest) {
    cross(&mut instance_with(guest, all), &one_request()).unwrap();
}

#[test]
fn the_clock_tells_the_time_and_never_goes_back() {
    let guest =
        Guest::columns().import("clock", "unix-ms", "(result i64)").import("clock", "monotonic-ns", "(result i64)");
    passes(&checks(
        guest,
        "(local $before i64)
         (local.set $before (call $monotonic_ns))
         ;; 2020 in milliseconds.
         (if (i64.lt_u (call $unix_ms) (i64.const 1577836800000)) (then unreachable))
         (if (i64.lt_u (call $monotonic_ns) (local.get $before)) (then unreachable))",
    ));
}

#[test]
fn randomness_differs_and_has_the_length_that_was_asked_for_up_to_64_kib() {
    let guest = Guest::columns().import("random", "bits", "(result i64)").import("random", "bytes", "(param i32 i32)");
    passes(&checks(
        guest,
        "(if (i64.eq (call $bits) (call $bits)) (then unreachable))
         (call $bytes (i32.const 100) (i32.const 0x600))
         (if (i32.ne (i32.load (i32.const 0x604)) (i32.const 100)) (then unreachable))
         (call $bytes (i32.const -1) (i32.const 0x600))
         (if (i32.ne (i32.load (i32.const 0x604)) (i32.const 65536)) (then unreachable))",
    ));
}

#[test]
fn a_session_is_known_by_its_id() {
    // option<session>: a case, then from byte 4: peer, source, user (2 words each), tls (3 words),
    // database, protocol.
    let guest = checks(
        Guest::columns().import("sessions", "get", "(param i64 i32)"),
        "(call $get (i64.const 42) (i32.const 0x600))
         (if (i32.ne (i32.load8_u (i32.const 0x600)) (i32.const 1)) (then unreachable))
         ;; 127.0.0.1:42
         (if (i32.ne (i32.load (i32.const 0x608)) (i32.const 12)) (then unreachable))
         (if (i32.ne (i32.load8_u (i32.const 0x61c)) (i32.const 0)) (then unreachable))
         (if (i32.ne (i32.load (i32.const 0x628)) (i32.const 7)) (then unreachable))
         (if (i32.ne (i32.load8_u (i32.const 0x62c)) (i32.const 3)) (then unreachable))",
    );
    let transform = load(&guest, all).unwrap().configure(&json!({}), site()).unwrap();
    cross(&mut transform.instantiate(Rc::new(Speaks(3))), &one_request()).unwrap();
    // Without a directory there is nobody: the case is 0 and the check traps.
    cross(&mut instance_with(&guest, all), &one_request()).unwrap_err();
}

#[test]
fn the_command_table_is_the_hosts() {
    let count = sluice_commands::table().commands().len();
    passes(&checks(
        Guest::columns().import("commands", "table", "(param i32)"),
        &format!(
            "(call $table (i32.const 0x600))
             (if (i32.ne (i32.load (i32.const 0x604)) (i32.const {count})) (then unreachable))"
        ),
    ));
}

/// A guest that increments the counter `n` in the shared state once for each crossing, and replies
/// with the sum (one digit).
fn counting() -> Guest {
    let mut guest = Guest::columns().import("state", "increment", "(param i32 i32 i64 i32 i64 i32)");
    let key = guest.put(b"n");
    let index = guest.put(&0u32.to_le_bytes());
    let kind = guest.put(&[2]);
    let tag = guest.put(&0u64.to_le_bytes());
    let length = guest.put(&4u32.to_le_bytes());
    let frame = guest.put(b":0\r\n");
    let record: Vec<u8> = [(index, 1), (kind, 1), (tag, 1), (length, 1), (frame, 4u32)]
        .iter()
        .flat_map(|&(address, count)| [address.to_le_bytes(), count.to_le_bytes()].concat())
        .collect();
    let record = guest.put(&record);
    guest.requests(&format!(
        "(call $increment (i32.const {key}) (i32.const 1) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 0x600))
         (if (i32.load8_u (i32.const 0x600)) (then unreachable))
         (i32.store8 (i32.const {}) (i32.add (i32.const 48) (i32.wrap_i64 (i64.load (i32.const 0x608)))))
         (if (i64.eq (i64.load (local.get $sessions)) (i64.const 666)) (then unreachable))
         (i32.const {record})",
        frame + 1,
    ))
}

#[test]
fn instances_of_a_transform_share_its_state_and_other_places_have_their_own() {
    let plugin = load(&counting(), all).unwrap();
    let here = plugin.configure(&json!({}), site()).unwrap();
    let there = plugin.configure(&json!({}), site()).unwrap();
    let mut one = here.instantiate(Rc::new(Speaks(2)));
    let mut two = here.instantiate(Rc::new(Speaks(2)));
    let mut other = there.instantiate(Rc::new(Speaks(2)));
    assert_eq!(cross(&mut one, &one_request()).unwrap(), [r"0: reply :1\r\n"]);
    assert_eq!(cross(&mut two, &one_request()).unwrap(), [r"0: reply :2\r\n"]);
    assert_eq!(cross(&mut one, &one_request()).unwrap(), [r"0: reply :3\r\n"]);
    assert_eq!(cross(&mut other, &one_request()).unwrap(), [r"0: reply :1\r\n"]);
}

#[test]
fn state_outlives_a_fault() {
    let mut instance = instance_with(&counting(), all);
    cross(&mut instance, &one_request()).unwrap();
    let mut poison = Requests::default();
    poison.push(666, &[b"GET", b"k"]);
    cross(&mut instance, &poison).unwrap_err();
    assert_eq!(cross(&mut instance, &one_request()).unwrap(), [r"0: reply :3\r\n"]);
}

#[test]
fn a_metric_is_registered_counted_and_refused_by_the_hosts_rules() {
    // counter: name, labels -> result<u32, refusal>: case, then from byte 4 the series or the
    // refusal.
    let mut guest = Guest::columns().import("metrics", "counter", "(param i32 i32 i32 i32 i32)").import(
        "metrics",
        "add",
        "(param i32 i64)",
    );
    let good = guest.put(b"hits");
    let bad = guest.put(b"no spaces");
    passes(&checks(
        guest,
        &format!(
            "(call $counter (i32.const {good}) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0x600))
             (if (i32.load8_u (i32.const 0x600)) (then unreachable))
             (call $add (i32.load (i32.const 0x604)) (i64.const 5))
             ;; A number that is nobody's is ignored.
             (call $add (i32.const 12345) (i64.const 5))
             (call $counter (i32.const {bad}) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0x600))
             (if (i32.ne (i32.load8_u (i32.const 0x600)) (i32.const 1)) (then unreachable))"
        ),
    ));
}

#[test]
fn a_line_of_the_plugin_reaches_the_log_with_its_name() {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut guest = Guest::columns().import("log", "write", "(param i32 i32 i32)");
    let line = guest.put(b"one\ntwo");
    let guest = checks(guest, &format!("(call $write (i32.const 2) (i32.const {line}) (i32.const 7))"));
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || passes(&guest));
    let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = written.lines().find(|line| line.contains("one")).unwrap();
    assert!(line.contains(" INFO sluice::plugin::log: one\\ntwo"), "{line}");
    assert!(line.contains("plugin=\"Tested\"") && line.contains("position=0"), "{line}");
}
