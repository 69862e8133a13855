#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::Reply;
use sluice_plugin::sessions::Session;
use sluice_plugin::testing::Harness;

use super::*;

/// Session 1 is a client without a certificate, session 3 one with.
fn logger(config: Value) -> Harness<RequestLogger> {
    let session = |tls_subject: Option<&str>| Session {
        peer: "127.0.0.1:50012".into(),
        source: "valkey".into(),
        user: "default".into(),
        tls_subject: tls_subject.map(Into::into),
        database: 0,
        protocol: 2,
    };
    Harness::with_sessions(config, [(1, session(None)), (3, session(Some("alice\n\"x\"")))]).unwrap()
}

/// The lines without their level.
fn lines(logger: &mut Harness<RequestLogger>) -> Vec<String> {
    logger.log().into_iter().map(|(_, line)| line).collect()
}

#[test]
fn a_client_with_a_certificate_is_named_and_cannot_forge_a_line() {
    let mut logger = logger(json!({}));
    logger.requests([(3, "GET k")]);
    let expected =
        r#"request id=1 session=3 peer=127.0.0.1:50012 tls="alice\n\"x\"" command=get arguments=2 keys=1 bytes=4"#;
    assert_eq!(lines(&mut logger), [expected]);
}

#[test]
fn every_request_gets_a_line_with_who_and_what_but_no_values() {
    let mut logger = logger(json!({}));
    let verdicts = logger.requests([(1, "MSET k secret l secret"), (2, "NOSUCH secret")]);
    assert!(verdicts.iter().all(|verdict| verdict.is_forwarded() && verdict.watch.is_none()));
    assert_eq!(
        logger.log(),
        [
            (
                Level::Info,
                "request id=1 session=1 peer=127.0.0.1:50012 command=mset arguments=5 keys=2 bytes=18".to_owned()
            ),
            (Level::Info, "request id=2 session=2 peer=- command=\"NOSUCH\" arguments=2 keys=0 bytes=12".to_owned()),
        ]
    );
}

#[test]
fn values_do_not_cross_unless_they_are_to_be_written() {
    assert_eq!(*logger(json!({})).interest(), Interest::everything().view(View::Command).key_positions());
    assert_eq!(*logger(json!({ "values": true })).interest(), Interest::everything().key_positions());
}

#[test]
fn values_are_escaped_and_shortened() {
    let mut logger = logger(json!({ "values": true }));
    let long = "x".repeat(100);
    logger.request(["SET", "k\r\n\"", &long]);
    let shown = "x".repeat(64);
    let expected = format!(r#" values=["k\r\n\"", "{shown}"+36]"#);
    assert!(lines(&mut logger)[0].ends_with(&expected), "{expected}");
    logger.request([vec!["DEL"], vec!["k"; 20]].concat());
    assert!(lines(&mut logger)[0].ends_with(r#", "k", and 4 more]"#));
}

#[test]
fn secrets_are_never_written() {
    let mut logger = logger(json!({ "values": true }));
    for request in [
        "AUTH user hunter2",
        "HELLO 3 AUTH user hunter2",
        "CONFIG SET requirepass hunter2",
        "ACL SETUSER a >hunter2",
        "MIGRATE host 6379 key 0 1000 AUTH hunter2",
        "MODULE LOADEX path CONFIG password hunter2",
        "ACL DRYRUN user CONFIG SET requirepass hunter2",
        // With a typing error.
        "CONFIG SETT requirepass hunter2",
        "AUHT user hunter2",
    ] {
        logger.request(request);
        let line = lines(&mut logger).remove(0);
        assert!(line.ends_with("values=(hidden)") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn only_the_commands_that_were_asked_for_are_logged() {
    let mut logger = logger(json!({ "commands": ["@dangerous", "get"], "level": "warn" }));
    logger.requests([(1, "GET k"), (1, "SET k v"), (1, "FLUSHALL")]);
    let log = logger.log();
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|(level, _)| *level == Level::Warn));
}

#[test]
fn a_response_is_logged_with_its_outcome_its_size_and_its_time() {
    let mut logger = logger(json!({ "responses": true }));
    let verdicts = logger.requests([(1, "GET k"), (1, "NOSUCH")]);
    lines(&mut logger);
    logger.advance(Duration::from_micros(1500));
    assert_eq!(logger.response(&verdicts[0], &Reply::bulk("value")), None);
    assert_eq!(logger.response(&verdicts[1], &Reply::error("ERR no")), None);
    assert_eq!(
        lines(&mut logger),
        [
            "response id=1 session=1 outcome=ok bytes=11 micros=1500",
            "response id=2 session=1 outcome=error bytes=9 micros=1500",
        ]
    );
}

#[test]
fn lines_that_nobody_keeps_cost_nothing() {
    let mut logger = logger(json!({ "responses": true, "level": "debug" }));
    logger.log_level(Level::Info);
    assert_eq!(logger.request("GET k").watch, None);
    assert!(logger.log().is_empty());
}

#[test]
fn the_addresses_of_sessions_that_are_gone_are_forgotten_in_the_end() {
    let mut logger = RequestLogger::new(serde_json::from_value(json!({})).unwrap()).unwrap();
    for session in 0..10_000 {
        logger.peer(session.into());
    }
    assert_eq!(logger.peers.len(), MOST_PEERS);
}

#[test]
fn a_wrong_setting_is_refused_with_its_name_and_what_was_expected() {
    let error = |config| Harness::<RequestLogger>::new(config).err().unwrap();
    assert!(error(json!({ "commands": ["gte"] })).starts_with("commands: found `gte`"));
    assert_eq!(error(json!({ "values": "yes" })), "values: invalid type: string \"yes\", expected a boolean");
    assert!(error(json!({ "level": "loud" })).starts_with("level: unknown variant `loud`, expected one of `error`"));
}
