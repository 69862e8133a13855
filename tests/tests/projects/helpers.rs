//! The helper files of the languages, checked where they run: in a component.

use std::fs;

use sluice_tests::programs;

use crate::desk::Desk;

/// Runs the checks that a transform makes when it is configured. It logs how many passed; what failed is its refusal. `more` are cases of
/// the language alone.
fn check(language: &str, source: &str, count: usize, more: &str) {
    let desk = Desk::new();
    let project = desk.new_project("checks", language);
    fs::copy(programs::repository().join("tests/tests/projects/helpers").join(source), project.join(source)).unwrap();
    let cases = format!(
        "limits: {{ memory: 256MiB, crossing: 60s, setup: 60s }}\n\
         cases:\n\
         - name: every check passes\n  \
           log: [info: {count} checks]\n\
         {more}"
    );
    fs::write(project.join("cases.yaml"), cases).unwrap();
    desk.type_in(&project, "sluice plugin build");
    desk.type_in(&project, "sluice plugin test checks.wasm cases.yaml");
}

#[test]
fn the_helpers_of_python_keep_what_they_promise() {
    let cases = "
- name: what has no line break is a line where it is flushed, and where a crossing ends
  steps:
  - { request: GET key, fault: { trap: 'trapped: wasm `unreachable` instruction executed' } }
  log:
  - info: 7 checks
  - info: two words
  - info: 'begun, '
  - error: 'ValueError: and then'
  - error: '  transform.py:28, in RequestsRows.handle'
";
    check("python", "transform.py", 7, cases);
}

#[test]
fn the_helpers_of_javascript_keep_what_they_promise() {
    let cases = "
- name: a node of the host's is the value that it stands for
  steps:
  - { request: GET key, verdict: { watch: 1 }, response: hello, result: [hello, hello] }
  - { request: GET key, verdict: { watch: 1 }, response: { simple: OK }, result: [{ simple: OK }, { simple: OK }] }
  - { request: GET key, verdict: { watch: 1 }, response: null, result: [null, null] }
- name: a list's first node alone is a mistake
  steps:
  - { request: GET key, verdict: { watch: 1 }, response: [hello], fault: { trap: 'trapped: wasm `unreachable` instruction executed' } }
";
    check("javascript", "transform.js", 8, cases);
}

#[test]
fn the_header_of_c_keeps_what_it_promises() {
    let cases = r"
- name: a client's bytes cannot make a log line a fault
  steps:
  - request: { raw: '*2\r\n$3\r\nGET\r\n$3\r\na\xffz\r\n' }
  log: [info: 2 checks, info: asked for a?z]
- name: nor can a refusal be one
  config: { bytes: any }
  refuses: 'refused: ?'
- name: there is no randomness that is none
  steps:
  - { request: GET random, fault: { trap: 'trapped: wasm `unreachable` instruction executed' } }
  log: [info: 2 checks, error: { starts_with: there is no randomness here }]
";
    check("c", "transform.c", 2, cases);
}

#[test]
fn the_package_of_go_and_what_stands_in_for_wasi_keep_what_they_promise() {
    let cases = format!(
        "\n- name: what is printed in pieces is logged in lines\n  \
           steps:\n  \
           - request: GET lines\n  \
           log: [info: 2 checks, info: 'one line ?', info: another, warn: {}, warn: x, info: unfinished]\n",
        "x".repeat(1024)
    );
    check("go", "transform.go", 2, &cases);
}
