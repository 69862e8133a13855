//! What is refused for what it imports, and in which words.

use super::guest::Guest;
use super::harness::{load, transform};
use super::load::refusal;
use crate::plugin::{Grant, Grants, Spec, Wasi};

#[test]
fn an_import_without_its_grant_is_refused_by_name_and_with_the_line_that_grants_it() {
    let guest = Guest::columns().import("clock", "unix-ms", "(result i64)");
    let error = refusal(&guest.build(), |_| ());
    assert!(
        error.ends_with(
            "imports `sluice:transform/clock@0.2.0`, but has no grant `clock`. Write `grants: [clock]` where the plugin is declared, \
             if it may have that"
        ),
        "{error}"
    );
    assert!(refusal(&guest.build(), |spec| spec.grants = Grants::NONE.with(Grant::State)).contains("no grant `clock`"));
    load(&guest, |spec| spec.grants = Grants::NONE.with(Grant::Clock)).unwrap();
}

#[test]
fn everything_that_a_declaration_lacks_is_said_at_once() {
    let guest = wasi_guest()
        .import("state", "delete", "(param i32 i32) (result i32)")
        .import("log", "enabled", "(param i32) (result i32)")
        .import("clock", "unix-ms", "(result i64)");
    let error = refusal(&guest.build(), |spec| spec.grants = Grants::NONE.with(Grant::Random));
    assert!(
        error.contains(
            "imports `sluice:transform/clock@0.2.0` and `sluice:transform/state@0.2.0`, but has no grants `clock` and `state`; it \
             also imports `wasi:cli/environment@0.2.6` of WASI, which is not offered: a transform has no files, no environment \
             and no network. Write `grants: [clock, random, state]` and `wasi: stub` (which links an inert one) where"
        ),
        "{error}"
    );
    load(&guest, |spec| {
        spec.grants = [Grant::Clock, Grant::Random, Grant::State].into_iter().collect();
        spec.wasi = Wasi::Stub;
    })
    .unwrap();
}

#[test]
fn what_everyone_is_granted_needs_no_grant() {
    let guest = Guest::columns().import("log", "enabled", "(param i32) (result i32)");
    load(&guest, |_| ()).unwrap();
}

#[test]
fn an_import_that_the_host_does_not_have_is_refused_by_name() {
    let guest = Guest::columns().foreign(
        "package acme:files@1.0.0; interface read { all: func(); }",
        "acme:files/read@1.0.0",
        "all",
        "",
    );
    let error = refusal(&guest.build(), |_| ());
    assert!(
        error.ends_with(
            "imports `acme:files/read@1.0.0`, which this host does not have; it offers `log`, `metrics`, `commands`, `clock`, \
             `random`, `sessions` and `state` of `sluice:transform` and nothing else. Leave it out, or compose the component with \
             one that exports it"
        ),
        "{error}"
    );
}

#[test]
fn an_import_whose_name_is_nearly_right_is_told_the_right_one() {
    let clock = Guest::columns().altering("clock", "clok").import("clok", "unix-ms", "(result i64)");
    let metrics = Guest::columns().importing_from("0.1.0").altering("metrics", "metric");
    let log = Guest::columns().foreign(
        "package sluice:transforms@7.0.0; interface log { write: func(); }",
        "sluice:transforms/log@7.0.0",
        "write",
        "",
    );
    for (guest, found, meant) in [
        (clock, "sluice:transform/clok@0.2.0", "sluice:transform/clock@0.2.0"),
        (
            metrics.import("metric", "add", "(param i32 i64)"),
            "sluice:transform/metric@0.1.0",
            "sluice:transform/metrics@0.1.0",
        ),
        (log, "sluice:transforms/log@7.0.0", "sluice:transform/log@0.2.0"),
    ] {
        let error = refusal(&guest.build(), |_| ());
        let expected = format!("imports `{found}`, which this host does not have; did you mean `{meant}`?");
        assert!(error.ends_with(&expected), "{error}");
    }
}

fn with_the_clock(spec: &mut Spec) {
    spec.grants = Grants::NONE.with(Grant::Clock);
}

#[test]
fn a_function_that_an_interface_does_not_have_is_told_the_nearest_one() {
    let guest = Guest::columns().altering("unix-ms", "unix-mss").import("clock", "unix-mss", "(result i64)");
    let error = refusal(&guest.build(), with_the_clock);
    assert!(
        error.ends_with(
            "imports `sluice:transform/clock@0.2.0` with the function `unix-mss`, which that interface does not have; did you mean \
             `unix-ms`?"
        ),
        "{error}"
    );
    let guest = Guest::columns().altering("unix-ms", "sleep").import("clock", "sleep", "(result i64)");
    let error = refusal(&guest.build(), with_the_clock);
    assert!(error.ends_with("expected one of unix-ms, monotonic-ns"), "{error}");
}

#[test]
fn a_function_that_came_with_a_later_version_says_with_which() {
    let guest = Guest::columns().import("metrics", "explain", "(param i32 i32 i32 i32)");
    let error = refusal(&guest.clone().importing_from("0.1.0").build(), |_| ());
    assert!(
        error.ends_with(
            "imports `sluice:transform/metrics@0.1.0` with the function `explain`, which that interface does not have; it came with \
             0.2.0. Rebuild it against 0.2.0 or a later version"
        ),
        "{error}"
    );
    load(&guest, |_| ()).unwrap();
}

#[test]
fn a_function_that_is_imported_with_another_type_is_named_with_what_is_different() {
    let guest = Guest::columns().altering("unix-ms: func() -> u64", "unix-ms: func() -> u32").import(
        "clock",
        "unix-ms",
        "(result i32)",
    );
    let error = refusal(&guest.build(), with_the_clock);
    assert!(
        error.contains(
            "imports `sluice:transform/clock@0.2.0` as the contract does not have it: its function `unix-ms` has"
        ),
        "{error}"
    );
    assert!(error.contains("u64") && error.contains("u32"), "{error}");
    assert!(error.ends_with("Rebuild it against the WIT files or the SDK that come with this host"), "{error}");
}

#[test]
fn what_the_host_has_is_what_the_interfaces_say() {
    let mut resolve = wit_parser::Resolve::default();
    let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(&wit).unwrap();
    let world = &resolve.worlds[resolve.packages[package].worlds["host"]];
    let mut interfaces = 0;
    for import in world.imports.values() {
        let wit_parser::WorldItem::Interface { id, .. } = import else { continue };
        let interface = &resolve.interfaces[*id];
        let capability = crate::plugin::host::find(interface.name.as_deref().unwrap()).unwrap();
        let since = |function: &wit_parser::Function| match &function.stability {
            wit_parser::Stability::Stable { since, .. } => since.to_string(),
            _ => "0.1.0".to_owned(),
        };
        let written: Vec<_> =
            interface.functions.values().map(|function| (function.name.clone(), since(function))).collect();
        let known: Vec<_> =
            capability.functions.iter().map(|(name, since)| ((*name).to_owned(), since.to_string())).collect();
        assert_eq!(known, written, "{}", capability.name);
        interfaces += 1;
    }
    assert_eq!(interfaces, crate::plugin::host::interfaces().count());
}

/// A component that asks WASI for its arguments when it is configured.
fn wasi_guest() -> Guest {
    Guest::columns()
        .foreign(
            "package wasi:cli@0.2.6; interface environment {
                get-arguments: func() -> list<string>;
                get-environment: func() -> list<tuple<string, string>>;
                initial-cwd: func() -> option<string>;
            }",
            "wasi:cli/environment@0.2.6",
            "get-arguments",
            "(param i32)",
        )
        // Trap unless the list of arguments is empty.
        .configure(
            "(i32.store (i32.const 0x604) (i32.const 7))
             (call $get_arguments (i32.const 0x600))
             (if (i32.load (i32.const 0x604)) (then unreachable))
             (i32.const 0x220)",
        )
}

#[test]
fn wasi_is_refused_by_name_unless_a_stub_is_linked() {
    let guest = wasi_guest();
    let error = refusal(&guest.build(), |_| ());
    assert!(
        error.ends_with(
            "imports `wasi:cli/environment@0.2.6` of WASI, which is not offered: a transform has no files, no environment and no \
             network. Write `wasi: stub` (which links an inert one) where the plugin is declared, if it may have that, or build \
             it without WASI"
        ),
        "{error}"
    );
    transform(&guest, |spec| spec.wasi = Wasi::Stub).unwrap();
}

#[test]
fn what_the_wasi_stub_does_not_answer_traps_by_name() {
    let guest = Guest::columns()
        .foreign(
            "package wasi:cli@0.2.6; interface exit { exit: func(ok: bool); }",
            "wasi:cli/exit@0.2.6",
            "exit",
            "(param i32)",
        )
        .configure("(call $exit (i32.const 0)) (i32.const 0x220)");
    let error = transform(&guest, |spec| spec.wasi = Wasi::Stub).unwrap_err().to_string();
    assert_eq!(
        error,
        "plugin `Tested` trapped: unknown import: `wasi:cli/exit@0.2.6#exit` has not been defined, while it was set up"
    );
}
