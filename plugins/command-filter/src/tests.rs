#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use sluice_plugin::testing::{Action, Harness};

use super::*;

fn filter(config: Value) -> Harness<CommandFilter> {
    Harness::new(config).unwrap()
}

fn error(config: Value) -> String {
    Harness::<CommandFilter>::new(config).err().unwrap()
}

/// Whether each request passes.
fn passes<'a>(filter: &mut Harness<CommandFilter>, requests: &[&'a str]) -> Vec<(&'a str, bool)> {
    requests.iter().map(|request| (*request, filter.request(*request).is_forwarded())).collect()
}

#[test]
fn what_is_denied_is_refused_by_name_and_by_category_and_the_rest_passes() {
    let mut filter = filter(json!({ "deny": ["FLUSHALL", "config|set", "script", "@blocking"] }));
    let denied = ["FLUSHALL ASYNC", "config SET maxmemory 0", "SCRIPT FLUSH", "SCRIPT", "BLPOP k 0"];
    assert!(passes(&mut filter, &denied).iter().all(|(_, passes)| !passes));
    let allowed = ["GET k", "CONFIG GET maxmemory", "FLUSHDB", "NOSUCH", "MULTI", "EXEC"];
    assert!(passes(&mut filter, &allowed).iter().all(|(_, passes)| *passes));
    assert_eq!(filter.metric("denied_requests", &[]), Some(5.0));
}

#[test]
fn only_what_is_allowed_passes() {
    let mut filter = filter(json!({ "allow": ["@read", "set", "ping"] }));
    assert!(passes(&mut filter, &["GET k", "set k v", "PING"]).iter().all(|(_, passes)| *passes));
    let denied = ["DEL k", "MULTI", "EVAL x 0", "NOSUCH", "CONFIG GET x"];
    assert!(passes(&mut filter, &denied).iter().all(|(_, passes)| !passes));
}

#[test]
fn what_is_both_allowed_and_denied_is_denied() {
    let mut filter = filter(json!({ "allow": ["@read", "@write"], "deny": ["@dangerous"] }));
    let expected = [("GET k", true), ("SET k v", true), ("KEYS *", false), ("FLUSHALL", false), ("PING", false)];
    assert_eq!(passes(&mut filter, &expected.map(|(request, _)| request)), expected);
}

#[test]
fn unknown_commands_pass_or_not_as_the_operator_says() {
    let mut strict = filter(json!({ "deny": ["get"], "unknown": "deny" }));
    assert_eq!(passes(&mut strict, &["JSON.GET k", "SET k v"]), [("JSON.GET k", false), ("SET k v", true)]);
    let mut lax = filter(json!({ "allow": ["get"], "unknown": "allow" }));
    assert_eq!(passes(&mut lax, &["JSON.GET k", "SET k v"]), [("JSON.GET k", true), ("SET k v", false)]);
}

#[test]
fn requests_that_a_list_of_denials_does_not_name_never_cross() {
    let filter = filter(json!({ "deny": ["flushall"] }));
    let named = ["discard", "exec", "flushall", "multi", "reset"].into_iter().filter_map(Command::named).collect();
    assert_eq!(*filter.interest(), Interest::in_set(&named).view(View::Command));
}

#[test]
fn the_reply_names_the_command_and_is_the_operator_s_to_word() {
    let reply = |config, request: &str| filter(config).request(request).action;
    let standard = "NOPERM this proxy does not allow the command 'config|set'";
    assert_eq!(reply(json!({ "deny": ["config"] }), "CONFIG SET a b"), Action::Reply(Reply::error(standard)));
    let own = json!({ "deny": ["get"], "reply": "DENIED {command}? no {command}!" });
    assert_eq!(reply(own, "GET k"), Action::Reply(Reply::error("DENIED get? no get!")));
    let mut strict = filter(json!({ "allow": ["get"] }));
    let hostile = strict.request([&b"a\r\nb"[..]]);
    assert_eq!(hostile.reply(), Some(&Reply::error(r"NOPERM this proxy does not allow the command 'a\r\nb'")));
}

#[test]
fn a_transaction_with_a_denied_command_is_aborted_whole() {
    let mut filter = filter(json!({ "deny": ["flushall"] }));
    assert!(filter.request("MULTI").is_forwarded());
    assert!(filter.request("SET k v").is_forwarded());
    assert!(filter.request("FLUSHALL").reply().is_some());
    let exec = filter.request("EXEC");
    assert_eq!(exec.action, Action::rewrite("DISCARD"));
    let aborted = Reply::error("EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(filter.response(&exec, &Reply::OK), Some(aborted));
    // The next one is another.
    assert!(passes(&mut filter, &["MULTI", "EXEC", "EXEC"]).iter().all(|(_, passes)| *passes));
}

#[test]
fn a_denied_command_elsewhere_does_not_abort_a_transaction() {
    let mut filter = filter(json!({ "deny": ["flushall"] }));
    filter.request_in(1, "FLUSHALL");
    filter.request_in(1, "MULTI");
    filter.request_in(2, "FLUSHALL");
    assert!(filter.request_in(1, "EXEC").is_forwarded());
    filter.request_in(1, "MULTI");
    filter.request_in(1, "FLUSHALL");
    assert!(filter.request_in(1, "DISCARD").is_forwarded());
    filter.request_in(1, "MULTI");
    assert!(filter.request_in(1, "EXEC").is_forwarded());
}

#[test]
fn a_wrong_setting_is_refused_with_its_name_and_what_was_expected() {
    assert!(error(json!({})).starts_with("found neither `allow` nor `deny`"));
    assert!(error(json!({ "deny": ["gte"] })).starts_with("deny: found `gte`, which is no command"));
    assert!(error(json!({ "allow": ["@writ"] })).starts_with("allow: found `@writ`, which is no category"));
    assert!(error(json!({ "deny": ["get"], "reply": "no" })).starts_with("reply: found \"no\", expected one line"));
    assert_eq!(error(json!({ "deny": "get" })), "deny: invalid type: string \"get\", expected a sequence");
    assert_eq!(
        error(json!({ "denied": [] })),
        "denied: unknown field `denied`, expected one of `allow`, `deny`, `unknown`, `reply`"
    );
}
