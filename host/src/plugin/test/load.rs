//! What is refused when a plugin is loaded or configured, and in which words.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::guest::Guest;
use super::harness::{Scratch, load, load_bytes, runtime, site, transform};
use crate::plugin::{Grant, Grants, Lane, Phases, Spec, View, Wasi, standard};

fn refusal(bytes: &[u8], change: impl FnOnce(&mut Spec)) -> String {
    let error = load_bytes(bytes, change).unwrap_err().to_string();
    assert!(error.starts_with("plugin `Tested`: "), "{error}");
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[test]
fn a_component_says_its_lane_and_its_phases() {
    let columns = load(&Guest::columns(), |_| ()).unwrap();
    assert_eq!(columns.lane(), Lane::Columns);
    assert_eq!(columns.phases(), Phases { requests: true, responses: true });
    let requests = load(&Guest::columns_requests(), |_| ()).unwrap();
    assert_eq!(requests.phases(), Phases { requests: true, responses: false });
    let rows = load(&Guest::rows(), |_| ()).unwrap();
    assert_eq!(rows.lane(), Lane::Rows);
}

#[test]
fn a_component_describes_itself() {
    let transform = transform(&Guest::columns(), |_| ()).unwrap();
    let description = transform.description();
    assert_eq!(description.name, "Test");
    assert_eq!(description.version, "1.2.3");
    assert_eq!(description.summary, "Is tried");
    assert_eq!(transform.plugin().describe().unwrap(), *description);
}

#[test]
fn a_missing_file_is_refused() {
    let spec = Spec::from_path("Tested", "/nowhere/guest.wasm");
    let error = runtime().load(&spec).unwrap_err().to_string();
    assert_eq!(
        error,
        "plugin `Tested`: cannot read the component /nowhere/guest.wasm: No such file or directory (os error 2)"
    );
}

#[test]
fn what_is_no_component_is_refused_for_what_it_is() {
    assert!(refusal(b"", |_| ()).ends_with("guest.wasm is empty"));
    assert!(refusal(b"#!/bin/sh", |_| ()).ends_with("guest.wasm is not WebAssembly"));
    assert!(refusal(b"\0asm\x0d", |_| ()).ends_with("ends within its header"));
    assert!(refusal(b"\0asm\x0e\0\x01\0", |_| ()).ends_with("of an unknown kind, not a component"));
    let module = Guest::columns().module();
    assert!(refusal(&module, |_| ()).contains("is a core WebAssembly module, not a component"));
}

#[test]
fn a_truncated_component_is_refused() {
    let whole = Guest::columns().build();
    for length in [9, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let error = refusal(&whole[..length], |_| ());
        assert!(
            error.contains("is not a valid component: ") || error.contains("is not a transform"),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_component_other_than_the_pinned_one_is_refused() {
    let guest = Guest::columns();
    let digest: [u8; 32] = Sha256::digest(guest.build()).into();
    assert!(load(&guest, |spec| spec.sha256 = Some(digest)).is_ok());
    let error = refusal(&guest.build(), |spec| spec.sha256 = Some([0xab; 32]));
    assert!(error.contains("but the topology pins abababab"), "{error}");
}

#[test]
fn a_component_that_exports_nothing_of_the_contract_is_refused() {
    let empty = wat::parse_str("(component)").unwrap();
    let error = refusal(&empty, |_| ());
    assert!(error.contains("is not a transform: it exports no `sluice:transform/lifecycle@0.2.0`"), "{error}");
}

#[test]
fn an_export_that_lacks_its_function_is_refused() {
    let component = wat::parse_str(
        r#"(component
            (instance $none)
            (export "sluice:transform/lifecycle@0.2.0" (instance $none)))"#,
    );
    let error = refusal(&component.unwrap(), |_| ());
    assert!(error.contains("its function `describe` is missing"), "{error}");
}

#[test]
fn an_export_of_another_type_is_refused() {
    let component = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $lifecycle (export "describe" (func $f)) (export "configure" (func $f)))
            (export "sluice:transform/lifecycle@0.2.0" (instance $lifecycle)))"#,
    );
    let error = refusal(&component.unwrap(), |_| ());
    assert!(error.contains("its function `describe` has another type"), "{error}");
}

#[test]
fn an_import_without_its_grant_is_refused_by_name() {
    let guest = Guest::columns().import("clock", "unix-ms", "(result i64)");
    let error = refusal(&guest.build(), |_| ());
    assert!(error.contains("imports `sluice:transform/clock@0.2.0`, but has no grant `clock`"), "{error}");
    assert!(refusal(&guest.build(), |spec| spec.grants = Grants::NONE.with(Grant::State)).contains("no grant `clock`"));
    load(&guest, |spec| spec.grants = Grants::NONE.with(Grant::Clock)).unwrap();
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
    assert!(error.contains("imports `acme:files/read@1.0.0`, which this host does not have"), "{error}");
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
    assert!(error.contains("imports `wasi:cli/environment@0.2.6`; WASI is not offered"), "{error}");
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

#[test]
fn a_stack_beyond_what_a_thread_has_is_refused() {
    let error = refusal(&Guest::columns().build(), |spec| spec.limits.stack = 64 << 20);
    assert!(error.contains("the limit `stack` is 67108864; 65536 to 1048576 bytes are possible"), "{error}");
}

#[test]
fn a_standard_plugin_that_is_not_in_the_binary_says_how_to_get_it_there() {
    for standard in standard::all() {
        let loaded = runtime().load(&standard.spec());
        if standard.bytes.is_empty() {
            let error = loaded.unwrap_err().to_string();
            assert!(error.contains("`cargo xtask build`"), "{error}");
        } else {
            loaded.unwrap().describe().unwrap();
        }
    }
    assert!(standard::find("MemoryStore").is_some());
    assert!(standard::find("memory_store").is_none());
}

#[test]
fn the_plugin_gets_its_configuration_as_json_and_its_refusal_is_shown() {
    // The error of the result is the configuration itself.
    let echo = Guest::columns().configure(
        "(i32.store8 (i32.const 0x600) (i32.const 1))
         (i32.store (i32.const 0x604) (local.get $config))
         (i32.store (i32.const 0x608) (local.get $config_len))
         (i32.const 0x600)",
    );
    let plugin = load(&echo, |_| ()).unwrap();
    let error = plugin.configure(&json!({"prefix": "a\n"}), site()).unwrap_err();
    assert_eq!(error.to_string(), r#"plugin `Tested` refuses its configuration: {"prefix":"a\n"}"#);
}

#[test]
fn an_interest_is_read_as_it_is_meant() {
    let mut guest = Guest::columns();
    let name = guest.put(b"config");
    let list = guest.put(&[name.to_le_bytes(), 6u32.to_le_bytes()].concat());
    let interest = [&[0, 0, 0, 0, 1, 0, 0, 0][..], &list.to_le_bytes(), &1u32.to_le_bytes(), &[1], &[0; 15]].concat();
    let interest = guest.put(&interest);
    let transform = transform(&guest.configure(&format!("i32.const {interest}")), |_| ()).unwrap();
    let interest = transform.interest();
    assert_eq!(interest.view, View::Keys);
    assert!(interest.key_positions, "implied by the view");
    let id = |name| sluice_commands::table().by_name(name).unwrap().index();
    assert!(interest.commands.contains(id("config|set")));
    assert!(!interest.commands.contains(id("get")));
}

#[test]
fn an_interest_in_a_command_that_there_is_not_is_refused() {
    let mut guest = Guest::columns();
    let name = guest.put(b"gte");
    let list = guest.put(&[name.to_le_bytes(), 3u32.to_le_bytes()].concat());
    let interest = [&[0, 0, 0, 0, 1, 0, 0, 0][..], &list.to_le_bytes(), &1u32.to_le_bytes(), &[2], &[0; 15]].concat();
    let interest = guest.put(&interest);
    let error = transform(&guest.configure(&format!("i32.const {interest}")), |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "plugin `Tested` asks for the command `gte`, which is not in the command table");
}

#[test]
fn a_plugin_that_faults_while_it_is_set_up_is_refused() {
    let error = transform(&Guest::columns().configure("unreachable"), |_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin `Tested` trapped: wasm `unreachable` instruction executed, while it was set up"
    );
    let error = transform(&Guest::columns().describe("(loop (br 0)) unreachable"), |spec| {
        spec.limits.setup = std::time::Duration::from_millis(20);
    })
    .unwrap_err();
    assert_eq!(error.to_string(), "plugin `Tested` ran for longer than 20ms, while it was set up");
    let error = load(&Guest::columns(), |spec| spec.limits.memory = 1 << 16)
        .unwrap()
        .configure(&json!({}), site())
        .unwrap_err();
    assert_eq!(error.to_string(), "plugin `Tested` needed more than its 65536 bytes of memory, while it was set up");
}

#[test]
fn compiled_components_are_kept_and_found_again() {
    let scratch = Scratch::new();
    let cache = scratch.path().join("cache");
    let path = scratch.write("guest.wasm", &Guest::columns().build());
    for _ in 0..2 {
        let options = crate::plugin::RuntimeOptions::default().with_cache_dir(&cache);
        let runtime = crate::plugin::Runtime::new(options).unwrap();
        let plugin = runtime.load(&Spec::from_path("Tested", &path)).unwrap();
        plugin.configure(&json!({}), site()).unwrap();
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
    }
}
