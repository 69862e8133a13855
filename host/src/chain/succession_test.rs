//! One chain after another: what is in flight ends as it began.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::rc::Rc;

use serde_json::json;

use super::{Chain, Kind, Link, Outcome, ResponsePaths, Responses, Vector, vector};
use crate::ids::{MessageId, MessageIds, PathId, SessionId};
use crate::plugin::tests::guest::Guest;
use crate::plugin::{NoSessions, OnFault, Runtime, RuntimeOptions, SessionDirectory, Site, Spec};
use crate::resp::{Scan, encode};

/// Verdicts of the columns lane.
const FORWARD_AND_WATCH: u8 = 0x80;
const FAN_OUT_AND_WATCH: u8 = 0x83;

/// A guest that gives this answer to the only request of a vector, and has `+<letter>` for the only response.
fn guest(letter: char, verdict: u8, numbers: &[u32], bytes: &[u8]) -> Guest {
    let mut guest = Guest::columns();
    let flat: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let answer =
        guest.put_lists(&[(&[0; 4], 1), (&[verdict], 1), (&[0; 8], 1), (&flat, numbers.len()), (bytes, bytes.len())]);
    let frame = format!("+{letter}\r\n");
    let change = guest.put_lists(&[(&[0; 4], 1), (&4u32.to_le_bytes(), 1), (frame.as_bytes(), 4)]);
    guest.requests(&format!("i32.const {answer}")).responses(&format!("i32.const {change}"))
}

/// Watches every response.
fn watching(letter: char) -> Link {
    link(&guest(letter, FORWARD_AND_WATCH, &[], b""))
}

/// A transform with its place in a chain.
fn link(guest: &Guest) -> Link {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("guest.wasm");
    std::fs::write(&file, guest.build()).unwrap();
    let plugin = Runtime::new(RuntimeOptions::default()).unwrap().load(&Spec::from_path("Tested", file)).unwrap();
    let transform = plugin.configure(&json!({}), Site { source: "source".to_owned(), position: 0 }).unwrap();
    Link { name: "Tested".into(), transform, on_fault: OnFault::Reject }
}

fn nobody() -> Rc<dyn SessionDirectory> {
    Rc::new(NoSessions)
}

/// What a worker has besides its chains.
struct Bench {
    trails: ResponsePaths,
    ids: MessageIds,
}

const SESSION: SessionId = SessionId(1);

impl Bench {
    fn new() -> Self {
        Self { trails: ResponsePaths::default(), ids: MessageIds::of_worker(0) }
    }

    /// Carries one request through a chain.
    fn ask(&mut self, chain: &mut Chain) -> Vector {
        let mut frame = Vec::new();
        encode::request(&mut frame, [&b"GET"[..], b"k"].into_iter());
        let mut vector = Vector::default();
        let at = vector.arena_mut().append(&frame);
        vector.begin_run(SESSION);
        let Ok((Scan::Complete(len), _)) = vector.scan(at, at + frame.len()) else { panic!() };
        let command = vector::lookup(&vector.arguments_at(at..at + len, 0));
        vector.push(self.ids.issue(), at..at + len, 0, command, PathId::NONE);
        vector.end_run(len);
        chain.requests(&mut vector, &mut self.trails, &mut self.ids);
        vector
    }

    /// Carries responses with these trails back through some chains, in this order, and gives what becomes of each.
    fn answer(&mut self, chains: &mut [&mut Chain], trails: &[PathId]) -> Vec<Option<String>> {
        let mut responses = Responses::default();
        for trail in trails {
            responses.push(SESSION, MessageId(1), *trail, Kind::Single, false, b"+sent\r\n");
        }
        for chain in chains {
            chain.responses(&mut responses, &mut self.trails);
        }
        let shown = |response: &super::Response| {
            assert!(response.kind == Kind::Consumed || response.trail.is_none(), "a step was left out");
            (response.kind != Kind::Consumed)
                .then(|| String::from_utf8_lossy(responses.bytes(response)).replace("\r\n", " ").trim_end().to_owned())
        };
        responses.list().iter().map(shown).collect()
    }
}

/// The trails of the requests that are on their way.
fn trails(vector: &Vector) -> Vec<PathId> {
    let positions = vector.runs().iter().flat_map(|run| run.requests.clone());
    positions.map(|at| vector.request(at as usize).trail).collect()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_response_goes_through_the_chain_that_its_request_went_through() {
    let mut bench = Bench::new();
    let mut old = Chain::new(&[watching('A')], &nobody());
    let first = trails(&bench.ask(&mut old));
    let mut new = old.succeeded_by(&[watching('B')], &nobody());
    let second = trails(&bench.ask(&mut new));
    assert!(old.is_awaited() && new.is_awaited());
    // Each of them comes in a crossing of its own: these guests know no others.
    assert_eq!(bench.answer(&mut [&mut new, &mut old], &[first, second].concat()), [text("+A"), text("+B")]);
    assert!(!old.is_awaited() && !new.is_awaited() && bench.trails.is_empty());
}

#[test]
fn positions_of_different_chains_are_not_taken_for_each_other() {
    let mut bench = Bench::new();
    let mut old = Chain::new(&[watching('A'), watching('B')], &nobody());
    let first = trails(&bench.ask(&mut old));
    let mut new = old.succeeded_by(&[], &nobody());
    let second = trails(&bench.ask(&mut new));
    assert_eq!(second, [PathId::NONE]);
    assert!(old.is_awaited() && !new.is_awaited());
    assert_eq!(bench.answer(&mut [&mut new, &mut old], &[first, second].concat()), [text("+A"), text("+sent")]);
}

#[test]
fn a_fan_out_is_gathered_by_the_chain_that_made_it() {
    let two_requests = [2, 1, 4, 1, 4];
    let fanning = link(&guest('A', FAN_OUT_AND_WATCH, &two_requests, b"PINGPING"));
    let mut bench = Bench::new();
    let mut old = Chain::new(&[fanning], &nobody());
    let parts = trails(&bench.ask(&mut old));
    assert_eq!(parts.len(), 2);
    assert_eq!(bench.answer(&mut [&mut old], &parts[..1]), [None]);
    let mut new = old.succeeded_by(&[watching('B')], &nobody());
    assert!(old.is_awaited());
    // Gathered, and then seen by the transform that has fanned it out.
    assert_eq!(bench.answer(&mut [&mut new, &mut old], &parts[1..]), [text("+A")]);
    assert!(!old.is_awaited() && bench.trails.is_empty());
}

#[test]
fn what_nobody_waits_for_any_more_does_not_keep_a_chain() {
    let mut bench = Bench::new();
    let mut chain = Chain::new(&[watching('A'), watching('B')], &nobody());
    assert!(!chain.is_awaited());
    for trail in trails(&bench.ask(&mut chain)) {
        bench.trails.discard(trail);
    }
    assert!(!chain.is_awaited());
}

#[test]
fn a_transform_that_both_chains_have_keeps_its_instance() {
    let (kept, other) = (link(&Guest::counting()), link(&Guest::counting()));
    let mut bench = Bench::new();
    let mut count = |chain: &mut Chain| {
        let vector = bench.ask(chain);
        let Some(Outcome::Reply(answer)) = vector.outcome(vector.request(0)) else { panic!() };
        String::from_utf8_lossy(&answer.frame).trim().to_owned()
    };
    let mut old = Chain::new(std::slice::from_ref(&kept), &nobody());
    assert_eq!([count(&mut old), count(&mut old)], [":1", ":2"]);
    let watching = watching('B');
    let mut new = old.succeeded_by(&[watching, kept.clone()], &nobody());
    // It is one instance, whichever chain calls it.
    assert_eq!([count(&mut new), count(&mut old), count(&mut new)], [":3", ":4", ":5"]);
    let mut changed = new.succeeded_by(&[Link { on_fault: OnFault::Close, ..kept.clone() }], &nobody());
    assert_eq!(count(&mut changed), ":1", "what is declared of it is another matter");
    assert_eq!(count(&mut new.succeeded_by(&[other], &nobody())), ":1", "another transform of the same kind");
}
