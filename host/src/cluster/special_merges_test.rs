#![allow(clippy::unwrap_used)]

use super::super::Merge;
use super::*;

fn merge(how: Merge<'_>, replies: &[&str]) -> String {
    let replies: Vec<&[u8]> = replies.iter().map(|reply| reply.as_bytes()).collect();
    String::from_utf8(how.merge(&replies)).unwrap()
}

#[test]
fn channels_that_several_nodes_know_are_listed_once() {
    let replies = ["*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*0\r\n", "*2\r\n$1\r\nc\r\n$1\r\na\r\n"];
    assert_eq!(merge(Merge::Union, &replies), "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    assert_eq!(merge(Merge::Union, &["~1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"]), "~1\r\n$1\r\na\r\n");
}

#[test]
fn subscribers_are_counted_by_channel() {
    let one = "*6\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n$1\r\na\r\n:1\r\n";
    let other = "*6\r\n$1\r\na\r\n:2\r\n$1\r\nb\r\n:3\r\n$1\r\na\r\n:2\r\n";
    let both = "*6\r\n$1\r\na\r\n:3\r\n$1\r\nb\r\n:3\r\n$1\r\na\r\n:3\r\n";
    assert_eq!(merge(Merge::Pairs, &[one, other]), both);
    assert_eq!(merge(Merge::Pairs, &["*0\r\n", "*0\r\n"]), "*0\r\n");
    assert_eq!(merge(Merge::Pairs, &["%1\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"]), "%1\r\n$1\r\na\r\n:2\r\n");
}

#[test]
fn the_clients_of_all_nodes_are_one_list() {
    let (one, other) = ("id=3 addr=h:1 name=\n", "id=3 addr=h:2 name=a\nid=4 addr=h:3 name=\n");
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let verbatim = |text: &str| format!("={}\r\ntxt:{text}\r\n", text.len() + 4);
    let both = format!("{one}{other}");
    assert_eq!(merge(Merge::Text, &[&bulk(one), &bulk(other)]), bulk(&both));
    assert_eq!(merge(Merge::Text, &[&verbatim(one), &verbatim(""), &verbatim(other)]), verbatim(&both));
}

#[test]
fn a_script_that_runs_anywhere_is_the_one_that_is_told() {
    let idle = ["*2\r\n$14\r\nrunning_script\r\n$-1\r\n", "%1\r\n$14\r\nrunning_script\r\n_\r\n"];
    let busy =
        ["*2\r\n$14\r\nrunning_script\r\n*1\r\n$4\r\nname\r\n", "%1\r\n$14\r\nrunning_script\r\n%1\r\n+name\r\n+x\r\n"];
    for (idle, busy) in idle.into_iter().zip(busy) {
        assert_eq!(merge(Merge::Running, &[idle, busy, idle]), busy);
        assert_eq!(merge(Merge::Running, &[idle, idle]), idle);
    }
}

#[test]
fn an_event_is_told_as_it_happened_last_and_at_its_worst() {
    let event = |name, numbers: &[i64]| String::from_utf8(with_numbers(b'*', name, numbers)).unwrap();
    let one = format!("*1\r\n{}", event(b"$7\r\ncommand\r\n", &[100, 10, 50]));
    let other =
        format!("*2\r\n{}{}", event(b"$4\r\nfork\r\n", &[99, 1, 1]), event(b"$7\r\ncommand\r\n", &[200, 20, 20]));
    let both =
        format!("*2\r\n{}{}", event(b"$7\r\ncommand\r\n", &[200, 20, 50]), event(b"$4\r\nfork\r\n", &[99, 1, 1]));
    assert_eq!(merge(Merge::Latest, &[&one, &other]), both);
    // Newer servers tell the sum and the count as well.
    let six = |numbers| format!("*1\r\n{}", event(b"$1\r\na\r\n", numbers));
    assert_eq!(merge(Merge::Latest, &[&six(&[2, 5, 5, 9, 2]), &six(&[1, 7, 8, 8, 1])]), six(&[2, 5, 8, 17, 3]));
}

/// The reply to `LATENCY HISTOGRAM set`.
fn histogram(kind: char, calls: i64, buckets: &[(i64, i64)]) -> String {
    let header = |pairs: usize| format!("{kind}{}\r\n", if kind == '%' { pairs } else { 2 * pairs });
    let limits: String = buckets.iter().map(|(limit, calls)| format!(":{limit}\r\n:{calls}\r\n")).collect();
    let (one, two, all) = (header(1), header(2), header(buckets.len()));
    format!("{one}$3\r\nset\r\n{two}$5\r\ncalls\r\n:{calls}\r\n$14\r\nhistogram_usec\r\n{all}{limits}")
}

#[test]
fn histograms_are_added_up_by_bucket() {
    for kind in ['*', '%'] {
        let (one, other) = (histogram(kind, 3, &[(4, 1), (8, 3)]), histogram(kind, 2, &[(2, 1), (8, 2)]));
        assert_eq!(merge(Merge::Histograms, &[&one, &other]), histogram(kind, 5, &[(2, 1), (4, 2), (8, 5)]));
        assert_eq!(merge(Merge::Histograms, &[&format!("{kind}0\r\n"), &one]), one);
    }
}

#[test]
fn an_error_of_one_node_is_the_reply() {
    for how in [Merge::Union, Merge::Pairs, Merge::Text, Merge::Running, Merge::Latest, Merge::Histograms] {
        assert_eq!(merge(how, &["*0\r\n", "-LOADING no\r\n"]), "-LOADING no\r\n");
    }
}

#[test]
fn what_does_not_fit_together_is_an_error() {
    for (how, replies) in [
        (Merge::Union, &["*0\r\n", "~0\r\n"][..]),
        (Merge::Union, &["+OK\r\n"]),
        (Merge::Pairs, &["*2\r\n$1\r\na\r\n:1\r\n", "*2\r\n$1\r\nb\r\n:1\r\n"]),
        (Merge::Pairs, &["*2\r\n$1\r\na\r\n:1\r\n", "*0\r\n"]),
        (Merge::Pairs, &["*0\r\n", "*2\r\n$1\r\na\r\n:1\r\n"]),
        (Merge::Pairs, &["*1\r\n$1\r\na\r\n"]),
        (Merge::Text, &["$1\r\na\r\n", "=5\r\ntxt:a\r\n"]),
        (Merge::Text, &["=5\r\ntxt:a\r\n", "=5\r\nmkd:a\r\n"]),
        (Merge::Text, &["$-1\r\n"]),
        (Merge::Latest, &["*1\r\n*2\r\n$1\r\na\r\n:1\r\n"]),
        (Merge::Latest, &["*1\r\n:1\r\n"]),
        (Merge::Histograms, &["*1\r\n$1\r\na\r\n"]),
        (Merge::Histograms, &["*2\r\n$1\r\na\r\n*0\r\n"]),
    ] {
        assert!(merge(how, replies).starts_with("-ERR the nodes"), "{how:?} {replies:?}");
    }
}

#[test]
fn each_key_is_as_likely_as_any_other() {
    let pick = |replies: &[(&str, &str)], random| {
        let replies: Vec<_> = replies.iter().map(|(key, size)| (key.as_bytes(), size.as_bytes())).collect();
        String::from_utf8(random_key(&replies, random)).unwrap()
    };
    let nodes = [("$1\r\na\r\n", ":1\r\n"), ("$-1\r\n", ":0\r\n"), ("$1\r\nb\r\n", ":3\r\n")];
    let picked: Vec<String> = (0..8).map(|random| pick(&nodes, random)).collect();
    let count = |key| picked.iter().filter(|picked| picked.contains(key)).count();
    assert_eq!((count("\na\r"), count("\nb\r")), (2, 6));
    // Without any key, what the nodes say: in RESP3 it is another nothing.
    assert_eq!(pick(&[("_\r\n", ":0\r\n"), ("_\r\n", ":0\r\n")], 7), "_\r\n");
    // Its last key expired between the two, or the first came.
    assert_eq!(pick(&[("$-1\r\n", ":1\r\n"), ("$1\r\na\r\n", ":0\r\n")], 7), "$1\r\na\r\n");
    assert_eq!(pick(&[("$1\r\na\r\n", ":1\r\n"), ("$1\r\nb\r\n", "-LOADING no\r\n")], 0), "-LOADING no\r\n");
    assert!(pick(&[], 0).starts_with("-ERR "));
}
