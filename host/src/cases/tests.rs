//! The promises of case files.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::plugin::tests::guest::Guest;
use crate::plugin::{Plugin, Runtime, RuntimeOptions, Spec};

fn parse(text: &str) -> Result<Cases, String> {
    Cases::parse(Path::new("c.yaml"), text).map_err(|error| error.to_string())
}

fn good(text: &str) -> Cases {
    parse(text).unwrap_or_else(|report| panic!("{report}"))
}

fn report(text: &str) -> String {
    parse(text).map(|cases| panic!("accepted: {cases:?}")).unwrap_or_else(|report| report)
}

/// A file with one case that has these steps.
fn with_steps(steps: &str) -> String {
    format!("cases: [{{ name: a, steps: {steps} }}]")
}

/// A file with one case that has one step.
fn with_step(step: &str) -> String {
    with_steps(&format!("[{step}]"))
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place_and_its_path() {
    for (text, words) in [
        ("", "c.yaml: `cases` is missing: the list of cases"),
        ("cases: []", "c.yaml:1:8: cases: there must be at least one case"),
        ("case: []", "c.yaml:1:1: case: unknown key (did you mean `cases`?)"),
        ("cases: {}", "expected a list of cases"),
        ("- name: a", "expected a map, found a list"),
        ("grants: [clocks]\ncases: [{ name: a, log: [] }]", "c.yaml:1:10: grants[0]: expected one of `clock`"),
        (
            "limits: { memmory: 1MiB }\ncases: [{ name: a, log: [] }]",
            "limits.memmory: unknown key (did you mean `memory`?)",
        ),
        ("component: a.wasm\ncases: [{ name: a, log: [] }]", "component: unknown key"),
        ("config: [1]\ncases: [{ name: a, log: [] }]", "config: expected a map with the transform's configuration"),
        (
            "sessions: { a: {} }\ncases: [{ name: a, log: [] }]",
            "sessions: a key must be a whole number here, found the text \"a\"",
        ),
        ("sessions: { 0: {} }\ncases: [{ name: a, log: [] }]", "sessions.0: sessions are counted from 1"),
        (
            "sessions: { 1: { usr: a } }\ncases: [{ name: a, log: [] }]",
            "c.yaml:1:18: sessions.1.usr: unknown key (did you mean `user`?)",
        ),
        (
            "sessions: { 1: { protocol: 4 } }\ncases: [{ name: a, log: [] }]",
            "expected a protocol: 2 or 3, found the number 4",
        ),
        ("cases: [{ steps: [{ request: PING }] }]", "cases[0]: `name` is missing"),
        ("cases: [{ name: ' ', log: [] }]", "expected a name"),
        (
            "cases: [{ name: a, log: [] }, { name: b, log: [] }, { name: a, log: [] }]",
            "cases[2].name: \"a\" is also the name of cases[0]",
        ),
        ("cases: [{ name: a }]", "cases[0]: nothing is checked"),
        ("cases: [{ name: a, steps: [] }]", "cases[0]: nothing is checked"),
        ("cases: [{ name: a, refuses: x, fault: trap }]", "`refuses` and `fault` exclude each other"),
        (
            "cases: [{ name: a, refuses: x, steps: [{ request: PING }] }]",
            "cases[0].steps: a component that is not set up is not called",
        ),
        ("cases: [{ name: a, refuses: [x] }]", "expected the sentence that the component says, found a list"),
        (
            "cases: [{ name: a, log: ['info: x'] }]",
            "log[0]: expected a log line by its level, such as `info: the text`",
        ),
        ("cases: [{ name: a, log: [inof: x] }]", "log[0].inof: unknown key (did you mean `info`?)"),
        ("cases: [{ name: a, log: [info: { ends_with: x }] }]", "ends_with: unknown key"),
        ("cases: [{ name: a, log: [info: 1] }]", "log[0].info: expected a log line"),
        ("cases: [{ name: a, log_level: loud, log: [] }]", "log_level: expected one of `error`"),
        ("cases: [{ name: a, metrics: { 'a-b': 1 } }]", "expected a series"),
        ("cases: [{ name: a, metrics: { a: x } }]", "expected what it comes to: a number"),
    ] {
        let report = report(text);
        assert!(report.contains(words), "{text}\n{report}\nshould contain: {words}");
    }
}

#[test]
fn a_step_that_makes_no_sense_is_refused() {
    for (step, words) in [
        ("{}", "cases[0].steps[0]: `request` is missing"),
        ("PING", "expected a map, found the text \"PING\""),
        ("{ reqest: PING }", "reqest: unknown key (did you mean `request`?)"),
        ("{ request: '' }", "request: expected a request: a line such as"),
        ("{ request: [] }", "at least one argument"),
        ("{ request: [GET, 5] }", "request[1]: expected an argument: text, or { bytes: 'a\\xff' }, found the number 5"),
        ("{ request: 'GET \"k' }", "unbalanced quotes"),
        ("{ request: { raw: 'PING' } }", "goes on after the last byte"),
        ("{ request: { raw: '*1\\r\\n$4\\r\\nPING\\r\\nPING' } }", "4 more bytes"),
        ("{ request: PING, session: 0 }", "session: expected the number of a session, at least 1"),
        ("{ request: PING, verdict: froward }", "expected a verdict"),
        ("{ request: PING, verdict: {} }", "expected a verdict"),
        ("{ request: PING, verdict: { rewrit: PING } }", "rewrit: unknown key (did you mean `rewrite`?)"),
        ("{ request: PING, verdict: { reply: a, close: b } }", "a verdict is one thing, found `reply`, `close`"),
        ("{ request: PING, verdict: { reply: a, watch: 1 } }", "verdict.watch: nothing is watched here"),
        ("{ request: PING, verdict: { watch: -1 } }", "expected a tag"),
        ("{ request: PING, verdict: { watch: } }", "verdict.watch: expected a tag"),
        ("{ request: PING, verdict: { rewrite: PING, watch: } }", "verdict.watch: expected a tag"),
        ("{ request: PING, verdict: { fan_out: [] } }", "fanned out into at least one"),
        ("{ request: PING, verdict: forward, fault: trap }", "leave out one of `verdict` and `fault`"),
        ("{ request: PING, fault: trapp }", "found \"trapp\" (did you mean `trap`?)"),
        ("{ request: PING, fault: { trapp: x } }", "trapp: unknown key (did you mean `trap`?)"),
        ("{ request: PING, result: a }", "there is nothing that it could be made of: `response` is missing"),
        ("{ request: PING, verdict: close, result: a }", "closed without a last reply"),
        ("{ request: PING, verdict: { reply: a }, response: b }", "response: no server is asked"),
        ("{ request: PING, verdict: close, responses: [b] }", "responses: no server is asked"),
        ("{ request: PING, response: a, responses: [a] }", "exclude each other"),
        ("{ request: PING, responses: [a] }", "give `response`: only a fan-out has several"),
        ("{ request: PING, verdict: { fan_out: [PING] }, response: a }", "give `responses`"),
        ("{ request: PING, verdict: { fan_out: [PING] }, result: a }", "`responses` is missing"),
        (
            "{ request: PING, verdict: { fan_out: [PING, PING] }, responses: [a] }",
            "one for each of the 2 requests of the fan-out, found 1",
        ),
        ("{ request: PING, response: a, fault: trap }", "fault: only a watched response crosses"),
        ("{ request: PING, response: { sample: a } }", "response.sample: unknown key (did you mean `simple`?)"),
        ("{ request: PING, pushes: [{ response: a }] }", "pushes: what a server sends by itself"),
        ("{ request: PING, verdict: { watch: 1 }, pushes: [{ result: a }] }", "pushes[0]: `response` is missing"),
        ("{ vector: [] }", "a vector has at least one request"),
        ("{ vector: [{ request: PING }], request: PING }", "request: unknown key"),
        ("{ request: PING, verdict: close }, { request: PING }", "steps[1]: session 1 was closed in step 1"),
    ] {
        let report = report(&with_step(step));
        assert!(report.contains(words), "{step}\n{report}\nshould contain: {words}");
    }
}

#[test]
fn an_expectation_with_nothing_behind_it_is_refused_and_not_taken_for_none() {
    let nothing = "there is nothing behind this key";
    for key in ["refuses", "fault", "steps", "log", "metrics"] {
        let other = if key == "log" { "metrics: { a: 1 }" } else { "log: []" };
        let report = report(&format!("cases:\n- name: a\n  {other}\n  {key}:\n    # - info: x\n"));
        assert!(report.starts_with(&format!("c.yaml:4:3: cases[0].{key}: {nothing}")), "{key}\n{report}");
    }
    for key in ["verdict", "fault", "pushes", "responses"] {
        let report = report(&with_step(&format!("{{ request: PING, {key}: }}")));
        assert!(report.contains(&format!("cases[0].steps[0].{key}: {nothing}")), "{key}\n{report}");
    }
    for (step, words) in [
        ("{ vector: }", "steps[0].vector: there is nothing"),
        (
            "{ request: PING, verdict: { watch: 1 }, pushes: [{ response: a, fault: }] }",
            "pushes[0].fault: there is nothing",
        ),
    ] {
        let report = report(&with_step(step));
        assert!(report.contains(words), "{step}\n{report}");
    }
    assert!(report("cases: [{ name: a, metrics: {} }]").contains("metrics: nothing is checked"));
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    let report = report("grants: 5\ncases:\n- name: a\n  steps:\n  - request: 5\n  - reqest: PING\n");
    assert!(report.starts_with("c.yaml has 4 problems\n"), "{report}");
}

#[test]
fn null_is_a_reply_like_others() {
    for step in [
        "{ request: GET k, response: null }",
        "{ request: GET k, verdict: { reply: null }, result: null }",
        "{ request: GET k, verdict: { close: null } }",
    ] {
        good(&with_step(step));
    }
}

fn load(guest: &Guest) -> Arc<Plugin> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("guest.wasm");
    std::fs::write(&file, guest.build()).unwrap();
    Runtime::new(RuntimeOptions::default()).unwrap().load(&Spec::from_path("Guest", file)).unwrap()
}

/// Runs all cases, one after the other, and gives what was not as expected.
fn run(text: &str, plugin: &Plugin) -> String {
    good(text).list().iter().map(|case| case.run(plugin).to_string()).collect()
}

/// A component that logs and counts while it is set up, and traps on requests of session 2.
fn talkative() -> Guest {
    let mut guest = Guest::columns()
        .import("log", "write", "(param i32 i32 i32)")
        .import("metrics", "counter", "(param i32 i32 i32 i32 i32)")
        .import("metrics", "add", "(param i32 i64)");
    let (line, name) = (guest.put(b"set up"), guest.put(b"setups"));
    guest
        .configure(&format!(
            "(call $write (i32.const 2) (i32.const {line}) (i32.const 6))
             (call $counter (i32.const {name}) (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 0x600))
             (call $add (i32.load (i32.const 0x604)) (i64.const 1))
             (i32.const 0x220)"
        ))
        .requests(
            "(if (i64.eq (i64.load (local.get $sessions)) (i64.const 2)) (then unreachable))
             (i32.const 0x100)",
        )
}

#[test]
fn what_a_component_logs_and_counts_while_it_is_set_up_comes_once_for_each_instance() {
    let cases = "
cases:
  - { name: without a step, log: [info: set up], metrics: { setups: 1 } }
  - { name: with a step, steps: [{ request: PING }], log: [info: set up], metrics: { setups: 1 } }
  - name: after a fault
    steps:
      - { request: PING, session: 2, fault: trap }
      - { request: PING }
    log: [info: set up, info: set up]
    metrics: { setups: 2 }
  - { name: anew, steps: [{ request: PING }], log: [info: set up], metrics: { setups: 1 } }
";
    assert_eq!(run(cases, &load(&talkative())), "");
}

#[test]
fn what_is_expected_and_does_not_come_is_told() {
    let plugin = load(&talkative());
    for (case, words) in [
        ("log: []", "+ info: set up"),
        ("log: [info: set up, info: more]", "- info: more"),
        ("log: [warn: set up]", "- warn: set up"),
        ("metrics: { setups: 2 }", "actual    setups: 1"),
        ("metrics: { setup: 1 }", "no such series; there are\n              setups: 1"),
        ("refuses: no", "it accepts the configuration"),
        ("fault: trap", "it accepts the configuration"),
        ("steps: [{ request: PING, verdict: { watch: 1 } }]", "actual    verdict: forward"),
        ("steps: [{ request: PING, verdict: close }]", "actual    verdict: forward"),
        ("steps: [{ request: PING, session: 2 }]", "actual    fault: { trap: "),
        ("steps: [{ request: PING, session: 2, fault: { trap: nothing } }]", "expected  fault: { trap: nothing }"),
        ("steps: [{ request: PING, session: 2, fault: stack }]", "expected  fault: stack"),
        ("steps: [{ request: PING, response: a, result: b }]", "expected  result: b\n    actual    result: a"),
        ("steps: [{ request: PING, session: 2, fault: trap, result: null }]", "actual    result: { error: "),
    ] {
        let report = run(&format!("cases: [{{ name: a, {case} }}]"), &plugin);
        assert!(report.contains(words), "{case}\n{report}\nshould contain: {words}");
    }
}

#[test]
fn a_request_that_does_not_cross_is_forwarded_and_said_not_to_have_been_seen() {
    let mut guest = Guest::columns().requests("unreachable");
    // An interest in `get` alone: option, list, view, whole, key positions.
    let name = guest.put(b"get");
    let names = guest.put(&[name.to_le_bytes(), 3u32.to_le_bytes()].concat());
    let words = [0u32, 1, names, 1, 2, 0, 0, 0].map(u32::to_le_bytes).concat();
    let interest = guest.put(&words);
    let plugin = load(&guest.configure(&format!("(i32.const {interest})")));
    assert_eq!(run(&with_steps("[{ request: SET k v }, { request: GET k, fault: trap }]"), &plugin), "");
    let report = run(&with_step("{ request: SET k v, fault: trap }"), &plugin);
    assert!(report.contains("seen      nothing: the component has not asked for this command"), "{report}");
}

#[test]
fn large_requests_and_requests_typed_by_hand_cross_like_others() {
    let plugin = load(&Guest::columns().requests("unreachable"));
    let large = format!("{{ request: SET k {}, fault: trap }}", "x".repeat(100_000));
    assert_eq!(run(&with_step(&large), &plugin), "");
    assert_eq!(run(&with_step("{ request: { raw: 'GET \"a b\"\\r\\n' }, fault: trap }"), &plugin), "");
}

#[test]
fn a_deep_reply_is_carried_compared_and_shown() {
    let plugin = load(&talkative());
    let raw = format!("{{ raw: '{}:1\\r\\n' }}", "*1\\r\\n".repeat(20_000));
    assert_eq!(run(&with_step(&format!("{{ request: PING, response: {raw} }}")), &plugin), "");
    let report = run(&with_step(&format!("{{ request: PING, response: {raw}, result: a }}")), &plugin);
    assert!(report.contains("expected  result: a\n    actual    result: { raw: "), "{}", &report[..200]);
    let report = run(&with_step(&format!("{{ request: PING, verdict: {{ reply: {raw} }} }}")), &plugin);
    assert!(report.contains("expected  verdict: { reply: { raw: "), "{}", &report[..200]);
}

#[test]
fn a_server_answers_a_request_that_was_bypassed() {
    let case = |step: &str| format!("on_fault: bypass\n{}", with_step(step));
    // It traps on requests of session 2.
    let guest = talkative().build();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("guest.wasm");
    std::fs::write(&file, guest).unwrap();
    let run = |step: &str| {
        let cases = good(&case(step));
        let mut spec = Spec::from_path("Guest", file.clone());
        cases.apply(&mut spec);
        let plugin = Runtime::new(RuntimeOptions::default()).unwrap().load(&spec).unwrap();
        run(&case(step), &plugin)
    };
    assert_eq!(run("{ request: PING, session: 2, fault: trap, response: a }"), "");
    assert_eq!(run("{ request: PING, session: 2, fault: trap, response: a, result: a }"), "");
    assert_eq!(run("{ request: PING, session: 2, fault: trap }"), "");
    for (step, words) in [
        ("{ request: PING, session: 2, fault: trap, response: a, result: b }", "actual    result: a"),
        ("{ request: PING, session: 2, fault: stack, response: a }", "expected  fault: stack"),
        ("{ request: PING, fault: trap, response: a }", "actual    verdict: forward"),
    ] {
        let report = run(step);
        assert!(report.contains(words), "{step}\n{report}\nshould contain: {words}");
    }
    for (step, words) in [
        ("{ request: PING, fault: trap, responses: [a] }", "give `response`"),
        ("{ request: PING, fault: trap, result: a }", "`response` is missing"),
        ("{ request: PING, verdict: forward, fault: trap, response: a }", "fault: only a watched response crosses"),
    ] {
        let report = report(&case(step));
        assert!(report.contains(words), "{step}\n{report}\nshould contain: {words}");
    }
    good(&case("{ request: PING, verdict: { watch: 1 }, fault: trap, response: a }"));
}
