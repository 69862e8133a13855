#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use redis_protocol::resp3::decode::complete::decode;

/// Replies of every type, nested to a depth.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        "[ -~]{0,12}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
        "[ -~]{0,12}".prop_map(|text| format!("-ERR {text}\r\n").into_bytes()),
        any::<i64>().prop_map(|value| format!(":{value}\r\n").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..24).prop_map(|bytes| {
            let mut frame = format!("${}\r\n", bytes.len()).into_bytes();
            frame.extend_from_slice(&bytes);
            frame.extend_from_slice(b"\r\n");
            frame
        }),
        Just(b"_\r\n".to_vec()),
        Just(b"#t\r\n".to_vec()),
        Just(b",1.5\r\n".to_vec()),
        Just(b"(12345678901234567890123\r\n".to_vec()),
        Just(b"=7\r\ntxt:a\r\n\r\n".to_vec()),
        Just(b"!5\r\nERR x\r\n".to_vec()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        (prop::sample::select(b"*~%".to_vec()), prop::collection::vec(inner, 0..4)).prop_map(|(kind, mut elements)| {
            if kind == b'%' && elements.len() % 2 == 1 {
                elements.pop();
            }
            let count = if kind == b'%' { elements.len() / 2 } else { elements.len() };
            let mut frame = vec![kind];
            frame.extend_from_slice(format!("{count}\r\n").as_bytes());
            frame.extend(elements.concat());
            frame
        })
    })
}

proptest! {
    #[test]
    fn the_scanner_agrees_with_the_oracle_wherever_a_reply_is_cut(frame in reply(), cut in 0usize..200) {
        // Sets and map keys that stand twice are refused by the oracle only in its typed form; its length is what counts here.
        if let Ok(Some((_, used))) = decode(&frame) {
            prop_assert_eq!(used, frame.len());
        }
        let mut scanner = ReplyScanner::default();
        if cut < frame.len() {
            let Scan::Incomplete(needed) = scanner.scan(&frame[..cut]).unwrap() else {
                return Err(TestCaseError::fail("complete before its end"));
            };
            prop_assert!(needed > cut && needed <= frame.len());
        }
        let mut more = frame.clone();
        more.extend_from_slice(b"+next\r\n");
        prop_assert_eq!(scanner.scan(&more).unwrap(), Scan::Complete(frame.len()));
    }

    #[test]
    fn no_input_makes_it_panic(frame in prop::collection::vec(prop::sample::select(b"*$%~>|+-:_,#(=!\r\n0123".to_vec()), 0..60)) {
        if let Ok(Scan::Complete(end)) = ReplyScanner::default().scan(&frame) {
            prop_assert!(end <= frame.len());
        }
    }
}

#[test]
fn nulls_attributes_and_pushes_are_whole_frames() {
    for frame in [
        &b"$-1\r\n"[..],
        b"*-1\r\n",
        b"|1\r\n+k\r\n+v\r\n:1\r\n",
        b">2\r\n+message\r\n+x\r\n",
        b"*0\r\n",
        b"%1\r\n+a\r\n*1\r\n:1\r\n",
    ] {
        assert_eq!(frame_length(frame).unwrap(), Some(frame.len()), "{}", frame.escape_ascii());
    }
    assert!(is_push(b">1\r\n+a\r\n"));
}

#[test]
fn what_is_no_reply_is_refused() {
    assert_eq!(frame_length(b"hello\r\n"), Err(ProtocolError::ReplyType(b'h')));
    assert_eq!(frame_length(b"$?\r\n"), Err(ProtocolError::ReplyLength));
    assert_eq!(frame_length(b"$1\r\nabc"), Err(ProtocolError::ExpectedCrLf));
}

#[test]
fn the_replies_of_a_transaction_are_told_apart() {
    let replies: Vec<&[u8]> = elements(b"*3\r\n+OK\r\n*1\r\n:1\r\n-ERR no\r\n").collect();
    assert_eq!(replies, [&b"+OK\r\n"[..], b"*1\r\n:1\r\n", b"-ERR no\r\n"]);
    assert_eq!(elements(b"*-1\r\n").count(), 0);
}

#[test]
fn strings_are_told_from_nothing() {
    assert_eq!(text(b"$2\r\na\n\r\n"), Some(&b"a\n"[..]));
    assert_eq!(text(b"$0\r\n\r\n"), Some(&b""[..]));
    assert_eq!(text(b"=5\r\ntxt:a\r\n"), Some(&b"txt:a"[..]));
    for frame in [&b"$-1\r\n"[..], b"_\r\n", b"+a\r\n", b"*0\r\n", b":1\r\n", b"$1", b"$1\r\n", b""] {
        assert_eq!(text(frame), None, "{}", frame.escape_ascii());
    }
}
