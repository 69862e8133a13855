#![allow(clippy::unwrap_used)]

use serde_json::json;
use sluice_plugin::testing::{Action, Harness, Verdict};
use sluice_plugin::{Reply, View};

use super::*;

fn tenant() -> Harness<KeyPrefix> {
    Harness::new(json!({ "prefix": "a:" })).unwrap()
}

fn keys(keys: &[&'static str]) -> Reply<'static> {
    Reply::array(keys.iter().map(|key| Reply::bulk(*key)))
}

/// What goes on in the place of a request.
fn sent(request: &str) -> Action {
    tenant().request(request).action
}

/// What the client gets for what the server says.
fn got(request: &str, reply: Reply<'static>) -> Reply<'static> {
    let mut tenant = tenant();
    let verdict = tenant.request(request);
    tenant.response(&verdict, &reply).unwrap_or(reply)
}

#[test]
fn every_key_of_every_command_is_prefixed() {
    for (request, rewritten) in [
        ("GET k", "GET a:k"),
        ("set k v EX 5", "set a:k v EX 5"),
        ("MSET k 1 l 2", "MSET a:k 1 a:l 2"),
        ("EVAL script 2 k l arg", "EVAL script 2 a:k a:l arg"),
        ("OBJECT ENCODING k", "OBJECT ENCODING a:k"),
        ("BLPOP k l 0", "BLPOP a:k a:l 0"),
        ("XREAD COUNT 1 STREAMS s t 0 0", "XREAD COUNT 1 STREAMS a:s a:t 0 0"),
        ("ZUNIONSTORE d 2 k l WEIGHTS 1 2", "ZUNIONSTORE a:d 2 a:k a:l WEIGHTS 1 2"),
        ("GET a:k", "GET a:a:k"),
    ] {
        assert_eq!(sent(request), Action::rewrite(rewritten), "{request}");
    }
}

#[test]
fn what_is_not_a_key_stays_as_it_is() {
    for request in
        ["PING", "PUBLISH channel text", "CONFIG GET maxmemory", "COMMAND GETKEYS GET k", "NOSUCH k", "FLUSHALL"]
    {
        let verdict = tenant().request(request);
        assert!(verdict.is_forwarded() && verdict.watch.is_none(), "{request}: {verdict:?}");
    }
}

#[test]
fn a_binary_key_and_an_empty_one_are_prefixed_byte_for_byte() {
    let verdict = tenant().request([&b"GET"[..], b"\0\r\n\xff"]);
    assert_eq!(verdict.action, Action::rewrite([&b"GET"[..], b"a:\0\r\n\xff"]));
    assert_eq!(tenant().request(["GET", ""]).action, Action::rewrite("GET a:"));
}

#[test]
fn values_do_not_cross() {
    assert_eq!(
        *tenant().interest(),
        Interest::everything().view(View::Keys).whole(["keys", "scan", "sort", "sort_ro", "client|tracking"])
    );
}

#[test]
fn a_pattern_is_prefixed_and_the_prefix_in_it_is_literal() {
    assert_eq!(sent("KEYS h*o"), Action::rewrite("KEYS a:h*o"));
    let mut odd = Harness::<KeyPrefix>::new(json!({ "prefix": r"[x]?\:" })).unwrap();
    assert_eq!(odd.request("KEYS *").action, Action::rewrite(r"KEYS \[x\]\?\\:*"));
    assert_eq!(odd.request("GET k").action, Action::rewrite(r"GET [x]?\:k"));
}

#[test]
fn scan_sees_only_keys_with_the_prefix() {
    for (request, rewritten) in [
        ("SCAN 0", "SCAN 0 MATCH a:*"),
        ("SCAN 0 COUNT 5 TYPE match", "SCAN 0 COUNT 5 TYPE match MATCH a:*"),
        ("SCAN 0 match k* COUNT 5", "SCAN 0 match a:k* COUNT 5"),
        ("SCAN 0 COUNT 5 MATCH match", "SCAN 0 COUNT 5 MATCH a:match"),
        ("SCAN 0 MATCH a MATCH b", "SCAN 0 MATCH a:a MATCH a:b"),
        ("SCAN 0 MATCH", "SCAN 0 MATCH"),
        ("SCAN", "SCAN"),
    ] {
        assert_eq!(sent(request), Action::rewrite(rewritten), "{request}");
    }
}

#[test]
fn the_patterns_of_sort_are_prefixed_where_they_name_keys() {
    for (request, rewritten) in [
        ("SORT l", "SORT a:l"),
        (
            "SORT l BY w_* GET # GET o_*->f LIMIT 0 5 STORE d",
            "SORT a:l BY a:w_* GET # GET a:o_*->f LIMIT 0 5 STORE a:d",
        ),
        ("SORT_RO l by nosort get by", "SORT_RO a:l by nosort get by"),
        ("SORT l LIMIT by get*", "SORT a:l LIMIT by get*"),
    ] {
        assert_eq!(sent(request), Action::rewrite(rewritten), "{request}");
    }
}

#[test]
fn keys_in_replies_lose_their_prefix() {
    assert_eq!(got("KEYS *", keys(&["a:k", "a:l"])), keys(&["k", "l"]));
    let scanned = |all: &[&'static str]| Reply::array([Reply::bulk("17"), keys(all)]);
    assert_eq!(got("SCAN 0", scanned(&["a:k", "a:a:"])), scanned(&["k", "a:"]));
    for request in ["BLPOP k 0", "BRPOP k 0", "BZPOPMIN k 0", "BZPOPMAX k 0", "LMPOP 1 k LEFT", "ZMPOP 1 k MIN"] {
        assert_eq!(got(request, keys(&["a:k", "a:value"])), keys(&["k", "a:value"]), "{request}");
    }
}

#[test]
fn stream_names_lose_their_prefix_in_both_protocols() {
    let entries = || Reply::array([Reply::array([Reply::bulk("a:1-1"), keys(&["a:f", "a:v"])])]);
    for request in ["XREAD STREAMS s 0", "XREADGROUP GROUP g c STREAMS s >"] {
        let pairs = |name: &'static str| Reply::array([Reply::array([Reply::bulk(name), entries()])]);
        assert_eq!(got(request, pairs("a:s")), pairs("s"));
        let map = |name: &'static str| Reply::Map(vec![(Reply::bulk(name), entries())]);
        assert_eq!(got(request, map("a:s")), map("s"));
        assert_eq!(got(request, Reply::NullArray), Reply::NullArray);
    }
}

#[test]
fn randomkey_never_names_the_key_of_another() {
    assert_eq!(got("RANDOMKEY", Reply::bulk("a:k")), Reply::bulk("k"));
    assert_eq!(got("RANDOMKEY", Reply::bulk("b:k")), Reply::Null);
    assert_eq!(got("RANDOMKEY", Reply::Null), Reply::Null);
}

#[test]
fn an_error_stays_as_it_is() {
    let error = Reply::error("WRONGTYPE a:k");
    assert_eq!(got("BLPOP k 0", error.clone()), error);
}

/// Send, and get what the server says to each.
fn exchange(tenant: &mut Harness<KeyPrefix>, session: u64, story: &[(&str, Reply<'static>)]) -> Vec<Reply<'static>> {
    let verdicts: Vec<Verdict> = story.iter().map(|(request, _)| tenant.request_in(session, *request)).collect();
    let reply = |(verdict, (_, reply)): (&Verdict, &(_, Reply<'static>))| {
        tenant.response(verdict, reply).unwrap_or(reply.clone())
    };
    verdicts.iter().zip(story).map(reply).collect()
}

fn queued() -> Reply<'static> {
    Reply::simple("QUEUED")
}

#[test]
fn the_reply_to_exec_is_stripped_at_the_places_of_the_commands_that_were_queued() {
    let mut tenant = tenant();
    let story = [
        ("MULTI", Reply::OK),
        ("GET k", queued()),
        ("WATCH k", Reply::error("ERR WATCH inside MULTI is not allowed")),
        ("KEYS *", queued()),
        ("RANDOMKEY", queued()),
        ("EXEC", Reply::array([Reply::bulk("a:value"), keys(&["a:k"]), Reply::bulk("b:k")])),
    ];
    let replies = exchange(&mut tenant, 1, &story);
    assert_eq!(replies.last(), Some(&Reply::array([Reply::bulk("a:value"), keys(&["k"]), Reply::Null])));
    assert_eq!(replies[3], queued());
    // And it is over.
    assert_eq!(tenant.request("GET k").watch, None);
    assert_eq!(tenant.request("EXEC").watch, None);
}

#[test]
fn a_transaction_that_fails_or_is_discarded_leaves_nothing_behind() {
    let mut tenant = tenant();
    let aborted = Reply::error("EXECABORT Transaction discarded because of previous errors.");
    let story = [
        ("MULTI", Reply::OK),
        ("KEYS *", queued()),
        ("SET k", Reply::error("ERR wrong number")),
        ("EXEC", aborted.clone()),
    ];
    assert_eq!(exchange(&mut tenant, 1, &story).last(), Some(&aborted));
    exchange(&mut tenant, 1, &[("MULTI", Reply::OK), ("GET k", queued()), ("DISCARD", Reply::OK)]);
    let story = [("MULTI", Reply::OK), ("GET k", queued()), ("EXEC", Reply::array([keys(&["a:k"])]))];
    assert_eq!(exchange(&mut tenant, 1, &story).last(), Some(&Reply::array([keys(&["a:k"])])));
    let executed = Reply::NullArray;
    let story = [("MULTI", Reply::OK), ("KEYS *", queued()), ("EXEC", executed.clone())];
    assert_eq!(exchange(&mut tenant, 1, &story).last(), Some(&executed));
}

#[test]
fn the_transactions_of_two_sessions_do_not_mix() {
    let mut tenant = tenant();
    let (begin_1, begin_2) = (tenant.request_in(1, "MULTI"), tenant.request_in(2, "MULTI"));
    let (keys_1, get_2) = (tenant.request_in(1, "KEYS *"), tenant.request_in(2, "GET k"));
    let (exec_1, exec_2) = (tenant.request_in(1, "EXEC"), tenant.request_in(2, "EXEC"));
    for verdict in [&begin_2, &begin_1] {
        assert_eq!(tenant.response(verdict, &Reply::OK), None);
    }
    for verdict in [&keys_1, &get_2] {
        assert_eq!(tenant.response(verdict, &queued()), None);
    }
    let listed = Reply::array([keys(&["a:k"])]);
    assert_eq!(tenant.response(&exec_2, &listed), None);
    assert_eq!(tenant.response(&exec_1, &listed), Some(Reply::array([keys(&["k"])])));
}

#[test]
fn sessions_that_vanish_within_a_transaction_are_forgotten_in_the_end() {
    let mut transactions = Transactions::default();
    for session in 1..100_000 {
        transactions.request(session.into(), Phase::Begin, None);
        transactions.begun(session.into());
    }
    assert_eq!(format!("{transactions:?}").matches("SessionId").count(), 2 * 8192);
    assert!(transactions.request(99_999.into(), Phase::Exec, None).is_some());
}

#[test]
fn unknown_commands_can_be_refused() {
    let mut tenant = Harness::<KeyPrefix>::new(json!({ "prefix": "a:", "unknown": "reject" })).unwrap();
    assert!(tenant.request("JSON.SET k $ 1").reply().unwrap().is_error());
}

#[test]
fn a_wrong_setting_is_refused_with_its_name_and_what_was_expected() {
    let error = |config| Harness::<KeyPrefix>::new(config).err().unwrap();
    assert_eq!(error(json!({})), "missing field `prefix`");
    assert_eq!(error(json!({ "prefix": "" })), "prefix: found \"\", expected at least one character and no `*`");
    assert_eq!(error(json!({ "prefix": "a*" })), "prefix: found \"a*\", expected at least one character and no `*`");
    assert_eq!(error(json!({ "prefix": 7 })), "prefix: invalid type: integer `7`, expected a string");
    assert_eq!(
        error(json!({ "prefix": "a", "prefx": "b" })),
        "prefx: unknown field `prefx`, expected `prefix` or `unknown`"
    );
}

#[test]
fn invalidations_name_keys_as_the_client_knows_them() {
    for (request, rewritten) in [
        ("CLIENT TRACKING ON BCAST PREFIX user: PREFIX x", "CLIENT TRACKING ON BCAST PREFIX a:user: PREFIX a:x"),
        ("CLIENT TRACKING ON BCAST", "CLIENT TRACKING ON BCAST PREFIX a:"),
    ] {
        assert_eq!(sent(request), Action::rewrite(rewritten), "{request}");
    }
    let push = |keys| Reply::Push(vec![Reply::bulk("invalidate"), keys]);
    assert_eq!(got("CLIENT TRACKING ON", push(keys(&["a:k", "a:l"]))), push(keys(&["k", "l"])));
    assert_eq!(got("CLIENT TRACKING ON", push(Reply::Null)), push(Reply::Null));
    let message = |payload| Reply::array([Reply::bulk("message"), Reply::bulk("__redis__:invalidate"), payload]);
    assert_eq!(got("SUBSCRIBE __redis__:invalidate", message(keys(&["a:k"]))), message(keys(&["k"])));
    assert_eq!(got("SUBSCRIBE channel", message(Reply::bulk("a:k"))), message(Reply::bulk("a:k")));
    let info = |prefixes| {
        Reply::array([
            Reply::bulk("flags"),
            keys(&["a:flag"]),
            Reply::bulk("redirect"),
            Reply::Integer(0),
            Reply::bulk("prefixes"),
            prefixes,
        ])
    };
    assert_eq!(got("CLIENT TRACKINGINFO", info(keys(&["a:user:", "a:"]))), info(keys(&["user:", ""])));
}
