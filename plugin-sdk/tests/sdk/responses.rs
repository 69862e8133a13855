//! Responses come with their tags and can be replaced whole or in parts.

use serde_json::json;
use sluice_plugin::testing::Harness;
use sluice_plugin::{Change, NoConfig, Reply, Request, Response, Transform, Verdict};

/// Watches all, and does to a response what its tag says.
struct Watcher;

const KEEP: u64 = 0;
const REPLACE: u64 = 1;
const SHOUT: u64 = 2;
const CHANGE_MIND: u64 = 3;
const SHOUT_ALL: u64 = 4;

impl Transform for Watcher {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Watcher)
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let tag = match request.bytes(0) {
            Some(b"REPLACE") => REPLACE,
            Some(b"SHOUT") => SHOUT,
            Some(b"CHANGE") => CHANGE_MIND,
            Some(b"SHOUTALL") => SHOUT_ALL,
            Some(b"UNSEEN") => return,
            _ => KEEP,
        };
        verdict.watch(tag);
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        match response.tag() {
            REPLACE => change.replace(&Reply::bulk(format!("{} of {}", response.id(), response.session()))),
            SHOUT => change.map_bulks(response, |path, bytes| {
                (path.last() != Some(&0)).then(|| Reply::bulk(bytes.to_ascii_uppercase()))
            }),
            SHOUT_ALL => change.map_strings(response, |_, text| {
                let shouted = text.to_ascii_uppercase();
                (shouted != text).then_some(shouted)
            }),
            CHANGE_MIND => {
                change.replace_frame(b"+one\r\n");
                change.replace(&Reply::simple("two"));
                change.keep();
            }
            _ => {}
        }
    }
}

fn watcher() -> Harness<Watcher> {
    Harness::new(json!({})).unwrap()
}

#[test]
fn responses_of_a_batch_are_kept_and_replaced_each_for_itself() {
    let mut harness = watcher();
    let verdicts = harness.requests([(1, "GET"), (2, "REPLACE"), (1, "UNSEEN"), (3, "CHANGE"), (4, "REPLACE")]);
    let frames: Vec<_> = verdicts.iter().map(|verdict| (verdict, &b":1\r\n"[..])).collect();
    let replies = harness.responses(frames);
    let expected = [None, Some(Reply::bulk("2 of 2")), None, None, Some(Reply::bulk("5 of 4"))];
    assert_eq!(replies, expected);
}

#[test]
fn bulk_strings_are_replaced_where_they_are_and_all_else_is_kept_byte_for_byte() {
    let mut harness = watcher();
    let verdict = harness.request("SHOUT");
    let nested = Reply::array([
        Reply::bulk("a"),
        Reply::bulk("b"),
        Reply::array([Reply::bulk("c"), Reply::bulk("d")]),
        Reply::Double(0.1),
    ]);
    let shouted = Reply::array([
        Reply::bulk("a"),
        Reply::bulk("B"),
        Reply::array([Reply::bulk("c"), Reply::bulk("D")]),
        Reply::Double(0.1),
    ]);
    assert_eq!(harness.response(&verdict, &nested), Some(shouted));
    assert_eq!(harness.response(&verdict, &Reply::bulk("whole")), Some(Reply::bulk("WHOLE")));
    assert_eq!(harness.response(&verdict, &Reply::array([Reply::bulk("kept")])), None);
    assert_eq!(harness.response(&verdict, &Reply::error("ERR")), None);
}

#[test]
fn strings_of_every_kind_are_replaced_by_strings_of_the_same_kind_and_errors_are_not() {
    let mut harness = watcher();
    let verdict = harness.request("SHOUTALL");
    let frame = b"~5\r\n+ok\r\n=8\r\ntxt:some\r\n%1\r\n$1\r\nk\r\n:1\r\n-ERR no\r\n$1\r\nV\r\n";
    let shouted = Reply::Set(vec![
        Reply::simple("OK"),
        Reply::Verbatim(*b"txt", b"SOME".into()),
        Reply::Map(vec![(Reply::bulk("K"), Reply::Integer(1))]),
        Reply::error("ERR no"),
        Reply::bulk("V"),
    ]);
    assert_eq!(harness.response_frame(&verdict, frame), Some(shouted));
    assert_eq!(harness.response(&verdict, &Reply::error("ERR no")), None);
    assert_eq!(harness.response(&verdict, &Reply::array([Reply::simple("OK")])), None);
}

#[test]
#[should_panic(expected = "no server would give")]
fn a_test_cannot_give_a_response_that_is_none() {
    let mut harness = watcher();
    let verdict = harness.request("GET");
    harness.response_frame(&verdict, b"+OK");
}
