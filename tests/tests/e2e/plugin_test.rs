//! `sluice plugin test`: a component against the cases of a file, without any server.

use std::path::Path;

use sluice_tests::programs;
use sluice_tests::sluice::{Finished, finish};

/// Tests a component (a file of ours, or a standard plugin) against these cases.
fn test(component: &str, options: &[&str], cases: &str) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cases.yaml");
    std::fs::write(&file, cases).unwrap();
    let mut finished = run(component, options, &file);
    // So that what is expected need not know the directory.
    finished.output = finished.output.replace(&format!("{}/", directory.path().display()), "");
    finished.output = tidy(&finished.output);
    finished
}

fn run(component: &str, options: &[&str], file: &Path) -> Finished {
    let component = match component.strip_suffix(".wasm") {
        Some(_) => programs::component(component).display().to_string(),
        None => component.to_owned(),
    };
    finish(&[&["plugin", "test", &component], options].concat(), file)
}

/// Where in its source a component panics is of no interest, and stdout and stderr come by different ways: the summary last, and no
/// empty lines.
fn tidy(output: &str) -> String {
    let line = |line: &str| match (line.split_once("panicked at "), line.split_once(":\\n")) {
        (Some((before, _)), Some((_, what))) => format!("{before}panicked at PLACE:\\n{what}\n"),
        _ => format!("{line}\n"),
    };
    let (summary, lines): (Vec<&str>, Vec<&str>) = output
        .lines()
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with("error: ") && line.ends_with(" failed"));
    lines.into_iter().chain(summary).map(line).collect()
}

#[track_caller]
fn assert_passed(finished: &Finished, cases: usize) {
    assert!(finished.status.success(), "{}", finished.output);
    let ok = finished.output.lines().filter(|line| line.starts_with("ok     ")).count();
    assert_eq!(ok, cases, "{}", finished.output);
}

/// The cases fail, and this is all that is said.
#[track_caller]
fn assert_failed(finished: &Finished, output: &str) {
    assert_eq!(finished.status.code(), Some(1), "{}", finished.output);
    assert_eq!(finished.output.trim(), output.trim(), "{}", finished.output);
}

#[test]
fn the_standard_plugins_pass_their_own_cases() {
    let plugins = [
        ("KeyPrefix", "key-prefix", 9),
        ("CommandFilter", "command-filter", 7),
        ("RequestLogger", "request-logger", 5),
    ];
    for (name, directory, cases) in plugins {
        let file = programs::repository().join("plugins").join(directory).join("cases.yaml");
        assert_passed(&run(name, &[], &file), cases);
    }
}

#[test]
fn the_documented_example_passes_and_fails_as_it_is_documented() {
    let docs = std::fs::read_to_string(programs::repository().join("docs/cases.md")).unwrap();
    let block = |language: &str, containing: &str| {
        let begin = format!("```{language}\n");
        let mut blocks = docs.split(&begin).skip(1).filter_map(|rest| rest.split("```").next());
        blocks.find(|block| block.contains(containing)).unwrap().to_owned()
    };
    let example = block("yaml", "# sluice plugin test CommandFilter");
    assert_passed(&test("CommandFilter", &[], &example), 3);
    // What is documented as a failure is that of the first case without its verdict.
    let verdict =
        "        verdict: { reply: { error: \"NOPERM this proxy does not allow the command 'flushall'\" } }\n";
    let finished = test("CommandFilter", &["--case", "refused and counted"], &example.replacen(verdict, "", 1));
    let failure = block("text", "FAILED");
    assert_failed(&finished, &format!("{failure}error: 1 of 1 case failed"));
}

#[test]
fn a_case_that_fails_prints_the_request_the_expected_and_the_actual_verdict() {
    let cases = r#"
config: { prefix: "a:" }
cases:
  - name: the wrong key
    steps:
      - request: PING
      - request: SET k "two words"
        verdict: { rewrite: SET b:k "two words" }
  - name: the wrong tag
    steps:
      - vector:
          - request: GET k
            verdict: { rewrite: "GET a:k" }
          - request: KEYS *
            session: 2
            verdict: { rewrite: "KEYS a:*", watch: 1 }
  - name: the wrong result
    steps:
      - request: KEYS *
        verdict: { rewrite: "KEYS a:*", watch: any }
        response: ["a:k", "a:\n"]
  - name: the right one
    steps:
      - request: GET k
        verdict: { rewrite: "GET a:k" }
"#;
    let expected = r#"
FAILED the wrong key
  cases.yaml:7:9: step 2
    request   SET k "two words"
    seen      SET k <9 bytes>  (argument 1 is a key)
    expected  verdict: { rewrite: SET b:k "two words" }
    actual    verdict: { rewrite: SET a:k "two words" }
FAILED the wrong tag
  cases.yaml:14:13: step 1, request 2
    request   KEYS *
    seen      KEYS *
    expected  verdict: { rewrite: KEYS a:*, watch: 1 }
    actual    verdict: { rewrite: KEYS a:*, watch: 257 }
FAILED the wrong result
  cases.yaml:19:9: step 1
    request   KEYS *
    seen      KEYS *
    expected  result: [a:k, "a:\n"]
    actual    result: [k, "\n"]
ok     the right one
error: 3 of 4 cases failed
"#;
    assert_failed(&test("key_prefix.wasm", &[], cases), expected);
}

#[test]
fn what_is_logged_and_counted_is_held_against_what_was_expected() {
    let cases = r#"
cases:
  - name: the lines
    steps:
      - request: GET k
      - request: PING
    log:
      - info: request id=1 session=1 peer=127.0.0.1:50001 command=get arguments=2 keys=1 bytes=4
      - warn: { starts_with: request id=1 }
"#;
    let expected = r#"
FAILED the lines
  cases.yaml:7:5: log (- is missing, + is not expected)
      info: request id=1 session=1 peer=127.0.0.1:50001 command=get arguments=2 keys=1 bytes=4
    - warn: { starts_with: request id=1 }
    + info: request id=2 session=1 peer=127.0.0.1:50001 command=ping arguments=1 keys=0 bytes=4
error: 1 of 1 case failed
"#;
    assert_failed(&test("RequestLogger", &[], cases), expected);
    let cases = r#"
config: { deny: [get] }
cases:
  - name: the counts
    steps:
      - request: GET k
        verdict: { reply: { error: NOPERM this proxy does not allow the command 'get' } }
    metrics: { denied_requests: 2, 'denied{command="get"}': 1 }
"#;
    let expected = r#"
FAILED the counts
  cases.yaml:8:5: metrics
    expected  denied_requests: 2
    actual    denied_requests: 1
  cases.yaml:8:5: metrics
    expected  'denied{command="get"}': 1
    actual    no such series; there are
              denied_requests: 1
error: 1 of 1 case failed
"#;
    assert_failed(&test("CommandFilter", &[], cases), expected);
}

/// What the component `hostile` does on demand.
const FAULTS: &str = r#"
grants: [clock]
limits: { crossing: 200ms }
cases:
  - name: faults of requests are expected by their kinds
    steps:
      - request: GET panic
        fault: { trap: unreachable }
        result: { error: ERR transform 'hostile' failed on this request }
      - request: GET loop
        fault: deadline
      - request: GET bomb
        fault: memory
      - request: GET overflow
        fault: stack
        session: 2
      - request: GET two-frames
        fault: invalid-answer
        session: 2
  - name: a session that goes on faulting is suspended
    steps:
      - vector: [{ request: GET panic, fault: trap }]
      - vector: [{ request: GET panic, fault: trap }]
      - vector: [{ request: GET panic, fault: trap }]
      - vector: [{ request: GET panic, fault: trap }]
      - request: GET k
        fault: suspended
        result: { error: ERR transform 'hostile' is suspended after repeated faults }
  - name: a fault costs no other session anything
    steps:
      - vector:
          - request: GET panic
            fault: trap
          - request: GET become,PING
            session: 2
            verdict: { rewrite: PING }
            response: { simple: PONG }
  - name: a fault of a response
    steps:
      - request: GET response,panic
        verdict: { watch: 3 }
        response: value
        fault: trap
        result: { error: ERR transform 'hostile' failed on this request }
      - request: GET response,keep
        verdict: { watch: 0 }
        response: value
        pushes:
          - response: { push: [message, c, text] }
  - name: requests are fanned out and their responses gathered
    steps:
      - request: GET fan,GET+a,PING
        verdict: { fan_out: [GET a, PING] }
        responses: [1, { simple: PONG }]
      - request: GET fan,GET+a
        verdict: { fan_out: [GET a] }
        responses: [null]
        result: [null]
  - name: sessions are closed
    steps:
      - request: GET close
        verdict: close
      - request: GET close-with
        session: 2
        verdict: { close: { error: ERR closed by a transform } }
        result: { error: ERR closed by a transform }
  - name: a setup that never ends
    config: { setup: loop }
    fault: deadline
  - name: a setup that refuses
    config: { setup: refuse }
    refuses: "setup: found refuse, expected anything else"
"#;

#[test]
fn faults_and_every_verdict_are_those_of_production() {
    assert_passed(&test("hostile.wasm", &[], FAULTS), 8);
}

#[test]
fn what_a_fault_does_to_a_session_is_the_policy_s() {
    let cases = |policy: &str, result: &str| {
        format!(
            "grants: [clock]\non_fault: {policy}\ncases:\n- name: c\n  steps:\n  - {{ request: GET panic, fault: trap{result} }}\n  - request: GET k\n    response: v\n"
        )
    };
    let error = ", result: { error: ERR transform 'hostile' failed on this request }";
    assert_passed(&test("hostile.wasm", &[], &cases("reject", error)), 1);
    assert_passed(&test("hostile.wasm", &[], &cases("bypass", "")), 1);
    let expected = "
error: cases.yaml:6:40: cases[0].steps[0].result: there is nothing that it could be made of: `response` is missing
";
    assert_failed(&test("hostile.wasm", &[], &cases("bypass", error)), expected);
    let expected = "
FAILED c
  cases.yaml:7:5: step 2
    request   GET k
    actual    session 1 was closed in an earlier step: nothing comes of it any more
  log lines that were written
    error: panicked at PLACE:\\na panic on demand
error: 1 of 1 case failed
";
    assert_failed(&test("hostile.wasm", &[], &cases("close", error)), expected);
}

#[test]
fn a_fault_or_a_refusal_that_nobody_expected_is_shown() {
    let cases = r#"
grants: [clock]
cases:
  - name: a fault
    steps:
      - request: GET half-a-frame
        verdict: { reply: half }
  - name: no fault
    steps:
      - request: GET k
        fault: trap
  - name: no fault of the response
    steps:
      - request: GET response,keep
        verdict: { watch: 0 }
        response: [value, 1]
        fault: trap
  - name: another fault
    steps:
      - request: GET response,panic
        verdict: { watch: 3 }
        response: value
        fault: stack
  - name: a refusal
    config: { setup: refuse }
    steps: [{ request: PING }]
  - name: another refusal
    config: { setup: refuse }
    refuses: "setup: found refuse"
  - name: no refusal
    refuses: "no"
"#;
    let expected = r#"
FAILED a fault
  cases.yaml:6:9: step 1
    request   GET half-a-frame
    seen      GET half-a-frame
    expected  verdict: { reply: half }
    actual    fault: { invalid-answer: 'returned an invalid answer: verdict 0 has a frame that is not complete' }
FAILED no fault
  cases.yaml:10:9: step 1
    request   GET k
    seen      GET k
    expected  fault: trap
    actual    verdict: forward
FAILED no fault of the response
  cases.yaml:14:9: step 1
    request   GET response,keep
    seen      GET response,keep
    response  [value, 1]
    expected  fault: trap
    actual    result: [value, 1]
FAILED another fault
  cases.yaml:20:9: step 1
    request   GET response,panic
    seen      GET response,panic
    response  value
    expected  fault: stack
    actual    fault: { trap: 'trapped: wasm `unreachable` instruction executed' }
  log lines that were written
    error: panicked at PLACE:\na panic on demand
FAILED a refusal
  cases.yaml:24:5: configuration
    config    {"setup":"refuse"}
    expected  it accepts the configuration
    actual    refuses: 'setup: found refuse, expected anything else'
FAILED another refusal
  cases.yaml:27:5: configuration
    config    {"setup":"refuse"}
    expected  refuses: 'setup: found refuse'
    actual    refuses: 'setup: found refuse, expected anything else'
FAILED no refusal
  cases.yaml:30:5: configuration
    config    {}
    expected  refuses: no
    actual    it accepts the configuration
error: 7 of 7 cases failed
"#;
    assert_failed(&test("hostile.wasm", &[], cases), expected);
}

/// One message: exit code 1, all of these, and nothing of the program's insides.
#[track_caller]
fn assert_refused(finished: &Finished, expected: &[&str]) {
    finished.assert_refused(expected);
    let output = &finished.output;
    assert!(output.starts_with("error: ") && output.lines().count() <= 6, "{output}");
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_line_and_path() {
    for (cases, expected) in [
        ("", &["cases.yaml", "`cases` is missing"][..]),
        ("cases: []", &["cases.yaml:1:8: cases: there must be at least one case"]),
        ("cases: [", &["cases.yaml is not valid YAML", "line 2"]),
        ("cases:\n- name: a\n  stepz: []\n", &["cases.yaml:3:3: cases[0].stepz: unknown key (did you mean `steps`?)"]),
    ] {
        assert_refused(&test("KeyPrefix", &[], cases), expected);
    }
    assert_refused(
        &run("KeyPrefix", &[], Path::new("/nowhere/cases.yaml")),
        &["the case file /nowhere/cases.yaml", "No such file"],
    );
}

#[test]
fn a_component_that_cannot_be_loaded_is_refused_by_its_path() {
    let cases = "cases: [{ name: a, steps: [{ request: PING }] }]";
    assert_refused(&test("/nowhere/mine", &[], cases), &["/nowhere/mine", "No such file"]);
    assert_refused(&test("hostile.wasm", &[], cases), &["hostile.wasm", "no grant `clock`"]);
}

#[test]
fn cases_are_chosen_by_a_part_of_their_names() {
    let finished = test("hostile.wasm", &["--case", "a setup"], FAULTS);
    assert_passed(&finished, 2);
    assert!(finished.output.ends_with("\n2 cases passed\n"), "{}", finished.output);
    assert_refused(
        &test("KeyPrefix", &["--case", "none"], "cases: [{ name: the only one, log: [] }]"),
        &["cases.yaml has no case whose name contains \"none\"; there are", "the only one"],
    );
}

#[test]
fn compiled_components_are_kept_where_they_are_asked_to_be() {
    let kept = tempfile::tempdir().unwrap();
    let directory = kept.path().join("cache");
    let cases = "config: { prefix: p }\ncases: [{ name: a, steps: [{ request: PING }] }]";
    assert_passed(&test("key_prefix.wasm", &["--cache-dir", directory.to_str().unwrap()], cases), 1);
    assert!(std::fs::read_dir(&directory).unwrap().count() > 0);
    assert_passed(&test("key_prefix.wasm", &["--no-cache"], cases), 1);
}
