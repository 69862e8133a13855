//! Components that were made for other versions of the contract than the one that this host speaks.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;

use super::guest::Guest;
use super::harness::{Requests, Speaks, cross, cross_back, load, load_bytes, site};
use crate::plugin::{ContractVersion, Grant, Instance, KEY, Lane, Phases, Plugin, Spec, Wasi};

/// The lanes, each with the frozen component of it.
const LANES: [(Lane, &str); 2] = [(Lane::Columns, "witness_columns.wasm"), (Lane::Rows, "witness_rows.wasm")];

/// What the witnesses need: see `tests/frozen/README.md`.
fn witness(file: &str) -> Arc<Plugin> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/frozen/0.1").join(file);
    load_bytes(&fs::read(path).unwrap(), |spec| {
        spec.grants = Grant::ALL.into_iter().collect();
        spec.limits.state = 4 << 10;
        spec.limits.crossing = std::time::Duration::from_secs(1);
    })
    .unwrap()
}

fn started(plugin: &Arc<Plugin>) -> Instance {
    plugin.configure(&json!({}), site()).unwrap().instantiate(Rc::new(Speaks(3)))
}

/// A request as the worker would give it: with its command, and with the arguments at `keys`
/// marked.
fn request(words: &[&str], keys: &[usize]) -> Requests {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut batch = Requests::of(&[&words]);
    batch.commands[0] = sluice_commands::lookup(words[0], || words.get(1).copied()).index();
    for &key in keys {
        batch.arg_lengths[key] |= KEY;
    }
    batch
}

#[test]
fn a_frozen_component_says_what_it_was_made_for() {
    for (lane, file) in LANES {
        let plugin = witness(file);
        assert_eq!(plugin.contract().to_string(), "0.1.0");
        assert_eq!(plugin.lane(), lane);
        assert_eq!(plugin.phases(), Phases { requests: true, responses: true });
        for interface in ["log", "metrics", "commands", "clock", "random", "sessions", "state"] {
            let name = format!("sluice:transform/{interface}@0.1.0");
            assert!(plugin.imports().contains(&name), "{file} imports {name}");
        }
        let transform = plugin.configure(&json!({}), site()).unwrap();
        assert_eq!(transform.description().name, "Witness");
        let refused = plugin.configure(&json!({ "refuse": 1 }), site()).unwrap_err().to_string();
        assert!(refused.ends_with(r#"refuse: found {"refuse":1}, expected it not to be there"#), "{refused}");
    }
}

#[test]
fn a_frozen_component_gives_every_verdict_that_it_gave() {
    let verdicts = [
        (request(&["GET", "k"], &[1]), "0: forward watched 1"),
        (request(&["SET", "k", "v"], &[1]), r#"0: rewrite "SET" "k" "<v>""#),
        (request(&["INCR", "n"], &[1]), r"0: reply :1\r\n"),
        (request(&["MGET", "a", "b"], &[1, 2]), r#"0: fan out ["GET" "a", "GET" "b"]"#),
        (request(&["LOLWUT"], &[]), r"0: close +bye\r\n"),
    ];
    for (_, file) in LANES {
        let mut instance = started(&witness(file));
        for (request, verdict) in &verdicts {
            assert_eq!(cross(&mut instance, request).unwrap(), [*verdict], "{file}");
        }
        let changes = cross_back(&mut instance, &[b"$1\r\nv\r\n", b":1\r\n"]).unwrap();
        assert_eq!(changes, [(0, b"$16\r\nv (seen, 10 key)\r\n".to_vec())], "{file}");
    }
}

#[test]
fn a_frozen_component_has_everything_that_the_host_offered_then() {
    const LINES: [&str; 14] = [
        // Nobody keeps logs in this test.
        "log false",
        "metrics true",
        "commands true",
        "clock true",
        "random true 5",
        "sessions source default 7 3 true",
        "state.set true",
        "state.set true",
        "state.get true",
        "state.expires-in true",
        "state.compare-and-swap Some(true) Some(false)",
        "state.increment true",
        "state.keys 1",
        "state.delete true false",
    ];
    for (_, file) in LANES {
        let mut instance = started(&witness(file));
        let verdicts = cross(&mut instance, &request(&["ECHO", "capabilities"], &[])).unwrap();
        let lines = LINES.map(|line| format!(r"${}\r\n{line}\r\n", line.len())).concat();
        assert_eq!(verdicts, [format!(r"0: reply *{}\r\n{lines}", LINES.len())], "{file}");
    }
}

fn refusal(wat: &str, change: impl FnOnce(&mut Spec)) -> String {
    let error = load_bytes(&wat::parse_str(wat).unwrap(), change).unwrap_err().to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

fn exporting(names: &[&str]) -> String {
    let exports: String = names.iter().map(|name| format!(r#"(export "{name}" (instance $none))"#)).collect();
    format!("(component (instance $none) {exports})")
}

#[test]
fn a_component_of_a_newer_version_is_refused_with_what_was_found_and_what_to_do() {
    for version in ["0.3.0", "1.0.0"] {
        let error = refusal(&exporting(&[&format!("sluice:transform/lifecycle@{version}")]), |_| ());
        assert!(
            error.ends_with(&format!(
                "exports `sluice:transform/lifecycle@{version}`: it was made for a version of the contract that is newer than \
                 this host; this host speaks 0.2.0 and runs components made for 0.1.0 and 0.2.0. Run it with a Sluice that speaks \
                 {version}, or rebuild it against 0.2.0, with the WIT files or the SDK that come with this host"
            )),
            "{error}"
        );
    }
}

#[test]
fn a_component_of_a_version_that_is_no_longer_run_or_never_was_one_is_told_to_be_rebuilt() {
    for (version, why) in [("@0.0.9", "is no longer run"), ("@0.3.0-rc.1", "has no number"), ("", "has no number")] {
        let error = refusal(&exporting(&[&format!("sluice:transform/lifecycle{version}")]), |_| ());
        assert!(error.contains(&format!("a version of the contract that {why}; this host speaks 0.2.0")), "{error}");
        assert!(error.contains(". Rebuild it against 0.2.0"), "{error}");
    }
}

#[test]
fn the_version_of_an_import_is_judged_before_what_it_is() {
    let wat = r#"(component
        (import "sluice:transform/upstream@0.3.0" (instance (export "ask" (func))))
        (import "acme:files/read@1.0.0" (instance (export "all" (func))))
        (import "sluice:transform/clock@0.2.0" (instance (export "unix-ms" (func (result u64)))))
        (instance $none)
        (export "sluice:transform/lifecycle@0.2.0" (instance $none)))"#;
    let error = refusal(wat, |_| ());
    assert!(error.contains("imports `sluice:transform/upstream@0.3.0`: it was made for a version of"), "{error}");
    assert!(error.contains("Run it with a Sluice that speaks 0.3.0"), "{error}");
}

#[test]
fn what_differs_in_its_patch_alone_is_the_same_version() {
    let guest = Guest::columns().import("log", "enabled", "(param i32) (result i32)");
    let calling = "(drop (call $enabled (i32.const 0))) (i32.const 0x100)";
    let newer = guest.requests(calling).of_version("0.2.9");
    for wasi in [Wasi::None, Wasi::Stub] {
        let plugin = load(&newer, |spec| spec.wasi = wasi).unwrap();
        assert_eq!(plugin.contract().to_string(), "0.2.9");
        cross(&mut started(&plugin), &request(&["GET", "k"], &[])).unwrap();
    }
}

#[test]
fn imports_may_be_of_any_version_that_is_run_and_exports_are_all_of_one() {
    let guest = Guest::columns().import("log", "enabled", "(param i32) (result i32)");
    let mixed = guest.importing_from("0.1.0");
    let plugin = load(&mixed, |_| ()).unwrap();
    assert_eq!(plugin.contract(), ContractVersion::SPOKEN);
    assert!(plugin.imports().contains(&"sluice:transform/log@0.1.0".to_owned()));
    cross(&mut started(&plugin), &request(&["GET", "k"], &[])).unwrap();

    let names = ["sluice:transform/lifecycle@0.1.0", "sluice:transform/requests-rows@0.2.0"];
    let error = refusal(&exporting(&names), |_| ());
    assert!(
        error.ends_with(
            "exports the contract in several versions (`sluice:transform/lifecycle@0.1.0` and \
             `sluice:transform/requests-rows@0.2.0`); expected all of its exports to be of one: build it against one version of \
             the WIT files"
        ),
        "{error}"
    );
}
