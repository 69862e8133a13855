//! The columns lane with real components.

use std::rc::Rc;

use serde_json::json;

use super::guest::Guest;
use super::harness::{Requests, Speaks, cross, cross_back, instance, instance_with, load, one_request, shown, site};
use crate::plugin::{Fault, Verdicts};

/// A guest that always gives this answer.
fn answers(indices: &[u32], kinds: &[u8], tags: &[u64], numbers: &[u32], bytes: &[u8]) -> Guest {
    let mut guest = Guest::columns();
    let flat = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let tag_bytes: Vec<_> = tags.iter().flat_map(|tag| tag.to_le_bytes()).collect();
    let record = guest.put_lists(&[
        (&flat(indices), indices.len()),
        (kinds, kinds.len()),
        (&tag_bytes, tags.len()),
        (&flat(numbers), numbers.len()),
        (bytes, bytes.len()),
    ]);
    guest.requests(&format!("i32.const {record}"))
}

fn batch() -> Requests {
    Requests::of(&[&[b"GET", b"a"], &[b"SET", b"b", b"v"], &[b"DEL", b"c"], &[b"PING"], &[b"QUIT"]])
}

#[test]
fn an_empty_answer_forwards_everything() {
    assert_eq!(cross(&mut instance(&Guest::columns()), &batch()).unwrap(), [""; 0]);
}

#[test]
fn every_verdict_comes_across() {
    const ORIGINAL: u32 = 1 << 31;
    let guest = answers(
        &[0, 1, 2, 3, 4],
        &[0x80, 0x81, 0x83, 2, 4],
        &[7, 8, 9, 0, 0],
        &[
            3,
            ORIGINAL,
            2,
            ORIGINAL | 2, // a rewritten SET
            2,
            2,
            3,
            ORIGINAL | 1,
            1,
            0, // two requests, the second of one empty argument
            7, // a reply
            0, // no last reply
        ],
        b"p:GET+PONG\r\n",
    );
    let shown = cross(&mut instance(&guest), &batch()).unwrap();
    assert_eq!(
        shown,
        [
            "0: forward watched 7",
            r#"1: rewrite $0 "p:" $2 watched 8"#,
            r#"2: fan out ["GET" $1, ""] watched 9"#,
            r"3: reply +PONG\r\n",
            "4: close",
        ]
    );
}

#[test]
fn a_component_reads_the_columns_of_the_contract() {
    // Replies to request 0 with "$<n>\r\n<argument 1 of request 1>\r\n", taken from the columns: n
    // is one digit.
    let mut guest = Guest::columns();
    let index = guest.put(&1u32.to_le_bytes());
    let kind = guest.put(&[2]);
    let tag = guest.put(&0u64.to_le_bytes());
    let length = guest.put(&0u32.to_le_bytes());
    let frame = guest.put(b"$0\r\n............");
    let record: Vec<u8> = [(index, 1), (kind, 1), (tag, 1), (length, 1), (frame, 0u32)]
        .iter()
        .flat_map(|&(address, count)| [address.to_le_bytes(), count.to_le_bytes()].concat())
        .collect();
    let record = guest.put(&record);
    let guest = guest.requests(&format!(
        r#"(local $argument i32) (local $size i32)
        ;; The second argument of the second request, after all of those of the first.
        (local.set $argument (i32.add (i32.load (local.get $counts)) (i32.const 1)))
        (local.set $size (i32.load (i32.add (local.get $lengths) (i32.mul (local.get $argument) (i32.const 4)))))
        (i32.store8 (i32.const {digit}) (i32.add (i32.const 48) (local.get $size)))
        (memory.copy (i32.const {text})
            (i32.add (local.get $bytes)
                (i32.load (i32.add (local.get $offsets) (i32.mul (local.get $argument) (i32.const 4)))))
            (local.get $size))
        (i32.store16 (i32.add (i32.const {text}) (local.get $size)) (i32.const 0x0a0d))
        (i32.store (i32.const {length}) (i32.add (local.get $size) (i32.const 6)))
        (i32.store (i32.const {bytes_length}) (i32.add (local.get $size) (i32.const 6)))
        ;; The IDs are what they should be.
        (if (i64.ne (i64.load offset=8 (local.get $ids)) (i64.const 2)) (then unreachable))
        (if (i64.ne (i64.load offset=8 (local.get $sessions)) (i64.const 2)) (then unreachable))
        (if (i32.ne (i32.load16_u offset=2 (local.get $commands)) (i32.const 0xffff)) (then unreachable))
        (i32.const {record})"#,
        digit = frame + 1,
        text = frame + 4,
        bytes_length = record + 36,
    ));
    let requests = Requests::of(&[&[b"SET", b"a", b"1"], &[b"ECHO", b"hello"]]);
    assert_eq!(cross(&mut instance(&guest), &requests).unwrap(), [r"1: reply $5\r\nhello\r\n"]);
}

#[test]
fn an_instance_keeps_its_memory_from_one_crossing_to_the_next() {
    let mut instance = instance(&Guest::counting());
    for count in 1..=9 {
        assert_eq!(cross(&mut instance, &one_request()).unwrap(), [format!(r"0: reply :{count}\r\n")]);
    }
}

#[test]
fn responses_are_shown_and_replaced() {
    // Replaces response 1 by the frame of response 0, if the tags are there.
    let mut guest = Guest::columns();
    let index = guest.put(&1u32.to_le_bytes());
    let record = guest.put(&[&index.to_le_bytes()[..], &1u32.to_le_bytes(), &[0; 16]].concat());
    let guest = guest.responses(&format!(
        "(if (i64.ne (i64.load offset=8 (local.get $tags)) (i64.const 20)) (then unreachable))
         (i32.store (i32.const {}) (local.get $lengths))
         (i32.store (i32.const {}) (i32.const 1))
         (i32.store (i32.const {}) (local.get $bytes))
         (i32.store (i32.const {}) (i32.load (local.get $lengths)))
         (i32.const {record})",
        record + 8,
        record + 12,
        record + 16,
        record + 20,
    ));
    let changes = cross_back(&mut instance(&guest), &[b"$2\r\nhi\r\n", b"+OK\r\n", b":3\r\n"]).unwrap();
    assert_eq!(changes, [(1, b"$2\r\nhi\r\n".to_vec())]);
}

#[test]
fn without_a_handler_responses_are_kept_without_a_crossing() {
    let mut instance = instance(&Guest::columns_requests().configure("unreachable").configure("i32.const 0x220"));
    assert!(cross_back(&mut instance, &[b"+OK\r\n"]).unwrap().is_empty());
}

#[test]
fn a_broken_answer_is_a_fault_and_gives_no_verdict() {
    let cases: [(Guest, &str); 6] = [
        (answers(&[5], &[0], &[0], &[], b""), "verdict 0 is on index 5, but the batch has 5"),
        (answers(&[0, 1], &[0], &[0], &[], b""), "2 indices, but 1 kinds and 1 tags"),
        (answers(&[0], &[9], &[0], &[], b""), "verdict 0 has the unknown kind 0x09"),
        (answers(&[0], &[2], &[0], &[5], b"+OK\r\n+OK\r\n"), "0 numbers and 5 bytes belong to no verdict"),
        (answers(&[0], &[2], &[0], &[10], b"+OK\r\n+OK\r\n"), "verdict 0 has a frame that is followed by 5 more bytes"),
        (answers(&[], &[], &[], &[], b"x"), "0 numbers and 1 bytes belong to no verdict"),
    ];
    for (guest, reason) in cases {
        let mut verdicts = Verdicts::new();
        let fault = instance(&guest).requests(&batch().batch(), &mut verdicts).unwrap_err();
        assert_eq!(fault, Fault::InvalidAnswer(reason.to_owned()));
        assert!(verdicts.is_empty());
    }
}

#[test]
fn an_answer_outside_its_memory_is_a_fault() {
    for address in ["-8", "3", "0x7fffff00"] {
        let guest = Guest::columns().requests(&format!("i32.const {address}"));
        let fault = cross(&mut instance(&guest), &one_request()).unwrap_err();
        assert!(matches!(fault, Fault::InvalidAnswer(_)), "{fault}");
    }
    // The record is there, but its list is not.
    let mut guest = Guest::columns();
    let record = guest.put(&[&0xffff_0000u32.to_le_bytes()[..], &0xffff_ffffu32.to_le_bytes(), &[0; 32]].concat());
    let fault = cross(&mut instance(&guest.requests(&format!("i32.const {record}"))), &one_request()).unwrap_err();
    assert!(matches!(fault, Fault::InvalidAnswer(_)), "{fault}");
}

#[test]
fn an_answer_beyond_the_output_limit_is_a_fault() {
    let mut guest = Guest::columns();
    let record = guest.put(&[&[0; 32][..], &0u32.to_le_bytes(), &2000u32.to_le_bytes()].concat());
    let guest = guest.requests(&format!("i32.const {record}"));
    let fault = cross(&mut instance_with(&guest, |spec| spec.limits.output = 1999), &one_request()).unwrap_err();
    assert_eq!(fault, Fault::Output(1999));
    let fault = cross(&mut instance_with(&guest, |spec| spec.limits.output = 2000), &one_request()).unwrap_err();
    assert_eq!(fault.kind(), "invalid-answer", "within the limit, but of no use: {fault}");
}

#[test]
fn a_resp3_reply_is_taken_whatever_its_session_speaks() {
    let guest = answers(&[0], &[2], &[0], &[4], b"#t\r\n");
    let transform = load(&guest, |_| ()).unwrap().configure(&json!({}), site()).unwrap();
    let requests = one_request();
    for protocol in [2, 3] {
        let mut verdicts = Verdicts::new();
        let mut instance = transform.instantiate(Rc::new(Speaks(protocol)));
        instance.requests(&requests.batch(), &mut verdicts).unwrap();
        assert_eq!(shown(&verdicts), [r"0: reply #t\r\n"]);
    }
}
