//! A transform, and the traffic log, take a session for the one that the server takes it for when
//! it executes the request.

mod random;

use serde_json::{Value, json};
use sluice_tests::wait::SOON;
use sluice_tests::{
    Client, ClusterOptions, RedisCluster, RedisServer, Sluice, Topology, UNHURRIED, inline, wait_until,
};

use crate::WORKERS;
use crate::traffic_log::{Logged, fields};

/// Users of every server here, each with its password.
const USERS: [&str; 14] =
    ["--user", "alice", "on", ">a", "~*", "&*", "+@all", "--user", "bob", "on", ">b", "~*", "&*", "+@all"];

fn server() -> RedisServer {
    RedisServer::start_with(&USERS)
}

/// A chain with the transform that answers WHO; `config` is its map in flow style.
fn identity(config: &str) -> Topology {
    let plugin = format!("grants: [sessions], {UNHURRIED}");
    Topology::new().plugin("Identity", "identity.wasm", &plugin).transform(&format!("Identity: {{ {config} }}"))
}

/// Tells a story with the transform before a server, with one worker and with two.
fn story(config: &str, tell: impl Fn(&RedisServer, &Sluice)) {
    for workers in WORKERS {
        let server = server();
        let proxy = identity(config).workers(workers).sink(&server).start();
        tell(&server, &proxy);
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Sends requests in one write, the last of them WHO, and compares what it says.
#[track_caller]
fn who_behind(client: &mut Client, lines: &[&str], expected: &str) {
    let requests: Vec<u8> = lines.iter().chain(&["WHO"]).flat_map(|line| inline(line)).collect();
    client.send(&requests);
    let replies = client.replies(lines.len());
    assert_eq!(client.reply(), bulk(expected), "behind {lines:?}, which were answered {replies:?}");
}

const DENIED: &str = "-NOPERM this user may not SET\r\n";

#[test]
fn a_request_behind_auth_in_one_write_is_judged_as_that_user_s() {
    story("deny_set_to: alice", |server, proxy| {
        let mut client = proxy.client();
        client.send(&["SET before 1", "AUTH alice a", "SET x 1", "GET before"].map(inline).concat());
        assert_eq!(client.replies(4), ["+OK\r\n", "+OK\r\n", DENIED, "$1\r\n1\r\n"]);
        client.send(&["AUTH bob b", "SET y 1", "AUTH alice a", "SET x 2"].map(inline).concat());
        assert_eq!(client.replies(4), ["+OK\r\n", "+OK\r\n", "+OK\r\n", DENIED]);
        let mut other = proxy.client();
        other.send(&["HELLO 2 AUTH alice a", "SET x 3", "RESET", "SET z 1"].map(inline).concat());
        other.reply();
        assert_eq!(other.replies(3), [DENIED, "+RESET\r\n", "+OK\r\n"]);
        assert_eq!(server.client().ask("EXISTS x"), ":0\r\n");
        assert_eq!(server.client().ask("EXISTS before y z"), ":3\r\n");
    });
}

#[test]
fn a_request_behind_a_failed_auth_in_one_write_is_judged_as_the_old_user_s() {
    story("deny_set_to: alice", |server, proxy| {
        let mut client = proxy.client();
        client.send(&["AUTH alice wrong", "SET x 1", "AUTH alice a", "AUTH bob wrong", "SET y 1"].map(inline).concat());
        assert!(client.reply().starts_with(b"-WRONGPASS "));
        assert_eq!(client.reply(), "+OK\r\n");
        assert_eq!(client.reply(), "+OK\r\n");
        assert!(client.reply().starts_with(b"-WRONGPASS "));
        assert_eq!(client.reply(), DENIED);
        assert_eq!(server.client().ask("EXISTS x y"), ":1\r\n");
    });
}

#[test]
fn however_its_bytes_are_split_a_request_behind_auth_is_judged_as_that_user_s() {
    story("deny_set_to: alice", |server, proxy| {
        let bytes = ["AUTH alice a", "SET x 1"].map(inline).concat();
        let mut other = proxy.client();
        // The proxy has turned between two pieces once another client is answered.
        let mut turn = || assert_eq!(other.ask("PING"), "+PONG\r\n");
        for at in 1..bytes.len() {
            let mut client = proxy.client();
            client.send(&bytes[..at]);
            turn();
            client.send(&bytes[at..]);
            assert_eq!(client.replies(2), ["+OK\r\n", DENIED], "split at {at}");
        }
        let mut client = proxy.client();
        for byte in &bytes {
            client.send(&[*byte]);
            turn();
        }
        assert_eq!(client.replies(2), ["+OK\r\n", DENIED], "byte by byte");
        assert_eq!(server.client().ask("EXISTS x"), ":0\r\n");
    });
}

#[test]
fn a_transform_is_told_of_user_database_and_protocol_as_they_are_by_then() {
    story("", |_, proxy| {
        let mut client = proxy.client();
        client.read_both_protocols();
        who_behind(&mut client, &[], "default 0 2");
        who_behind(&mut client, &["SELECT 3"], "default 3 2");
        who_behind(&mut client, &["SELECT 99"], "default 3 2");
        who_behind(&mut client, &["SELECT x"], "default 3 2");
        who_behind(&mut client, &["AUTH alice a"], "alice 3 2");
        who_behind(&mut client, &["AUTH alice wrong"], "alice 3 2");
        who_behind(&mut client, &["AUTH nosuch a"], "alice 3 2");
        who_behind(&mut client, &["AUTH a b c d"], "alice 3 2");
        who_behind(&mut client, &["HELLO 3"], "alice 3 3");
        who_behind(&mut client, &["HELLO 4"], "alice 3 3");
        who_behind(&mut client, &["HELLO 2 AUTH bob wrong"], "alice 3 3");
        who_behind(&mut client, &["HELLO 2 AUTH bob b"], "bob 3 2");
        who_behind(&mut client, &["HELLO"], "bob 3 2");
        who_behind(&mut client, &["SELECT 5", "HELLO 3", "AUTH alice a"], "alice 5 3");
        who_behind(&mut client, &["RESET"], "default 0 2");
        who_behind(&mut client, &["AUTH alice a", "AUTH bob b", "AUTH bob a", "SELECT 1", "SELECT 99"], "bob 1 2");
        who_behind(&mut client, &["RESET", "SELECT 2", "RESET"], "default 0 2");
    });
}

#[test]
fn what_hello_says_is_read_as_the_server_reads_it() {
    story("", |_, proxy| {
        for (line, who) in [
            ("HELLO 3 SETNAME AUTH SETNAME x", "default 0 3"),
            ("HELLO 3 AUTH alice a SETNAME n", "alice 0 3"),
            ("HELLO 3 SETNAME n AUTH alice a", "alice 0 3"),
            ("hello 3 setname auth auth alice a setname auth", "alice 0 3"),
            ("HELLO 3 AUTH bob b AUTH alice a", "alice 0 3"),
            ("HELLO 3 AUTH alice a AUTH bob wrong", "default 0 2"),
            ("HELLO 3 AUTH alice", "default 0 2"),
            ("HELLO 3 AUTH alice a NOSUCH", "default 0 2"),
            ("HELLO 3 SETNAME", "default 0 2"),
            ("HELLO AUTH alice a", "default 0 2"),
            ("HELLO x AUTH alice a", "default 0 2"),
        ] {
            let mut client = proxy.client();
            client.read_both_protocols();
            client.send(&[line, "WHO", "ACL WHOAMI"].map(inline).concat());
            let reply = client.reply();
            assert_eq!(client.reply(), bulk(who), "behind {line}, which was answered {reply:?}");
            let user = who.split(' ').next().unwrap();
            assert_eq!(client.reply(), bulk(user), "the server agrees about {line}");
        }
    });
}

#[test]
fn a_transaction_changes_who_a_session_is_when_it_is_executed() {
    story("", |_, proxy| {
        for (change, who) in [
            ("AUTH alice a", "alice 0 2"),
            ("SELECT 3", "default 3 2"),
            ("HELLO 3", "default 0 3"),
            ("HELLO 3 AUTH bob b", "bob 0 3"),
            ("AUTH alice wrong", "default 0 2"),
            ("SELECT 99", "default 0 2"),
            ("HELLO 3 AUTH bob wrong", "default 0 2"),
        ] {
            let mut client = proxy.client();
            client.read_both_protocols();
            who_behind(&mut client, &["MULTI", change, "EXEC"], who);
            // One after the other.
            let mut client = proxy.client();
            client.read_both_protocols();
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            assert_eq!(client.ask("SET before 1"), "+QUEUED\r\n");
            assert_eq!(client.ask(change), "+QUEUED\r\n");
            assert!(client.ask("EXEC").starts_with(b"*2\r\n"), "{change}");
            assert_eq!(client.ask("WHO"), bulk(who), "{change}");
        }
    });
}

#[test]
fn a_transaction_that_is_not_executed_changes_nobody() {
    story("", |_, proxy| {
        let mut other = proxy.client();
        for change in ["AUTH alice a", "SELECT 3", "HELLO 3", "HELLO 3 AUTH bob b"] {
            let mut client = proxy.client();
            who_behind(&mut client, &["MULTI", change, "DISCARD"], "default 0 2");
            who_behind(&mut client, &["MULTI", "SET too few", "SET", change, "EXEC"], "default 0 2");
            who_behind(&mut client, &["MULTI", change, "RESET"], "default 0 2");
            assert_eq!(client.ask("WATCH watched"), "+OK\r\n");
            assert_eq!(other.ask("INCR watched").first(), Some(&b':'));
            who_behind(&mut client, &["MULTI", change, "EXEC"], "default 0 2");
            assert_eq!(client.ask("ACL WHOAMI"), bulk("default"));
        }
    });
}

#[test]
fn what_cannot_be_judged_in_a_transaction_is_refused_where_somebody_judges() {
    story("", |server, proxy| {
        for change in ["AUTH alice a", "AUTH alice wrong", "HELLO 2 AUTH bob b"] {
            for end in ["EXEC", "DISCARD"] {
                let mut client = proxy.client();
                assert_eq!(client.ask("MULTI"), "+OK\r\n");
                assert_eq!(client.ask("SET before 1"), "+QUEUED\r\n");
                assert_eq!(client.ask(change), "+QUEUED\r\n");
                for line in ["SET behind 1", "GET before", "ECHO x"] {
                    let refused = client.ask(line);
                    let text = String::from_utf8_lossy(&refused);
                    assert!(text.starts_with("-ERR ") && text.contains("EXEC"), "{line} behind {change}: {text}");
                }
                let ended = client.ask(end);
                match end {
                    "EXEC" => assert!(ended.starts_with(b"-EXECABORT "), "{change}: {ended:?}"),
                    _ => assert_eq!(ended, "+OK\r\n", "{change}"),
                }
                assert_eq!(client.ask("WHO"), bulk("default 0 2"), "{change}, {end}");
                assert_eq!(client.ask("SET after 1"), "+OK\r\n", "{change}, {end}");
            }
        }
        assert_eq!(server.client().ask("EXISTS before behind"), ":0\r\n");
        // In one write.
        let mut client = proxy.client();
        client.send(&["MULTI", "AUTH alice a", "SET behind 1", "EXEC", "WHO"].map(inline).concat());
        assert_eq!(client.replies(2), ["+OK\r\n", "+QUEUED\r\n"]);
        assert!(client.reply().starts_with(b"-ERR "));
        assert!(client.reply().starts_with(b"-EXECABORT "));
        assert_eq!(client.reply(), bulk("default 0 2"));
    });
}

#[test]
fn behind_a_database_or_protocol_in_a_transaction_requests_are_judged_by_it() {
    story("", |_, proxy| {
        for (change, who) in [("SELECT 3", "default 3 2"), ("HELLO 3", "default 0 3"), ("HELLO 2", "default 0 2")] {
            let mut client = proxy.client();
            client.read_both_protocols();
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            assert_eq!(client.ask(change), "+QUEUED\r\n");
            assert_eq!(client.ask("WHO"), bulk(who), "{change}");
            assert_eq!(client.ask("DISCARD"), "+OK\r\n");
            assert_eq!(client.ask("WHO"), bulk("default 0 2"), "{change} was discarded");
        }
    });
}

#[test]
fn a_chain_that_asks_nobody_passes_a_transaction_as_the_server_does() {
    for workers in WORKERS {
        let server = server();
        let proxy = Topology::new().sink(&server).workers(workers).start();
        let mut client = proxy.client();
        let lines = ["MULTI", "AUTH alice a", "ACL WHOAMI", "SELECT 3", "SET in three", "AUTH bob b", "EXEC"];
        client.send(&lines.map(inline).concat());
        assert_eq!(client.reply(), "+OK\r\n");
        assert_eq!(client.replies(5), ["+QUEUED\r\n"; 5]);
        assert_eq!(client.reply(), format!("*5\r\n+OK\r\n{}+OK\r\n+OK\r\n+OK\r\n", bulk("alice")));
        assert_eq!(client.ask("ACL WHOAMI"), bulk("bob"));
        assert_eq!(client.ask("GET in"), bulk("three"));
        // It stays that user in that database on another connection.
        server.client().ask("CLIENT KILL TYPE normal SKIPME yes");
        wait_until("the session goes on", SOON, || (client.ask("GET in") == bulk("three")).then_some(()));
        assert_eq!(client.ask("ACL WHOAMI"), bulk("bob"));
    }
}

#[test]
fn the_server_s_reply_counts_and_not_what_a_transform_makes_of_it() {
    story("auth: invert", |_, proxy| {
        let mut client = proxy.client();
        client.send(&["AUTH alice a", "WHO", "AUTH bob wrong", "WHO", "ACL WHOAMI"].map(inline).concat());
        let replies =
            ["-ERR inverted\r\n".into(), bulk("alice 0 2"), "+OK\r\n".into(), bulk("alice 0 2"), bulk("alice")];
        assert_eq!(client.replies(5), replies);
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        client.ask("AUTH bob b");
        client.ask("EXEC");
        assert_eq!(client.ask("WHO"), bulk("bob 0 2"));
    });
    story("auth: answer", |_, proxy| {
        let mut client = proxy.client();
        client.send(&["AUTH alice a", "WHO", "ACL WHOAMI"].map(inline).concat());
        assert_eq!(client.replies(3), ["+OK\r\n".into(), bulk("default 0 2"), bulk("default")]);
    });
}

#[test]
fn a_user_s_name_that_is_no_text_is_shown_with_escapes() {
    let server = server();
    let names: [(&[u8], &str); 3] =
        [(b"\xff\xfe", r"\xff\xfe"), (br"back\slash", r"back\\slash"), ("größe".as_bytes(), "größe")];
    let mut direct = server.client();
    for (name, _) in names {
        let rule: [&[u8]; 8] = [b"ACL", b"SETUSER", name, b"on", b">pw", b"~*", b"&*", b"+@all"];
        assert_eq!(direct.call(&rule), "+OK\r\n");
    }
    let log = Logged::new();
    let proxy = identity("").source(&log.source("commands: [ping]")).sink(&server).start();
    for (name, shown) in names {
        for how in [&[b"AUTH".as_slice(), name, b"pw"][..], &[b"HELLO", b"2", b"AUTH", name, b"pw"]] {
            let mut client = proxy.client();
            client.send_request(how);
            client.send(&["WHO", "PING"].map(inline).concat());
            assert!(!client.reply().starts_with(b"-"));
            assert_eq!(client.reply(), bulk(&format!("{shown} 0 2")));
            assert_eq!(client.reply(), "+PONG\r\n");
            let whoami = [format!("${}\r\n", name.len()).as_bytes(), name, b"\r\n"].concat();
            assert_eq!(client.ask("ACL WHOAMI"), whoami);
        }
    }
    let users = fields(&log.lines(6), &["user"]).concat();
    let expected: Vec<Value> = names.iter().flat_map(|(_, shown)| [json!(shown), json!(shown)]).collect();
    assert_eq!(users, expected);
}

#[test]
fn a_session_is_the_user_that_its_sink_is_until_it_says_who_it_is() {
    let server = server();
    assert_eq!(server.client().ask("ACL SETUSER proxy on >pw ~* &* +@all"), "+OK\r\n");
    for workers in WORKERS {
        let log = Logged::new();
        let topology = identity("deny_set_to: proxy").workers(workers).source(&log.source("commands: [ping]"));
        let proxy = topology.sink_to(&[server.addr()], "username: proxy, password: pw").start();
        let mut client = proxy.client();
        assert_eq!(client.ask("WHO"), bulk("proxy 0 2"));
        assert_eq!(client.ask("ACL WHOAMI"), bulk("proxy"));
        assert_eq!(client.ask("SET x 1"), DENIED);
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        client.read_both_protocols();
        who_behind(&mut client, &["HELLO 3"], "proxy 0 3");
        who_behind(&mut client, &["AUTH alice wrong"], "proxy 0 3");
        who_behind(&mut client, &["AUTH alice a"], "alice 0 3");
        assert_eq!(client.ask("SET x 1"), "+OK\r\n");
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        client.send(&["RESET", "WHO", "ACL WHOAMI", "PING"].map(inline).concat());
        assert_eq!(client.replies(4), ["+RESET\r\n".into(), bulk("proxy 0 2"), bulk("proxy"), "+PONG\r\n".into()]);
        assert_eq!(fields(&log.lines(3), &["user"]).concat(), ["proxy", "alice", "proxy"]);
    }
}

#[test]
fn the_password_of_the_default_user_makes_nobody_of_another_name() {
    let server = RedisServer::start_with(&["--requirepass", "pw"]);
    let proxy = identity("").sink_to(&[server.addr()], "password: pw").start();
    assert_eq!(proxy.client().ask("WHO"), bulk("default 0 2"));
    // A client that has still to say its password.
    let proxy = identity("").sink(&server).start();
    let mut client = proxy.client();
    assert_eq!(client.ask("WHO"), bulk("default 0 2"));
    who_behind(&mut client, &["SELECT 3", "AUTH wrong"], "default 0 2");
    who_behind(&mut client, &["AUTH pw", "SELECT 3"], "default 3 2");
}

#[test]
fn the_traffic_log_names_the_user_that_the_server_executed_a_request_as() {
    for workers in WORKERS {
        let server = server();
        let log = Logged::new();
        let source = log.source("commands: [set, auth, exec]");
        let proxy = Topology::new().workers(workers).source(&source).sink(&server).start();
        let mut client = proxy.client();
        let lines = ["SET a 1", "AUTH alice a", "SET b 1", "AUTH bob wrong", "SET c 1", "AUTH bob b", "SET d 1"];
        client.send(&lines.map(inline).concat());
        client.replies(7);
        let users = |from: usize, to: usize| fields(&log.lines(to)[from..], &["command", "user"]);
        let expected = [
            ["set", "default"],
            ["auth", "default"],
            ["set", "alice"],
            ["auth", "alice"],
            ["set", "alice"],
            ["auth", "alice"],
            ["set", "bob"],
        ];
        assert_eq!(users(0, 7), expected);
        // In a transaction, and after it.
        let mut client = proxy.client();
        client.send(&["MULTI", "AUTH alice a", "SELECT 3", "EXEC", "SET e 1"].map(inline).concat());
        client.replies(5);
        assert_eq!(users(7, 10)[1..], [["exec", "default"], ["set", "alice"]]);
        // What only looks like credentials.
        let mut client = proxy.client();
        client.hello3();
        client.send(&["HELLO 3 SETNAME AUTH SETNAME x", "SET f 1"].map(inline).concat());
        client.replies(2);
        assert_eq!(users(10, 11), [["set", "default"]]);
    }
}

#[test]
fn a_cluster_s_sessions_are_who_they_are_too() {
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&USERS));
    let proxy = identity("deny_set_to: alice").workers(2).sink(&cluster).start();
    for key in ["a", "b", "c", "d"] {
        let set = format!("SET {key} 1");
        let mut client = proxy.client();
        client.read_both_protocols();
        client.send(&["AUTH alice a", &set, "WHO", "AUTH bob b", &set, "WHO", "RESET", "WHO"].map(inline).concat());
        let replies =
            ["+OK\r\n".into(), DENIED.into(), bulk("alice 0 2"), "+OK\r\n".into(), "+OK\r\n".into(), bulk("bob 0 2")];
        assert_eq!(client.replies(6), replies);
        assert_eq!(client.replies(2), ["+RESET\r\n".into(), bulk("default 0 2")]);
        let get = format!("GET {key}");
        who_behind(&mut client, &["MULTI", &get, "AUTH alice a", "EXEC"], "alice 0 2");
        who_behind(&mut client, &["HELLO 3 SETNAME n AUTH bob b"], "bob 0 3");
        client.send(&["AUTH alice wrong", &set, "WHO"].map(inline).concat());
        assert!(client.reply().starts_with(b"-WRONGPASS "));
        assert_eq!(client.replies(2), ["+OK\r\n".into(), bulk("bob 0 3")]);
    }
}
