#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use redis_protocol::resp2::types::OwnedFrame as Resp2;
use redis_protocol::resp3::types::{OwnedFrame as Resp3, VerbatimStringFormat};

use super::*;
use crate::resp::reply::frame_length;

type Owned = Node<Vec<u8>, String>;

fn encoded(nodes: &[Owned], protocol: u8) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    encode(nodes, protocol, &mut out).map(|()| out)
}

fn owned(node: Node<&[u8], &str>) -> Owned {
    match node {
        Node::Null => Node::Null,
        Node::NullArray => Node::NullArray,
        Node::Simple(text) => Node::Simple(text.to_vec()),
        Node::Error(text) => Node::Error(text.to_vec()),
        Node::Integer(number) => Node::Integer(number),
        Node::Bulk(bytes) => Node::Bulk(bytes.to_vec()),
        Node::Boolean(yes) => Node::Boolean(yes),
        Node::Double(number) => Node::Double(number),
        Node::BigNumber(digits) => Node::BigNumber(digits.to_vec()),
        Node::Verbatim((format, text)) => Node::Verbatim((format.to_owned(), text.to_vec())),
        Node::BulkError(text) => Node::BulkError(text.to_vec()),
        Node::Array(count) => Node::Array(count),
        Node::Map(count) => Node::Map(count),
        Node::Set(count) => Node::Set(count),
        Node::Push(count) => Node::Push(count),
        Node::Attribute(count) => Node::Attribute(count),
    }
}

#[test]
fn a_list_of_nodes_must_be_exactly_one_reply() {
    assert_eq!(encoded(&[], 3), Err(Problem::Incomplete));
    assert_eq!(encoded(&[Node::Array(2), Node::Null], 3), Err(Problem::Incomplete));
    assert_eq!(encoded(&[Node::Null, Node::Null], 3), Err(Problem::Trailing));
    assert_eq!(encoded(&[Node::Array(0), Node::Null], 3), Err(Problem::Trailing));
    assert_eq!(encoded(&[Node::Map(u32::MAX), Node::Null], 3), Err(Problem::Incomplete));
    assert_eq!(encoded(&[Node::Attribute(0)], 2), Err(Problem::Incomplete));
    assert_eq!(encoded(&[Node::Push(0)], 3), Err(Problem::Push));
    assert_eq!(encoded(&[Node::Array(1), Node::Push(0)], 3), Err(Problem::Push));
    let response = |nodes: &[Owned], protocol| {
        let mut out = Vec::new();
        encode_response(nodes, protocol, &mut out).map(|()| out)
    };
    assert_eq!(response(&[Node::Push(1), Node::Integer(1)], 3), Ok(b">1\r\n:1\r\n".to_vec()));
    assert_eq!(response(&[Node::Push(1), Node::Integer(1)], 2), Ok(b"*1\r\n:1\r\n".to_vec()));
    assert_eq!(response(&[Node::Push(1), Node::Push(0)], 3), Err(Problem::Push));
}

#[test]
fn what_would_break_a_line_or_a_type_is_refused() {
    for text in ["a\r", "\n", "a\r\nb"] {
        assert_eq!(encoded(&[Node::Simple(text.into())], 2), Err(Problem::LineBreak));
        assert_eq!(encoded(&[Node::Error(text.into())], 2), Err(Problem::LineBreak));
    }
    for digits in ["", "-", "1a", "--1", "1\r\n"] {
        assert_eq!(encoded(&[Node::BigNumber(digits.into())], 3), Err(Problem::BigNumber));
    }
    for format in ["", "txt4", "a\r\n", "éé"] {
        assert_eq!(encoded(&[Node::Verbatim((format.into(), vec![]))], 3), Err(Problem::Format));
    }
}

#[test]
fn resp3_kinds_become_their_resp2_counterparts() {
    let cases: [(&[Owned], &[u8]); 11] = [
        (&[Node::Null], b"$-1\r\n"),
        (&[Node::NullArray], b"*-1\r\n"),
        (&[Node::Boolean(true)], b":1\r\n"),
        (&[Node::Boolean(false)], b":0\r\n"),
        (&[Node::Double(1.5)], b"$3\r\n1.5\r\n"),
        (&[Node::BigNumber(b"-12".to_vec())], b"$3\r\n-12\r\n"),
        (&[Node::Verbatim(("txt".into(), b"x".to_vec()))], b"$1\r\nx\r\n"),
        (&[Node::BulkError(b"ERR a\r\nb".to_vec())], b"-ERR a  b\r\n"),
        (&[Node::Map(1), Node::Integer(1), Node::Integer(2)], b"*2\r\n:1\r\n:2\r\n"),
        (&[Node::Set(1), Node::Integer(1)], b"*1\r\n:1\r\n"),
        (
            &[
                Node::Array(2),
                Node::Attribute(1),
                Node::Simple(b"a".to_vec()),
                Node::Attribute(1),
                Node::Array(1),
                Node::Null,
                Node::Null,
                Node::Array(1),
                Node::Integer(1),
                Node::Integer(2),
                Node::Integer(3),
            ],
            b"*2\r\n:2\r\n:3\r\n",
        ),
    ];
    for (nodes, frame) in cases {
        let written = encoded(nodes, 2).unwrap();
        assert_eq!(written.escape_ascii().to_string(), frame.escape_ascii().to_string());
    }
}

#[test]
fn both_nulls_of_resp2_are_told_apart_and_are_one_in_resp3() {
    assert_eq!(decode(b"$-1\r\n", 9).unwrap(), [Node::Null]);
    assert_eq!(decode(b"*-1\r\n", 9).unwrap(), [Node::NullArray]);
    assert_eq!(decode(b"*2\r\n*-1\r\n$-1\r\n", 9).unwrap(), [Node::Array(2), Node::NullArray, Node::Null]);
    assert_eq!(encoded(&[Node::NullArray], 3).unwrap(), b"_\r\n");
}

#[test]
fn a_reply_of_too_many_nodes_is_not_decoded() {
    let frame = b"*3\r\n:1\r\n:2\r\n:3\r\n";
    assert_eq!(decode(frame, 4).unwrap().len(), 4);
    assert_eq!(decode(frame, 3), None);
}

#[test]
fn doubles_keep_their_value() {
    for number in [0.0, -0.0, 1.0, -1.5, 0.1, 1e300, -5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
        let frame = encoded(&[Node::Double(number)], 3).unwrap();
        assert_eq!(decode(&frame, 1).unwrap(), [Node::Double(number)]);
        assert!(frame.len() < 32, "{}", frame.escape_ascii());
    }
    let frame = encoded(&[Node::Double(f64::NAN)], 3).unwrap();
    assert_eq!(frame, b",nan\r\n");
}

/// The nodes of a tree that was decoded by `redis-protocol`, the oracle.
fn flatten3(frame: Resp3, out: &mut Vec<Owned>) {
    let count = |length: usize| u32::try_from(length).unwrap();
    match frame {
        Resp3::Null => out.push(Node::Null),
        Resp3::SimpleString { data, .. } => out.push(Node::Simple(data)),
        Resp3::SimpleError { data, .. } => out.push(Node::Error(data.into())),
        Resp3::Number { data, .. } => out.push(Node::Integer(data)),
        Resp3::BlobString { data, .. } => out.push(Node::Bulk(data)),
        Resp3::Boolean { data, .. } => out.push(Node::Boolean(data)),
        Resp3::Double { data, .. } => out.push(Node::Double(data)),
        Resp3::BigNumber { data, .. } => out.push(Node::BigNumber(data)),
        Resp3::BlobError { data, .. } => out.push(Node::BulkError(data)),
        Resp3::VerbatimString { data, format, .. } => {
            let format = if format == VerbatimStringFormat::Text { "txt" } else { "mkd" };
            out.push(Node::Verbatim((format.to_owned(), data)));
        }
        Resp3::Array { data, .. } => {
            out.push(Node::Array(count(data.len())));
            data.into_iter().for_each(|frame| flatten3(frame, out));
        }
        other => unreachable!("the strategy makes none: {other:?}"),
    }
}

/// Errors are ASCII: the oracle wants UTF-8.
fn leaf() -> impl Strategy<Value = Owned> {
    let text = vec(any::<u8>().prop_filter("a line", |byte| !matches!(byte, b'\r' | b'\n')), 0..12);
    let ascii = "[a-zA-Z ]{1,12}".prop_map(String::into_bytes);
    prop_oneof![
        Just(Node::Null),
        text.prop_map(Node::Simple),
        ascii.prop_map(Node::Error),
        any::<i64>().prop_map(Node::Integer),
        vec(any::<u8>(), 0..20).prop_map(Node::Bulk),
        any::<bool>().prop_map(Node::Boolean),
        any::<f64>().prop_filter("comparable", |number| !number.is_nan()).prop_map(Node::Double),
        "-?[0-9]{1,40}".prop_map(|digits| Node::BigNumber(digits.into_bytes())),
        vec(any::<u8>(), 0..20).prop_map(|text| Node::Verbatim(("txt".to_owned(), text))),
        "[a-z\r\n]{0,20}".prop_map(|text| Node::BulkError(text.into_bytes())),
    ]
}

/// Whole replies in pre-order, of leaves and arrays.
fn reply() -> impl Strategy<Value = Vec<Owned>> {
    leaf().prop_map(|node| vec![node]).prop_recursive(4, 40, 6, |inner| {
        vec(inner, 0..6).prop_map(|elements| {
            let count = u32::try_from(elements.len()).unwrap();
            std::iter::once(Node::Array(count)).chain(elements.into_iter().flatten()).collect()
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_one_frame_and_reads_back_as_itself(nodes in reply()) {
        let frame = encoded(&nodes, 3).unwrap();
        prop_assert_eq!(frame_length(&frame).unwrap(), Some(frame.len()));
        let read: Vec<Owned> = decode(&frame, nodes.len()).unwrap().into_iter().map(owned).collect();
        prop_assert_eq!(read, nodes);
    }

    #[test]
    fn redis_protocol_reads_the_same_from_resp3(nodes in reply()) {
        let frame = encoded(&nodes, 3).unwrap();
        let (tree, length) = redis_protocol::resp3::decode::complete::decode(&frame).unwrap().unwrap();
        prop_assert_eq!(length, frame.len());
        let mut read = Vec::new();
        flatten3(tree, &mut read);
        prop_assert_eq!(read, nodes);
    }

    #[test]
    fn redis_protocol_reads_whatever_is_written_for_resp2(nodes in reply()) {
        let frame = encoded(&nodes, 2).unwrap();
        prop_assert_eq!(frame_length(&frame).unwrap(), Some(frame.len()));
        let (tree, length): (Resp2, usize) = redis_protocol::resp2::decode::decode(&frame).unwrap().unwrap();
        prop_assert_eq!(length, frame.len());
        if let Node::Array(count) = nodes[0] {
            prop_assert!(matches!(tree, Resp2::Array(elements) if elements.len() == count as usize));
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(frame in vec(any::<u8>(), 0..64), limit in 0..20usize) {
        if let Some(nodes) = decode(&frame, limit) {
            prop_assert!(nodes.len() <= limit || limit == 0);
        }
    }

    #[test]
    fn nothing_makes_the_writer_panic_or_write_less_than_a_frame(
        nodes in vec(prop_oneof![
            leaf(),
            any::<u32>().prop_map(Node::Array),
            (0..3u32).prop_map(Node::Array),
            (0..3u32).prop_map(Node::Map),
            (0..3u32).prop_map(Node::Set),
            (0..3u32).prop_map(Node::Attribute),
            (0..3u32).prop_map(Node::Push),
        ], 0..12),
        protocol in 2..4u8,
    ) {
        if let Ok(frame) = encoded(&nodes, protocol) {
            prop_assert_eq!(frame_length(&frame).unwrap(), Some(frame.len()), "{}", frame.escape_ascii());
        }
    }
}
