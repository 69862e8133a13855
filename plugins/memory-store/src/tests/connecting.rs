//! What clients send on connecting, and what tools ask.

use sluice_plugin::sessions::Session;
use sluice_plugin::testing::Harness;
use sluice_plugin::{Reply, SessionId};

use super::{Store, ask, said, store};

fn session(peer: &str, protocol: u8) -> Session {
    Session {
        peer: peer.into(),
        source: "memory".into(),
        user: "default".into(),
        tls_subject: None,
        database: 0,
        protocol,
    }
}

fn with_sessions() -> Store {
    let sessions = [(1, session("127.0.0.1:50001", 2)), (2, session("127.0.0.1:50002", 3))];
    Harness::with_sessions(serde_json::json!({}), sessions).unwrap()
}

#[test]
fn hello_says_what_is_spoken() {
    let mut store = with_sessions();
    let about = |proto, id| {
        format!("{{server=redis version=7.0.0 proto={proto} id={id} mode=standalone role=master modules=[]}}")
    };
    assert_eq!(said(&mut store, "HELLO 3"), about(3, 1));
    assert_eq!(said(&mut store, "HELLO 2 AUTH default any SETNAME me"), about(2, 1));
    assert_eq!(said(&mut store, "CLIENT GETNAME"), "me");
    let second = store.request_in(2, "HELLO");
    assert_eq!(super::shown(second.reply().unwrap()), about(3, 2));
    assert_eq!(said(&mut store, "HELLO 4"), "-NOPROTO unsupported protocol version");
    let refused = "-WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(said(&mut store, "HELLO 3 AUTH me secret SETNAME other"), refused);
    assert_eq!(said(&mut store, "CLIENT GETNAME"), "me", "an error changes nothing");
}

#[test]
fn a_client_has_a_name_of_its_own_until_it_resets() {
    let mut store = with_sessions();
    ask(&mut store, "CLIENT SETNAME one");
    store.request_in(2, "CLIENT SETNAME two");
    ask(&mut store, "CLIENT SETINFO LIB-NAME lib");
    ask(&mut store, "client setinfo lib-ver 1.2");
    assert_eq!(said(&mut store, "CLIENT GETNAME"), "one");
    let line = said(&mut store, "CLIENT INFO");
    let expected =
        "id=1 addr=127.0.0.1:50001 name=one db=0 user=default resp=2 cmd=client|info lib-name=lib lib-ver=1.2\\n";
    assert_eq!(line, expected);
    assert_eq!(said(&mut store, "CLIENT LIST"), expected.replace("|info", "|list"));
    assert_eq!(said(&mut store, "RESET"), "RESET");
    assert_eq!(said(&mut store, "CLIENT GETNAME"), "(nil)");
    assert_eq!(said(&mut store, "CLIENT SETINFO other x"), "-ERR Unrecognized option 'other'");
}

#[test]
fn clients_that_have_gone_are_forgotten() {
    let sessions = (1..=3000).map(|id| (id, session("127.0.0.1:1", 2)));
    let mut store: Store = Harness::with_sessions(serde_json::json!({}), sessions).unwrap();
    for id in 1..=3000 {
        store.request_in(id, "CLIENT SETNAME x");
        if id > 10 {
            store.end_session(SessionId::from(id));
        }
    }
    let named = |store: &mut Store, id| *store.request_in(id, "CLIENT GETNAME").reply().unwrap() != Reply::Null;
    assert!((1..=10).all(|id| named(&mut store, id)), "those that are still there keep their names");
    let remembered = (11..=3000).filter(|id| named(&mut store, *id)).count();
    assert!(remembered < 1100, "{remembered}");
}

#[test]
fn quit_is_left_to_the_host() {
    assert!(store().request("QUIT").is_forwarded());
}

#[test]
fn info_has_sections() {
    let mut store = store();
    ask(&mut store, "SET a 1");
    ask(&mut store, "SET b 1 EX 100");
    let all = said(&mut store, "INFO");
    for part in [
        "# Server\\r\\nredis_version:7.0.0\\r\\n",
        "\\r\\n# Keyspace\\r\\ndb0:keys=2,expires=1,avg_ttl=0\\r\\n",
        "role:master",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert_eq!(said(&mut store, "INFO everything"), all);
    let keyspace = said(&mut store, "INFO keyspace");
    assert!(keyspace.starts_with("# Keyspace") && !keyspace.contains("Server"), "{keyspace}");
    assert_eq!(said(&mut store, "INFO nosuch"), "");
}

#[test]
fn tools_are_told_the_commands() {
    let mut store = store();
    let get = "[get 2 {readonly fast} 1 1 1 {@read @string @fast} {} {} {}]";
    assert_eq!(said(&mut store, "COMMAND INFO get nosuch"), format!("[{get} (nil)]"));
    assert_eq!(said(&mut store, "COMMAND DOCS GET"), "{get={summary=As in Redis 7.0. group=string}}");
    let Reply::Array(all) = ask(&mut store, "COMMAND") else { panic!() };
    assert_eq!(ask(&mut store, "COMMAND COUNT"), Reply::Integer(all.len() as i64));
    assert!(all.len() > 90);
    assert_eq!(said(&mut store, "CONFIG GET save"), "{save=}");
    assert_eq!(said(&mut store, "CONFIG GET append* save"), "{appendonly=no save=}");
}

#[test]
fn time_is_the_host_s() {
    let mut store = store();
    store.advance(std::time::Duration::from_millis(1234));
    assert_eq!(said(&mut store, "TIME"), "[1700000001 234000]");
}
