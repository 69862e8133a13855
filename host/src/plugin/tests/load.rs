//! What is refused when a plugin is loaded or configured, and in which words.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::guest::Guest;
use super::harness::{Scratch, load, load_bytes, runtime, site, transform};
use crate::plugin::{Lane, Phases, Spec, View, standard};

pub(super) fn refusal(bytes: &[u8], change: impl FnOnce(&mut Spec)) -> String {
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
fn what_is_no_component_is_refused_for_what_it_is_and_with_what_to_do() {
    assert!(
        refusal(b"", |_| ()).ends_with("guest.wasm is empty; expected a component. Build it again, or fetch it again")
    );
    assert!(
        refusal(b"<!doctype html>", |_| ()).contains("guest.wasm is a web page, not WebAssembly; expected a component")
    );
    let text = refusal(b"(component)", |_| ());
    assert!(text.ends_with("Make that with `wasm-tools parse FILE -o FILE.wasm`"), "{text}");
}

#[test]
fn a_core_module_is_told_how_to_become_a_component() {
    let guest = Guest::rows();
    let bare = refusal(&guest.module(), |_| ());
    assert!(bare.contains("is a core WebAssembly module without the interface of a component"), "{bare}");
    assert!(bare.contains("`sluice plugin build`"), "{bare}");
    let embedded = refusal(&guest.embedded(), |_| ());
    assert!(embedded.contains("is a core WebAssembly module that carries the interface of a component"), "{embedded}");
    assert!(embedded.ends_with("`wasm-tools component new FILE -o FILE.component.wasm`"), "{embedded}");
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let scratch = Scratch::new();
    let path = scratch.write("guest.wasm", b"");
    // A hole of four gigabytes takes no room.
    std::fs::File::options().write(true).open(&path).unwrap().set_len(4 << 30).unwrap();
    let error = runtime().load(&Spec::from_path("Tested", &path)).unwrap_err().to_string();
    assert!(error.contains("guest.wasm has 4294967296 bytes; at most 268435456 are read. Build it without"), "{error}");
}

#[test]
fn a_truncated_component_is_refused() {
    let whole = Guest::columns().build();
    for length in [9, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let error = refusal(&whole[..length], |_| ());
        assert!(error.contains("is not a valid component: unexpected end"), "{length}: {error}");
        assert!(error.contains("It is damaged, or "), "{length}: {error}");
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
