//! What `sluice plugin inspect` says of a component.

use std::path::Path;
use std::process::Command;

use sluice_tests::programs;

/// What it prints, and whether it succeeds.
fn inspect(component: &Path, options: &[&str]) -> (bool, String) {
    let mut command = Command::new(programs::sluice());
    let output = command.args(["plugin", "inspect"]).arg(component).args(options).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), text)
}

/// The rest of the line that begins with this label.
#[track_caller]
fn row<'t>(text: &'t str, label: &str) -> &'t str {
    let rest = text.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(label)?.strip_prefix(' '));
    rest.unwrap_or_else(|| panic!("there is no {label} in\n{text}")).trim()
}

#[test]
fn a_component_says_what_it_is_wants_and_costs() {
    let (succeeded, text) = inspect(&programs::component("key_prefix.wasm"), &["--config", "prefix: 'a:'"]);
    assert!(succeeded, "{text}");
    assert!(text.starts_with("KeyPrefix 0.1.0\nPuts a prefix before every key"), "{text}");
    for (label, value) in
        [("contract", "0.2.0"), ("lane", "columns"), ("phases", "requests, responses"), ("grants", "none")]
    {
        assert_eq!(row(&text, label), value, "{text}");
    }
    assert!(row(&text, "imports").contains("sluice:transform/commands@0.2.0"), "{text}");
    assert_eq!(row(&text, "sha256").len(), 64, "{text}");
    assert!(text.contains("\nwants, with {\"prefix\":\"a:\"}\n"), "{text}");
    assert_eq!(row(&text, "commands"), "all, those that the host does not know included", "{text}");
    assert!(row(&text, "whole").contains("keys, scan"), "{text}");
    assert_eq!(row(&text, "view"), "keys: the names of commands, and keys", "{text}");
    assert_eq!(row(&text, "keys"), "it is told which arguments are keys", "{text}");
    let memory: u64 = row(&text, "memory").split(' ').next().unwrap().parse().unwrap();
    assert!((1 << 16..16 << 20).contains(&memory), "{text}");
    for label in ["compiling", "starting"] {
        let milliseconds: f64 = row(&text, label).split(' ').next().unwrap().parse().unwrap();
        assert!(milliseconds > 0.0, "{text}");
    }
}

#[test]
fn many_commands_are_not_all_named() {
    let component = programs::component("command_filter.wasm");
    let (_, text) = inspect(&component, &["--config", "{ deny: ['@write'] }"]);
    let commands = row(&text, "commands");
    assert!(commands.starts_with("append, "), "{text}");
    let (named, more) = commands.rsplit_once(" and ").unwrap();
    assert_eq!(named.split(", ").count(), 12, "{text}");
    assert!(more.ends_with(" more"), "{text}");
}

#[test]
fn a_component_that_needs_a_configuration_says_which_and_how_to_give_it_one() {
    let component = programs::component("key_prefix.wasm");
    let (succeeded, text) = inspect(&component, &[]);
    assert!(succeeded, "{text}");
    assert!(row(&text, "config").starts_with("it refuses {}: "), "{text}");
    assert!(row(&text, "config").contains("prefix") && text.contains("`--config` gives it one"), "{text}");
    assert!(row(&text, "compiling").ends_with(" ms"), "{text}");
    assert!(!text.contains("memory"), "nothing was started: {text}");
    let (succeeded, text) = inspect(&component, &["--config", "{ prefix: 7 }"]);
    assert!(!succeeded && text.contains("refuses its configuration: prefix"), "{text}");
}

#[test]
fn a_component_that_was_made_for_an_older_contract_says_for_which() {
    let component = programs::repository().join("tests/frozen/0.1/witness_rows.wasm");
    let (succeeded, text) = inspect(&component, &[]);
    assert!(succeeded, "{text}");
    assert_eq!(row(&text, "contract"), "0.1.0", "{text}");
    assert_eq!(row(&text, "lane"), "rows", "{text}");
    assert_eq!(row(&text, "grants").split(", ").count(), 4, "{text}");
    assert_eq!(row(&text, "commands").split(", ").count(), 6, "{text}");
    assert_eq!(row(&text, "whole"), "none", "{text}");
    assert!(!text.contains("a witness is configured"), "what it logs is not shown: {text}");
}
