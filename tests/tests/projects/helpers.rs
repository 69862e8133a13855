//! The helper files of Python and JavaScript, checked where they run: in a component.

use std::fs;

use sluice_tests::programs;

use crate::desk::Desk;

/// Runs the checks that a transform makes when it is configured. It logs how many passed; what failed is its refusal.
fn check(language: &str, source: &str, count: usize) {
    let desk = Desk::new();
    let project = desk.new_project("checks", language);
    fs::copy(programs::repository().join("tests/tests/projects/helpers").join(source), project.join(source)).unwrap();
    let cases = format!(
        "limits: {{ memory: 256MiB, crossing: 60s, setup: 60s }}\n\
         cases:\n\
         - name: every check passes\n  \
           log: [info: {count} checks]\n"
    );
    fs::write(project.join("cases.yaml"), cases).unwrap();
    desk.type_in(&project, "sluice plugin build");
    desk.type_in(&project, "sluice plugin test checks.wasm cases.yaml");
}

#[test]
fn the_helpers_of_python_keep_what_they_promise() {
    check("python", "transform.py", 7);
}

#[test]
fn the_helpers_of_javascript_keep_what_they_promise() {
    check("javascript", "transform.js", 7);
}
