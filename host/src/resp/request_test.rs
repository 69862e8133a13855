#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use redis_protocol::resp2::{
    decode,
    types::{BytesFrame, Resp2Frame},
};

fn scan_whole(frame: &[u8]) -> Result<(Scan, Vec<Vec<u8>>), ProtocolError> {
    let mut arguments = Vec::new();
    let scan = RequestScanner::default().scan(frame, &mut arguments)?;
    Ok((scan, arguments.iter().map(|span| span.of(frame).to_vec()).collect()))
}

#[test]
fn arguments_are_found_where_they_are() {
    let frame = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*1\r\n";
    let (scan, arguments) = scan_whole(frame).unwrap();
    assert_eq!(scan, Scan::Complete(frame.len() - 4));
    assert_eq!(arguments, [b"SET".to_vec(), b"".to_vec(), b"a\r\nb".to_vec()]);
}

#[test]
fn an_unfinished_bulk_says_how_much_is_missing() {
    assert_eq!(scan_whole(b"*2\r\n$3\r\nGET\r\n$100\r\nabc").unwrap().0, Scan::Incomplete(4 + 9 + 6 + 102));
}

#[test]
fn malformed_requests_are_refused_in_the_servers_words() {
    for (frame, error) in [
        (&b"*x\r\n"[..], ProtocolError::MultibulkLength),
        (b"*03\r\n", ProtocolError::MultibulkLength),
        (b"*99999999999\r\n", ProtocolError::MultibulkLength),
        (b"*1\r\n:3\r\n", ProtocolError::ExpectedBulk(b':')),
        (b"*1\r\n$-1\r\n", ProtocolError::BulkLength),
        (b"*1\r\n$abc\r\n", ProtocolError::BulkLength),
        (b"*1\r\n$536870913\r\n", ProtocolError::BulkLength),
        (b"*1\r\n$1\r\naXX", ProtocolError::ExpectedCrLf),
        (b"*1\rX", ProtocolError::ExpectedCrLf),
    ] {
        assert_eq!(scan_whole(frame).unwrap_err(), error, "{}", frame.escape_ascii());
    }
    assert_eq!(scan_whole(&[b'a'; MAX_LINE + 1]).unwrap_err(), ProtocolError::InlineLine);
    assert_eq!(ProtocolError::ExpectedBulk(b':').to_string(), "Protocol error: expected '$', got ':'");
}

#[test]
fn empty_arrays_are_whole_and_have_no_arguments() {
    for frame in [&b"*0\r\n"[..], b"*-1\r\n", b"*-7\r\n"] {
        assert_eq!(scan_whole(frame).unwrap(), (Scan::Complete(frame.len()), vec![]));
    }
}

proptest! {
    #[test]
    fn the_scanner_agrees_with_the_oracle_wherever_a_request_is_cut(
        arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8),
        cuts in prop::collection::vec(0usize..400, 0..6),
    ) {
        let mut frame = Vec::new();
        crate::resp::encode::request(&mut frame, arguments.iter().map(Vec::as_slice));
        let mut scanner = RequestScanner::default();
        let mut spans = Vec::new();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut < frame.len()).collect();
        cuts.sort_unstable();
        for cut in cuts {
            let Scan::Incomplete(needed) = scanner.scan(&frame[..cut], &mut spans).unwrap() else {
                return Err(TestCaseError::fail("complete before its end"));
            };
            prop_assert!(needed > cut && needed <= frame.len(), "{needed} of {}", frame.len());
        }
        prop_assert_eq!(scanner.scan(&frame, &mut spans).unwrap(), Scan::Complete(frame.len()));
        let (BytesFrame::Array(oracle), used) = decode::decode_bytes(&frame.clone().into()).unwrap().unwrap() else {
            return Err(TestCaseError::fail("not an array"));
        };
        prop_assert_eq!(used, frame.len());
        let oracle: Vec<Vec<u8>> = oracle.iter().map(|value| value.as_bytes().unwrap().to_vec()).collect();
        prop_assert_eq!(spans.iter().map(|span| span.of(&frame).to_vec()).collect::<Vec<_>>(), oracle);
    }

    #[test]
    fn no_input_makes_it_panic_or_reach_beyond_its_end(frame in prop::collection::vec(prop::sample::select(b"*$\r\n0123-ab".to_vec()), 1..60)) {
        let mut spans = Vec::new();
        if let Ok(Scan::Complete(end)) = RequestScanner::default().scan(&frame, &mut spans) {
            prop_assert!(end <= frame.len());
            for span in spans {
                prop_assert!((span.start + span.len) as usize + 2 <= end);
            }
        }
    }
}
