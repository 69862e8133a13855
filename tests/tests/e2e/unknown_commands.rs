//! Nobody knows what an unknown command does to its connection, so it gets one that no other
//! session uses.

use std::time::Duration;

use sluice_tests::scripted_server::{Answer, Asked, ScriptedServer};
use sluice_tests::wait::SOON;
use sluice_tests::{Sluice, Topology, inline, wait_until};

/// Starts a proxy with each kind of sink before the server and tells the story; `more`: further
/// entries of the sink's map.
fn with_both_sinks(start: impl Fn() -> ScriptedServer, more: &str, tell: impl Fn(&ScriptedServer, &Sluice)) {
    let comma = if more.is_empty() { "" } else { ", " };
    let single = |addr: &str| format!("ValkeySinkSingle: {{ remote_address: \"{addr}\"{comma}{more} }}");
    let cluster = |addr: &str| format!("ValkeySinkCluster: {{ first_contact_points: [\"{addr}\"]{comma}{more} }}");
    for sink in [&single as &dyn Fn(&str) -> String, &cluster] {
        let server = start();
        let sink = sink(server.addr());
        println!("{sink}");
        let proxy = Topology::new().transform(&sink).start();
        tell(&server, &proxy);
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// A server with a command that nobody knows: `X.DO` is well, `X.FAIL` an error of its own, and
/// `X.MANY` has three replies. `GET held…` is not answered.
fn strange() -> ScriptedServer {
    ScriptedServer::start(|asked| match asked.name().as_str() {
        "X.DO" => Answer::text("+done\r\n"),
        "X.FAIL" => Answer::text("-ERR it failed\r\n"),
        "X.MANY" => Answer::text("+one\r\n+two\r\n+three\r\n"),
        "GET" if asked.line().starts_with("GET held") => Answer::Nothing,
        _ => Answer::Usual,
    })
}

#[test]
fn an_unknown_command_runs_on_a_connection_of_its_own_that_its_session_keeps() {
    with_both_sinks(strange, "", |server, proxy| {
        let (mut witness, mut client, mut second) = (proxy.client(), proxy.client(), proxy.client());
        assert_eq!(witness.ask("GET w1"), bulk("w1"));
        assert_eq!(client.ask("GET before"), bulk("before"));
        assert_eq!(client.ask("X.DO 1"), "+done\r\n");
        assert_eq!(client.ask("GET after"), bulk("after"));
        assert_eq!(second.ask("x.do 2"), "+done\r\n");
        assert_eq!(second.ask("ECHO later"), bulk("later"));
        assert_eq!(witness.ask("GET w2"), bulk("w2"));
        let shared = server.connection_of("GET w1");
        assert_eq!([server.connection_of("GET before"), server.connection_of("GET w2")], [shared; 2]);
        let (first, other) = (server.connection_of("X.DO 1"), server.connection_of("x.do 2"));
        assert!(first != shared && other != shared && first != other, "{shared} {first} {other}");
        assert_eq!(server.connection_of("GET after"), first, "the session keeps it");
        assert_eq!(server.connection_of("ECHO later"), other, "the session keeps it");

        drop(client);
        wait_until("the connection is closed with its session", SOON, || (!server.is_open(first)).then_some(()));
        assert_eq!(second.ask("GET still"), bulk("still"));
        assert_eq!(server.connection_of("GET still"), other);
        assert!(server.is_open(shared));
    });
}

#[test]
fn an_unknown_command_in_a_pipeline_keeps_the_order_and_the_connection() {
    with_both_sinks(strange, "", |server, proxy| {
        let mut client = proxy.client();
        client.send(&["GET p1", "X.DO p2", "GET p3", "X.FAIL p4", "GET p5"].map(inline).concat());
        let replies = [bulk("p1"), "+done\r\n".into(), bulk("p3"), "-ERR it failed\r\n".into(), bulk("p5")];
        assert_eq!(client.replies(5), replies);
        let own = server.connection_of("X.DO p2");
        assert_ne!(server.connection_of("GET p1"), own);
        for line in ["GET p3", "X.FAIL p4", "GET p5"] {
            assert_eq!(server.connection_of(line), own, "{line}");
        }
    });
}

#[test]
fn an_unknown_command_that_fails_keeps_its_connection_too() {
    with_both_sinks(strange, "", |server, proxy| {
        let (mut witness, mut client) = (proxy.client(), proxy.client());
        assert_eq!(witness.ask("GET w1"), bulk("w1"));
        assert_eq!(client.ask("X.FAIL 1"), "-ERR it failed\r\n");
        assert_eq!(client.ask("GET after"), bulk("after"));
        assert_eq!(server.connection_of("GET after"), server.connection_of("X.FAIL 1"));
        assert_ne!(server.connection_of("GET after"), server.connection_of("GET w1"));
    });
}

#[test]
fn a_command_that_the_server_does_not_know_either_leaves_its_session_on_the_shared_connection() {
    with_both_sinks(strange, "", |server, proxy| {
        let (mut witness, mut client) = (proxy.client(), proxy.client());
        assert_eq!(witness.ask("GET w1"), bulk("w1"));
        for number in 0..3 {
            let refused = client.ask(&format!("NOSUCH {number}"));
            assert!(refused.starts_with(b"-ERR unknown command 'NOSUCH'"), "{refused:?}");
            let line = format!("GET after-{number}");
            client.ask(&line);
            assert_eq!(server.connection_of(&line), server.connection_of("GET w1"));
        }
    });
}

#[test]
fn replies_that_nobody_expected_of_an_unknown_command_never_reach_another_session() {
    with_both_sinks(strange, "", |server, proxy| {
        let (mut witness, mut client) = (proxy.client(), proxy.client());
        witness.send(&inline("GET held"));
        wait_until("the server has the witness's request", SOON, || {
            server.asked().iter().any(|asked| asked.line() == "GET held").then_some(())
        });
        assert_eq!(client.ask("X.MANY"), "+one\r\n");
        // The server wrote all three at once: if one were taken for the witness's reply, it would
        // be first.
        let shared = server.connection_of("GET held");
        server.push(shared, bulk("held").as_bytes());
        assert_eq!(witness.reply(), bulk("held"));
        assert_eq!(witness.ask("GET next"), bulk("next"));
        assert!(witness.silent_for(Duration::from_millis(20)));
        assert_eq!(server.connection_of("GET next"), shared);
    });
}

/// Commands of a module, as `COMMAND` tells of them.
fn module() -> ScriptedServer {
    let rows = [
        ("get", &["readonly", "fast"][..]),
        ("mod.read", &["readonly"]),
        ("mod.write", &["write", "denyoom", "module"]),
        ("mod.wait", &["write", "blocking"]),
        ("mod.pop", &["readonly", "blocking", "module"]),
        ("mod.silent", &[]),
        ("mod.loaded", &["module"]),
        ("mod.quick", &["fast", "noscript"]),
    ];
    let answer = |asked: &Asked| match asked.name().as_str() {
        "MOD.WAIT" | "MOD.POP" => Answer::Nothing,
        name if name.starts_with("MOD.") => Answer::text("+done\r\n"),
        _ => Answer::Usual,
    };
    ScriptedServer::with_commands(&rows, answer)
}

/// Waits until the proxy has taken in what the server's COMMAND says. A new session asks each time:
/// one that asked too early has a connection of its own.
#[track_caller]
fn wait_until_learnt(server: &ScriptedServer, proxy: &Sluice, command: &str) {
    assert_eq!(proxy.client().ask("GET first"), bulk("first"));
    let shared = server.connection_of("GET first");
    wait_until("the commands are learnt", SOON, || {
        assert_eq!(proxy.client().ask(&format!("{command} learnt")), "+done\r\n");
        (server.connections_of(&command.to_ascii_uppercase()).last() == Some(&shared)).then_some(())
    });
}

#[test]
fn commands_of_a_module_that_only_read_or_write_share_a_connection() {
    with_both_sinks(module, "", |server, proxy| {
        wait_until_learnt(server, proxy, "mod.read");
        let shared = server.connection_of("GET first");
        let mut client = proxy.client();
        for line in ["mod.read a", "MOD.READ b", "mod.write c", "Mod.Write d"] {
            assert_eq!(client.ask(line), "+done\r\n");
            assert_eq!(server.connection_of(line), shared, "{line}");
        }
    });
}

#[test]
fn a_command_of_a_module_that_blocks_holds_up_nobody() {
    with_both_sinks(module, "", |server, proxy| {
        wait_until_learnt(server, proxy, "mod.read");
        let shared = server.connection_of("GET first");
        let mut witness = proxy.client();
        for line in ["MOD.WAIT a", "mod.pop b"] {
            let mut client = proxy.client();
            client.send(&inline(line));
            wait_until("it blocks", SOON, || server.asked().iter().any(|asked| asked.line() == line).then_some(()));
            assert_eq!(witness.ask("ECHO served"), bulk("served"), "beside {line}");
            let own = server.connection_of(line);
            assert_ne!(own, shared, "{line}");
            // One that has gone while it waited must not be found waiting by the next session.
            drop(client);
            wait_until("its connection is closed", SOON, || (!server.is_open(own)).then_some(()));
        }
        assert!(server.is_open(shared));
    });
}

#[test]
fn commands_of_a_module_whose_flags_say_nothing_run_on_a_connection_of_their_own() {
    with_both_sinks(module, "", |server, proxy| {
        wait_until_learnt(server, proxy, "mod.read");
        let shared = server.connection_of("GET first");
        for line in ["mod.silent a", "mod.loaded b", "mod.quick c"] {
            let mut client = proxy.client();
            assert_eq!(client.ask(line), "+done\r\n");
            let after = format!("GET after-{}", line.replace(' ', "-"));
            client.ask(&after);
            assert_ne!(server.connection_of(line), shared, "{line}");
            assert_eq!(server.connection_of(&after), server.connection_of(line), "{line}");
        }
    });
}

#[test]
fn names_that_the_sink_calls_shared_may_share_a_connection() {
    let start = || {
        ScriptedServer::start(|asked| match asked.name().as_str() {
            "JSON.GET" | "JSON.SET" | "XJSON.GET" | "JSON" | "TS.ADD" | "TS.GET" => Answer::text("+done\r\n"),
            _ => Answer::Usual,
        })
    };
    with_both_sinks(start, "shared: [\"json.*\", ts.add]", |server, proxy| {
        assert_eq!(proxy.client().ask("GET w"), bulk("w"));
        let shared = server.connection_of("GET w");
        for (line, may_share) in [
            ("JSON.GET a", true),
            ("json.set b", true),
            ("ts.add c", true),
            ("ts.get d", false),
            ("xjson.get e", false),
            ("json f", false),
        ] {
            assert_eq!(proxy.client().ask(line), "+done\r\n");
            assert_eq!(server.connection_of(line) == shared, may_share, "{line}");
        }
    });
}

#[test]
fn an_unknown_command_between_multi_and_exec_is_part_of_the_transaction() {
    let start = || {
        ScriptedServer::start(|asked| match asked.name().as_str() {
            "MULTI" => Answer::text("+OK\r\n"),
            "X.DO" => Answer::text("+QUEUED\r\n"),
            "EXEC" => Answer::text("*1\r\n+done\r\n"),
            _ => Answer::Usual,
        })
    };
    with_both_sinks(start, "", |server, proxy| {
        let (mut witness, mut client) = (proxy.client(), proxy.client());
        witness.ask("GET w1");
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        assert_eq!(client.ask("X.DO 1"), "+QUEUED\r\n");
        assert_eq!(client.ask("EXEC"), "*1\r\n+done\r\n");
        client.ask("GET after");
        let own = server.connection_of("EXEC");
        assert_ne!(own, server.connection_of("GET w1"));
        assert_eq!(server.connection_of("X.DO 1"), own);
        assert_eq!(server.connection_of("GET after"), own, "what it does to the connection outlives the transaction");
    });
}
