//! What is wrong with a topology, a component or the machine is said in one clear message, and the exit code is 1.

use std::net::TcpListener;
use std::path::Path;

use sluice_tests::ports::free_addr;
use sluice_tests::sluice::finish;
use sluice_tests::{Topology, programs};

/// A topology that would start.
fn sound() -> Topology {
    Topology::new().transform("KeyPrefix: { prefix: 'a:' }").transform("NullSink: {}")
}

/// Refused by `sluice run` and by `sluice check` alike.
#[track_caller]
fn refused(yaml: &str, expected: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("topology.yaml");
    std::fs::write(&file, yaml).unwrap();
    for command in ["run", "check"] {
        finish(&[command], &file).assert_refused(expected);
    }
}

/// A topology that declares this file as a plugin, and puts it into its chain.
fn with_component(path: &Path, more: &str) -> String {
    let declared = format!("plugins:\n  Mine: {{ component: \"{}\"{more} }}", path.display());
    Topology::new().top(&declared).transform("Mine: {}").transform("NullSink: {}").yaml()
}

#[test]
fn a_sound_topology_is_checked_without_running_it() {
    let topology = sound();
    let directory = tempfile::tempdir().unwrap();
    // Not even its ports are looked at.
    let _taken = TcpListener::bind(topology.addr()).unwrap();
    let finished = finish(&["check"], &topology.write(directory.path()));
    assert!(finished.status.success(), "{}", finished.output);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for command in ["run", "check"] {
        finish(&[command], Path::new("/nowhere/topology.yaml"))
            .assert_refused(&["/nowhere/topology.yaml", "No such file"]);
    }
}

#[test]
fn yaml_that_does_not_parse_is_refused_with_its_line() {
    refused("workers: 1\nsources: [\n", &["topology.yaml", "line "]);
}

#[test]
fn an_unknown_key_is_refused_by_its_path() {
    let sound = sound();
    refused(&sound.clone().top("wrokers: 3").yaml(), &["topology.yaml", "wrokers"]);
    refused(&sound.clone().source("conection_limit: 3").yaml(), &["sources[0].Valkey", "conection_limit"]);
    let sink = "ValkeySinkSingle: { remote_address: '127.0.0.1:1', conect_timeout_ms: 1 }";
    refused(
        &Topology::new().transform(sink).yaml(),
        &["sources[0].Valkey.chain[0].ValkeySinkSingle", "conect_timeout_ms"],
    );
    refused(&sound.top("plugins: { KeyPrefix: { limit: {} } }").yaml(), &["plugins.KeyPrefix", "limit"]);
}

#[test]
fn a_transform_that_nobody_declared_is_refused_by_its_name() {
    let yaml = Topology::new().transform("KeyPrefx: { prefix: 'a:' }").transform("NullSink: {}").yaml();
    refused(&yaml, &["sources[0].Valkey.chain[0]", "KeyPrefx"]);
}

#[test]
fn a_chain_without_a_sink_is_refused() {
    refused(&Topology::new().transform("KeyPrefix: { prefix: 'a:' }").yaml(), &["sources[0].Valkey.chain", "sink"]);
}

#[test]
fn a_config_that_the_plugin_refuses_is_refused_with_the_plugin_s_own_words() {
    let path = "sources[0].Valkey.chain[0].KeyPrefix";
    for (config, said) in [("{}", "prefix"), ("{ prefix: 7 }", "prefix"), ("{ prefix: a, prefx: b }", "prefx")] {
        let yaml = Topology::new().transform(&format!("KeyPrefix: {config}")).transform("NullSink: {}").yaml();
        refused(&yaml, &["topology.yaml", path, said]);
    }
}

#[test]
fn a_missing_component_is_refused_by_its_path() {
    refused(&with_component(Path::new("/nowhere/mine.wasm"), ""), &["/nowhere/mine.wasm", "Mine"]);
}

#[test]
fn a_file_that_is_no_component_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.wasm");
    let whole = std::fs::read(programs::component("watch_all.wasm")).unwrap();
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    let cases: [(&str, Vec<u8>); 6] = [
        ("is empty", Vec::new()),
        ("is text, not WebAssembly", b"not wasm at all".to_vec()),
        ("is a web page", b"<!DOCTYPE html>\n<title>404</title>".to_vec()),
        ("is not a valid component: unexpected end", whole[..whole.len() / 2].to_vec()),
        ("ends within its header", whole[..6].to_vec()),
        ("is a core WebAssembly module", core_module),
    ];
    for (what, bytes) in cases {
        std::fs::write(&path, bytes).unwrap();
        refused(&with_component(&path, ""), &["plugins.Mine.component", "mine.wasm", what]);
        let inspected = finish(&["plugin", "inspect"], &path);
        inspected.assert_refused(&["mine.wasm", what]);
    }
}

#[test]
fn a_component_of_a_newer_contract_is_refused_with_both_versions_and_what_to_do() {
    let frozen = std::fs::read(programs::repository().join("tests/frozen/0.1/witness_rows.wasm")).unwrap();
    // The same component as if it had been made for a version that does not exist yet: names of the same length.
    let newer: Vec<u8> = frozen.windows(6).enumerate().fold(frozen.clone(), |mut newer, (at, bytes)| {
        if bytes == b"@0.1.0" {
            newer[at..at + 6].copy_from_slice(b"@0.9.0");
        }
        newer
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.wasm");
    std::fs::write(&path, newer).unwrap();
    let said = [
        "@0.9.0`",
        "newer than this host",
        "speaks 0.2.0",
        "0.1.0 and 0.2.0",
        "Run it with a Sluice that speaks 0.9.0",
    ];
    refused(&with_component(&path, ", wasi: stub"), &[&["plugins.Mine.component"][..], &said].concat());
    finish(&["plugin", "inspect"], &path).assert_refused(&said);
}

#[test]
fn an_import_that_is_not_granted_is_refused_by_its_name() {
    let hostile = programs::component("hostile.wasm");
    refused(&with_component(&hostile, ""), &["plugins.Mine.grants", "clock", "Write `grants: [clock]`"]);
    refused(&with_component(&hostile, ", grants: [random]"), &["plugins.Mine.grants", "`grants: [clock, random]`"]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("topology.yaml");
    std::fs::write(&file, with_component(&hostile, ", grants: [clock]")).unwrap();
    let finished = finish(&["check"], &file);
    assert!(finished.status.success(), "{}", finished.output);
}

#[test]
fn a_component_that_is_not_the_pinned_one_is_refused() {
    let pin = format!(", sha256: \"{}\"", "0".repeat(64));
    refused(&with_component(&programs::component("watch_all.wasm"), &pin), &["Mine", "sha256", &"0".repeat(64)]);
}

#[test]
fn a_component_that_misbehaves_while_it_is_set_up_is_refused() {
    for (setup, said) in [("refuse", "expected anything else"), ("loop", "longer than"), ("panic", "trapped")] {
        let yaml = Topology::new()
            .plugin("Hostile", "hostile.wasm", "grants: [clock]")
            .transform(&format!("Hostile: {{ setup: {setup} }}"))
            .transform("NullSink: {}")
            .yaml();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("topology.yaml");
        std::fs::write(&file, yaml).unwrap();
        for command in ["run", "check"] {
            let finished = finish(&[command], &file);
            assert_eq!(finished.status.code(), Some(1), "{}", finished.output);
            let output = &finished.output;
            assert!(output.contains("Hostile") && output.contains(said), "{setup}:\n{output}");
            assert!(!output.contains("thread '"), "{output}");
        }
    }
}

#[test]
fn a_port_that_is_in_use_is_refused_by_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let topology = sound();
    let taken = TcpListener::bind(topology.addr()).unwrap();
    finish(&["run"], &topology.write(directory.path())).assert_refused(&[topology.addr(), "in use"]);
    drop(taken);
    let _taken = TcpListener::bind(topology.admin()).unwrap();
    finish(&["run"], &topology.write(directory.path())).assert_refused(&[topology.admin(), "in use"]);
}

#[test]
fn an_address_that_makes_no_sense_is_refused() {
    for addr in ["localhost", "127.0.0.1", "127.0.0.1:port", "300.0.0.1:1"] {
        refused(&sound().listen_at(addr).yaml(), &["sources[0].Valkey.listen_addr", addr]);
    }
    let yaml = Topology::new().sink_at("no port").yaml();
    refused(&yaml, &["sources[0].Valkey.chain[0].ValkeySinkSingle.remote_address", "no port"]);
}

#[test]
fn a_start_that_fails_leaves_no_listener_behind_and_serves_nobody() {
    // The second source's port is taken: the first source's must not be served either.
    let second = free_addr();
    let _taken = TcpListener::bind(&second).unwrap();
    let topology = sound();
    let yaml = topology.yaml()
        + &format!(
            "  - Valkey:\n      name: second\n      listen_addr: \"{second}\"\n      chain: [{{ NullSink: {{}} }}]\n"
        );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("topology.yaml");
    std::fs::write(&file, yaml).unwrap();
    finish(&["run"], &file).assert_refused(&[&second, "in use"]);
}
