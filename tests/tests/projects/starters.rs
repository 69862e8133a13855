//! What `sluice plugin new` writes: it builds at once, passes its cases and runs, in every language.

use std::fs;

use sluice_projects::Language;

use crate::desk::{self, Desk, text};

#[test]
fn a_new_project_builds_passes_its_cases_and_runs_by_the_commands_of_its_readme() {
    for language in Language::ALL {
        let name = language.name();
        let desk = Desk::new();
        let project = desk.new_project("key-guard", name);
        let commands = desk::readme_commands(&project);
        let [build, test, run] = &commands[..] else { panic!("{name}: {commands:?}") };

        let printed = desk.type_in(&project, build);
        assert!(printed.contains("built key_guard.wasm") && printed.contains("KeyGuard 0.1.0"), "{name}: {printed}");
        let printed = desk.type_in(&project, test);
        assert!(printed.contains("6 cases"), "{name}: {printed}");
        desk::run(&project, run, |client| {
            assert_eq!(client.ask("FLUSHALL"), "-ERR 'flushall' is denied here\r\n", "{name}");
            assert_eq!(client.ask("GET greeting"), "$14\r\n(nothing here)\r\n", "{name}");
            assert_eq!(client.ask("SET greeting hello"), "+OK\r\n", "{name}");
            assert_eq!(client.ask("GET greeting"), "$5\r\nhello\r\n", "{name}");
        });
    }
}

#[test]
fn a_case_that_fails_shows_the_request_and_both_verdicts_and_fails_the_command() {
    let desk = Desk::new();
    let project = desk.new_project("key-guard", "rust");
    desk.type_in(&project, "sluice plugin build");
    let cases = fs::read_to_string(project.join("cases.yaml")).unwrap();
    fs::write(project.join("cases.yaml"), cases.replace("is denied here", "is fine")).unwrap();
    let output = desk.try_type(&project, "sluice plugin test key_guard.wasm cases.yaml");
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for part in ["FLUSHALL", "ERR 'flushall' is fine", "ERR 'flushall' is denied here", "a denied command"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn a_name_or_a_language_that_will_not_do_is_refused_with_what_would() {
    let desk = Desk::new();
    let refused = |line: &str| {
        let output = desk.try_type(desk.path(), line);
        assert!(!output.status.success(), "{line}");
        text(&output)
    };
    assert!(refused("sluice plugin new KeyGuard --language rust").contains("such as \"key-guard\""));
    assert!(
        refused("sluice plugin new x --language cobol").contains("expected one of rust, c, go, python, javascript")
    );
    assert!(refused("sluice plugin build").contains("sluice plugin new NAME --language"));
}
