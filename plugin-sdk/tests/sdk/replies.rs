//! Replies are written and read as `redis-protocol` does it.

use proptest::prelude::*;
use redis_protocol::resp3::decode::complete::decode as oracle;
use redis_protocol::resp3::types::{OwnedFrame, VerbatimStringFormat};
use sluice_plugin::Reply;
use sluice_plugin::resp::{self, Node, Nodes};

fn encoded(reply: &Reply<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    reply.encode(&mut frame);
    frame
}

/// The oracle keeps maps and sets without an order.
fn sorted(reply: Reply<'_>) -> Reply<'static> {
    let all = |elements: Vec<Reply<'_>>| elements.into_iter().map(sorted).collect::<Vec<_>>();
    match reply {
        Reply::Array(elements) => Reply::Array(all(elements)),
        Reply::Push(elements) => Reply::Push(all(elements)),
        Reply::Set(elements) => {
            let mut elements = all(elements);
            elements.sort_by_key(encoded);
            elements.dedup();
            Reply::Set(elements)
        }
        Reply::Map(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (sorted(key), sorted(value))).collect();
            entries.sort_by_key(|(key, _)| encoded(key));
            Reply::Map(entries)
        }
        other => other.into_owned(),
    }
}

fn from_oracle(frame: OwnedFrame) -> Reply<'static> {
    let all = |frames: Vec<OwnedFrame>| frames.into_iter().map(from_oracle).collect::<Vec<_>>();
    match frame {
        OwnedFrame::Null => Reply::Null,
        OwnedFrame::SimpleString { data, .. } => Reply::simple(data),
        OwnedFrame::SimpleError { data, .. } => Reply::error(data),
        OwnedFrame::Number { data, .. } => Reply::Integer(data),
        OwnedFrame::BlobString { data, .. } => Reply::bulk(data),
        OwnedFrame::Boolean { data, .. } => Reply::Boolean(data),
        OwnedFrame::Double { data, .. } => Reply::Double(data),
        OwnedFrame::BigNumber { data, .. } => Reply::BigNumber(data.into()),
        OwnedFrame::BlobError { data, .. } => Reply::BulkError(data.into()),
        OwnedFrame::VerbatimString { data, format, .. } => {
            let format = if format == VerbatimStringFormat::Markdown { *b"mkd" } else { *b"txt" };
            Reply::Verbatim(format, data.into())
        }
        OwnedFrame::Array { data, .. } => Reply::Array(all(data)),
        OwnedFrame::Push { data, .. } => Reply::Push(all(data)),
        OwnedFrame::Set { data, .. } => Reply::Set(all(data.into_iter().collect())),
        OwnedFrame::Map { data, .. } => {
            Reply::Map(data.into_iter().map(|(key, value)| (from_oracle(key), from_oracle(value))).collect())
        }
        other => panic!("not generated: {other:?}"),
    }
}

fn reply() -> impl Strategy<Value = Reply<'static>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let line = || "[ -~]{1,20}".prop_map(String::from);
    let leaf = prop_oneof![
        Just(Reply::Null),
        line().prop_map(Reply::simple),
        line().prop_map(Reply::error),
        any::<i64>().prop_map(Reply::Integer),
        bytes().prop_map(Reply::bulk),
        any::<bool>().prop_map(Reply::Boolean),
        (-1e300..1e300f64).prop_map(Reply::Double),
        prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY)].prop_map(Reply::Double),
        "-?[1-9][0-9]{20,30}".prop_map(|number| Reply::BigNumber(number.into_bytes().into())),
        bytes().prop_map(|bytes| Reply::BulkError(bytes.into())),
        (prop_oneof![Just(*b"txt"), Just(*b"mkd")], bytes())
            .prop_map(|(format, text)| Reply::Verbatim(format, text.into())),
    ];
    leaf.prop_recursive(4, 40, 5, move |element| {
        let elements = || prop::collection::vec(element.clone(), 0..5);
        let keys = || prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..5), 0..5);
        // The oracle refuses aggregates in a set.
        let members = keys();
        let map = (keys(), prop::collection::vec(element.clone(), 5..6));
        prop_oneof![
            elements().prop_map(Reply::Array),
            members.prop_map(|members| Reply::Set(members.into_iter().map(Reply::bulk).collect())),
            map.prop_map(|(keys, values)| Reply::Map(keys.into_iter().map(Reply::bulk).zip(values).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same_here_and_elsewhere(reply in reply()) {
        let frame = encoded(&reply);
        prop_assert_eq!(resp::decode(&frame), Some(reply.clone()));
        let (read, length) = oracle(&frame).unwrap().unwrap();
        prop_assert_eq!(length, frame.len());
        prop_assert_eq!(sorted(from_oracle(read)), sorted(reply));
    }

    #[test]
    fn the_spans_of_the_nodes_are_the_frame(reply in reply()) {
        let frame = encoded(&reply);
        let mut nodes = Nodes::new(&frame);
        let mut end = 0;
        while nodes.next_node().is_some() {
            prop_assert_eq!(nodes.span().start, end);
            end = nodes.span().end;
        }
        prop_assert_eq!(end, frame.len());
    }

    #[test]
    fn what_is_no_frame_is_read_without_harm(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'$'), Just(b'1'), Just(b'\r'), Just(b'\n'), Just(b'|')], 0..60)) {
        prop_assert!(Nodes::new(&bytes).count() <= bytes.len());
        // Whatever it makes of them.
        let _ = resp::decode(&bytes);
    }

    #[test]
    fn a_truncated_frame_has_no_reply(reply in reply(), cut in any::<prop::sample::Index>()) {
        let frame = encoded(&reply);
        prop_assert_eq!(resp::decode(&frame[..cut.index(frame.len())]), None);
    }
}

#[test]
fn the_nulls_of_resp2_are_told_apart() {
    assert_eq!(resp::decode(b"$-1\r\n"), Some(Reply::Null));
    assert_eq!(resp::decode(b"_\r\n"), Some(Reply::Null));
    assert_eq!(resp::decode(b"*-1\r\n"), Some(Reply::NullArray));
    assert_eq!(encoded(&Reply::NullArray), b"*-1\r\n");
}

#[test]
fn a_line_cannot_be_ended_early() {
    assert_eq!(encoded(&Reply::simple("a\r\n+b")), b"+a  +b\r\n");
    assert_eq!(encoded(&Reply::error("ERR a\nb")), b"-ERR a b\r\n");
    assert_eq!(encoded(&Reply::BigNumber(b"1\r\n2"[..].into())), b"(1  2\r\n");
}

#[test]
fn a_path_says_where_a_node_stands() {
    let frame = b"*3\r\n:1\r\n%1\r\n$1\r\nk\r\n~2\r\n#t\r\n_\r\n*0\r\n";
    let mut nodes = Nodes::new(frame);
    let mut paths = Vec::new();
    while let Some(node) = nodes.next_node() {
        paths.push((node, nodes.path().to_vec()));
    }
    let expected = [
        (Node::Array(3), vec![]),
        (Node::Integer(1), vec![0]),
        (Node::Map(1), vec![1]),
        (Node::Bulk(b"k"), vec![1, 0]),
        (Node::Set(2), vec![1, 1]),
        (Node::Boolean(true), vec![1, 1, 0]),
        (Node::Null, vec![1, 1, 1]),
        (Node::Array(0), vec![2]),
    ];
    assert_eq!(paths, expected);
}

#[test]
fn attributes_do_not_move_the_element_that_they_belong_to() {
    let attribute = "|1\r\n+a\r\n*1\r\n:9\r\n";
    let frame = format!("{attribute}*2\r\n{attribute}$1\r\nx\r\n{attribute}$1\r\ny\r\n");
    let mut nodes = Nodes::new(frame.as_bytes());
    let mut bulks = Vec::new();
    let mut inside = 0;
    while let Some(node) = nodes.next_node() {
        if nodes.path().contains(&resp::ATTRIBUTE) {
            inside += 1;
        } else if let Node::Bulk(bytes) = node {
            bulks.push((bytes.to_vec(), nodes.path().to_vec()));
        }
    }
    assert_eq!(bulks, [(b"x".to_vec(), vec![0]), (b"y".to_vec(), vec![1])]);
    assert_eq!(inside, 3 * 3);
    assert_eq!(resp::decode(frame.as_bytes()), Some(Reply::array([Reply::bulk("x"), Reply::bulk("y")])));
}

#[test]
fn a_reply_can_be_nested_only_so_deep_that_reading_it_is_safe() {
    let deep = |levels| [b"*1\r\n".repeat(levels), b":1\r\n".to_vec()].concat();
    assert!(resp::decode(&deep(resp::MAX_DEPTH)).is_some());
    assert!(resp::decode(&deep(resp::MAX_DEPTH + 1)).is_none());
    assert_eq!(Nodes::new(&deep(100_000)).count(), 100_001);
}

#[test]
fn a_count_alone_takes_no_memory() {
    assert_eq!(resp::decode(b"*9223372036854775807\r\n:1\r\n"), None);
    assert_eq!(resp::decode(b"%9223372036854775807\r\n:1\r\n:1\r\n"), None);
    assert_eq!(resp::decode(b"$9223372036854775807\r\nx\r\n"), None);
}
