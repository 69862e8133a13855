//! Any sequence of what changes who a session is, with any split of its bytes, against the server's
//! own word.

use std::cell::RefCell;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sluice_tests::{Client, Listed, Sluice, inline};

use super::{identity, server};

/// What a client may say that changes who it is, or does not.
const CHANGES: [&str; 16] = [
    "AUTH alice a",
    "AUTH bob b",
    "AUTH alice wrong",
    "AUTH nosuch x",
    "HELLO 2",
    "HELLO 3",
    "HELLO 9",
    "HELLO 2 AUTH bob b",
    "HELLO 3 AUTH alice a SETNAME n",
    "HELLO 3 SETNAME n AUTH bob wrong",
    "HELLO 3 SETNAME AUTH SETNAME x",
    "SELECT 0",
    "SELECT 7",
    "SELECT 99",
    "RESET",
    "SET x 1",
];

const TRANSACTIONS: [&str; 3] = ["MULTI", "EXEC", "DISCARD"];

/// Asks the transform, and then the server, who the session is.
const PROBE: [&str; 3] = ["WHO", "ACL WHOAMI", "CLIENT INFO"];

/// How many requests a case has, probes aside, and how many cuts its bytes.
const REQUESTS: usize = 14;
const CUTS: usize = 6;

#[derive(Clone)]
struct Case {
    /// Each with a probe behind it, or without.
    requests: Vec<(&'static str, bool)>,
    /// Where the bytes are cut, as shares of their number.
    cuts: Vec<f64>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, cut at {:?}", self.lines(), self.cuts())
    }
}

impl Case {
    fn lines(&self) -> Vec<&'static str> {
        let lines = self.requests.iter().flat_map(|(line, probed)| {
            let probe: &[&str] = if *probed { &PROBE } else { &[] };
            std::iter::once(*line).chain(probe.iter().copied())
        });
        lines.chain(PROBE).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        self.lines().iter().flat_map(|line| inline(line)).collect()
    }

    fn cuts(&self) -> Vec<usize> {
        let length = self.bytes().len();
        let mut cuts: Vec<usize> = self.cuts.iter().map(|share| (share * length as f64) as usize).collect();
        cuts.sort_unstable();
        cuts
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let line = prop_oneof![3 => prop::sample::select(&CHANGES[..]), 1 => prop::sample::select(&TRANSACTIONS[..])];
    let requests = vec((line, any::<bool>()), 1..=REQUESTS);
    (requests, vec(0.0..1.0, 0..=CUTS)).prop_map(|(requests, cuts)| Case { requests, cuts })
}

/// Sends the bytes piece by piece. The proxy has turned in between: another client was answered.
fn send(case: &Case, client: &mut Client, other: &mut Client) {
    let (bytes, mut sent) = (case.bytes(), 0);
    for cut in case.cuts() {
        client.send(&bytes[sent..cut]);
        assert_eq!(other.ask("PING"), "+PONG\r\n");
        sent = cut;
    }
    client.send(&bytes[sent..]);
}

/// The text of a bulk string, or of a verbatim one.
fn text(reply: &[u8]) -> String {
    let reply = String::from_utf8_lossy(reply);
    reply.split("\r\n").nth(1).unwrap_or_else(|| panic!("no string: {reply:?}")).to_owned()
}

/// Reads all replies, and compares what the transform and the server say wherever no transaction is
/// open.
fn agrees(case: &Case, proxy: &Sluice, other: &mut Client) -> Result<(), TestCaseError> {
    let mut client = proxy.client();
    client.read_both_protocols();
    send(case, &mut client, other);
    let lines = case.lines();
    let replies = client.replies(lines.len());
    let mut in_transaction = false;
    for (at, line) in lines.iter().enumerate() {
        match *line {
            "MULTI" => in_transaction = true,
            "EXEC" | "DISCARD" | "RESET" => in_transaction = false,
            "WHO" if !in_transaction => {
                let who = text(&replies[at]);
                let whoami = text(&replies[at + 1]);
                let listed = Listed::read(&replies[at + 2]);
                let server = format!("{whoami} {} {}", listed.field("db"), listed.field("resp"));
                prop_assert_eq!(&who, &server, "request {}, replies {:?}", at, replies);
                prop_assert_eq!(&whoami, listed.field("user"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number of cases is small unless `SLUICE_LONG` is `1`.
#[test]
fn a_transform_and_the_server_agree_on_who_a_session_is_whatever_it_sends() {
    let long = std::env::var("SLUICE_LONG").is_ok_and(|long| long == "1");
    let config = Config { cases: if long { 5000 } else { 150 }, failure_persistence: None, ..Config::default() };
    let server = server();
    let proxy = identity("").sink(&server).start();
    let other = RefCell::new(proxy.client());
    TestRunner::new(config)
        .run(&cases(), |case| agrees(&case, &proxy, &mut other.borrow_mut()))
        .unwrap_or_else(|failure| panic!("{failure}"));
}
