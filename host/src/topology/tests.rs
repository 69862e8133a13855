//! The promises of a topology file.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use super::*;
use crate::plugin::{Component, Grant, Limits, OnFault, Wasi, standard};
use crate::routing::SinkPlan;
use crate::traffic::{Destination, Values};
use crate::worker::SessionLimits;

fn parse(text: &str) -> Result<Topology, TopologyError> {
    Topology::parse(FilePath::new("conf/t.yaml"), text)
}

fn good(text: &str) -> Topology {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The report on a bad topology.
fn report(text: &str) -> String {
    match parse(text) {
        Ok(topology) => panic!("accepted: {topology:?}"),
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            format!("{error}{cause}")
        }
    }
}

/// A topology with one source that has this chain.
fn with_chain(chain: &str) -> String {
    format!("sources:\n  - Valkey:\n      name: a\n      listen_addr: \"127.0.0.1:1\"\n      chain: {chain}\n")
}

/// A topology whose sink stands for a node of a cluster, with these keys beside that.
fn with_direct(keys: &str) -> String {
    with_chain(&format!("[ValkeySinkCluster: {{ direct_destination: 'a:1', {keys} }}]"))
}

/// A sound topology with these lines at its top.
fn with_top(top: &str) -> String {
    format!("{top}\n{}", with_chain("[NullSink]"))
}

#[test]
fn a_shotover_user_s_file_runs() {
    let topology = good(
        r#"
---
sources:
  - Valkey:
      name: "valkey"
      listen_addr: "127.0.0.1:6380"
      connection_limit: 3000
      hard_connection_limit: true
      chain:
        - ValkeySinkSingle:
            remote_address: "127.0.0.1:6379"
            connect_timeout_ms: 1500
"#,
    );
    let [source] = topology.sources.as_slice() else { panic!("{topology:?}") };
    assert_eq!(source.name, "valkey");
    assert_eq!(source.listen.address, "127.0.0.1:6380".parse().unwrap());
    assert_eq!(source.connection_limit, 3000);
    assert_eq!(source.limits, SessionLimits::default());
    assert!(source.chain.is_empty());
    assert!(matches!(
        &source.sink,
        SinkPlan::Single(plan)
            if plan.connections == 1
                && plan.servers.iter().map(ToString::to_string).eq(["127.0.0.1:6379".to_owned()])
                && plan.connect_timeout == Duration::from_millis(1500)
    ));
    assert_eq!(topology.workers, None);
    assert_eq!(topology.admin, None);
    assert_eq!(topology.drain.timeout, Duration::from_secs(10));
}

#[test]
fn a_sink_that_stands_for_a_node_reads_what_shotover_does_and_its_table() {
    let topology = good(
        r#"
sources:
  - Valkey:
      name: a
      listen_addr: "127.0.0.1:1"
      chain:
        - ValkeySinkCluster:
            first_contact_points: ["10.0.0.1:7001", "[::1]:7002"]
            direct_destination: "10.0.0.1:7001"
            connect_timeout_ms: 1500
            connection_count: 2
            rewrite: { "10.0.0.1:7001": "192.0.2.1:6379", "[::1]:7002": "proxy.example:6380" }
"#,
    );
    let SinkPlan::Direct(plan) = &topology.sources[0].sink else { panic!("{topology:?}") };
    assert!(plan.servers.iter().map(ToString::to_string).eq(["10.0.0.1:7001".to_owned()]));
    assert_eq!((plan.connections, plan.connect_timeout), (2, Duration::from_millis(1500)));
    let errors = |reply: &str| plan.rewrite.as_ref().unwrap().errors(reply.as_bytes(), false);
    assert_eq!(errors("-MOVED 1 :7001\r\n").unwrap(), b"-MOVED 1 192.0.2.1:6379\r\n");
    assert_eq!(errors("-ASK 1 ::1:7002\r\n").unwrap(), b"-ASK 1 proxy.example:6380\r\n");
    let SinkPlan::Direct(plan) = &good(&with_direct("")).sources[0].sink else { panic!("no such sink") };
    assert!(plan.rewrite.is_none());
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let topology = good(
        r#"
workers: 3
admin: "127.0.0.1:9001"
drain_timeout: 2s
drain: { delay: 1s, spread: 1500ms }
plugins:
  Mine:
    component: ./mine.wasm
    sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    grants: [clock, log, state]
    limits: { memory: 17MiB, crossing: 6ms, setup: 2s, stack: 64KiB, output: 1MiB, state: 2MiB, log_lines: 3, series: 0 }
    on_fault: bypass
    instances: worker
    wasi: stub
  Spare: { component: /opt/spare.wasm }
sources:
  - Valkey:
      name: a
      listen_addr: "[::1]:6379"
      limits: { query: 1MiB, in_flight: 64KiB, output_high: 2048, output_hard: 4KiB }
      traffic_log: { file: ./t.log, sample: 0.25, commands: [get, "@write"], values: keys, max_argument: 1KiB }
      chain:
        - Mine: { prefix: "a:", list: [1, -2, 2.5, true, null] }
        - KeyPrefix:
        - RequestLogger
        - NullSink
"#,
    );
    assert_eq!(topology.workers.unwrap().get(), 3);
    assert_eq!(topology.admin, Some("127.0.0.1:9001".parse().unwrap()));
    let drain = (topology.drain.delay, topology.drain.spread, topology.drain.timeout);
    assert_eq!(drain, (Duration::from_secs(1), Duration::from_millis(1500), Duration::from_secs(2)));
    let names: Vec<_> = topology.plugins.iter().map(|plugin| &plugin.spec.name).collect();
    assert_eq!(names, ["Mine", "Spare", "KeyPrefix", "RequestLogger"]);
    let mine = &topology.plugins[0];
    assert_eq!(mine.path, "plugins.Mine");
    assert_eq!(mine.place, "conf/t.yaml:7:3");
    let spec = &mine.spec;
    assert!(matches!(&spec.component, Component::Path(path) if path == FilePath::new("conf/./mine.wasm")));
    assert_eq!(spec.sha256.unwrap()[..2], [0x9f, 0x86]);
    assert_eq!(spec.grants.iter().collect::<Vec<_>>(), [Grant::Clock, Grant::State]);
    assert_eq!(spec.on_fault, OnFault::Bypass);
    assert_eq!(spec.wasi, Wasi::Stub);
    let limits = Limits {
        memory: 17 << 20,
        crossing: Duration::from_millis(6),
        setup: Duration::from_secs(2),
        stack: 64 << 10,
        output: 1 << 20,
        state: 2 << 20,
        log_lines: 3,
        series: 0,
    };
    assert_eq!(spec.limits, limits);
    let spare = &topology.plugins[1].spec;
    assert!(matches!(&spare.component, Component::Path(path) if path == FilePath::new("/opt/spare.wasm")));
    assert_eq!(spare.limits, Limits::default());
    let source = &topology.sources[0];
    assert_eq!(source.limits.replies.hard, 4096);
    assert_eq!(source.limits.in_flight, 65_536);
    let log = source.traffic_log.as_ref().unwrap();
    assert_eq!(log.destination, Destination::File("conf/./t.log".into()));
    assert_eq!((log.sample, log.values, log.max_argument), (0.25, Values::Keys, 1024));
    assert!(!log.commands.is_all());
    let link = &source.chain[0];
    assert_eq!(link.plugin, "Mine");
    assert_eq!(link.config.to_string(), r#"{"list":[1,-2,2.5,true,null],"prefix":"a:"}"#);
    assert_eq!(link.path, "sources[0].Valkey.chain[0].Mine");
    assert_eq!(link.place, "conf/t.yaml:23:11");
    assert_eq!(source.chain[1].config.to_string(), "{}");
    assert_eq!(source.chain[2].place, "conf/t.yaml:25:11");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_a_suggestion() {
    assert_eq!(
        report(&with_chain("[NullSink]").replace("listen_addr", "listen_adr")),
        "conf/t.yaml has 2 problems\n\
         conf/t.yaml:3:7: sources[0].Valkey: `listen_addr` is missing: such as \"127.0.0.1:6379\"\n\
         conf/t.yaml:4:7: sources[0].Valkey.listen_adr: unknown key (did you mean `listen_addr`?); expected one of \
         `name`, `listen_addr`, `unix_mode`, `proxy_protocol`, `tls`, `connection_limit`, `hard_connection_limit`, `limits`, `traffic_log`, `chain`, \
         `idle_timeout`, `timeout`"
    );
}

#[test]
fn an_unknown_transform_lists_what_there_is() {
    let top = "plugins: { Mine: { component: m.wasm } }";
    let text = format!("{top}\n{}", with_chain("[KeyPrefx: {}, NullSink]"));
    assert_eq!(
        report(&text),
        "conf/t.yaml:6:15: sources[0].Valkey.chain[0].KeyPrefx: unknown transform (did you mean `KeyPrefix`?); \
         there are `CommandFilter`, `KeyPrefix`, `MemoryStore`, `Mine`, `RequestLogger`, `ValkeySinkSingle`, `ValkeySinkCluster`, `NullSink`"
    );
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = r#"
workers: 0
sources:
  - Valkey:
      name: a
      listen_addr: "localhost:6379"
      chain: [Nope, KeyPrefix]
  - Valkey:
      name: a
      listen_addr: "127.0.0.1:1"
      chain: [ValkeySinkSingle: { remote_address: "x" }]
plugins:
  Mine: { component: m.wasm, grants: [clocks] }
"#;
    let report = report(text);
    let lines: Vec<_> = report.lines().collect();
    let expected = [
        "conf/t.yaml has 7 problems",
        "conf/t.yaml:2:10: workers: expected a whole number of at least 1, found the number 0",
        "conf/t.yaml:6:20: sources[0].Valkey.listen_addr: expected an IP address and port",
        "conf/t.yaml:7:15: sources[0].Valkey.chain[0].Nope: unknown transform",
        "conf/t.yaml:7:21: sources[0].Valkey.chain[1].KeyPrefix: the chain ends with a transform",
        "conf/t.yaml:9:13: sources[1].Valkey.name: \"a\" is also the name of sources[0].Valkey",
        "conf/t.yaml:11:51: sources[1].Valkey.chain[0].ValkeySinkSingle.remote_address: expected a host and port",
        "conf/t.yaml:13:39: plugins.Mine.grants[0]: expected one of `clock`, `random`, `sessions`, `state`, found \"clocks\" (did you mean `clock`?)",
    ];
    assert_eq!(lines.len(), expected.len(), "{report}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
}

/// Each of these topologies has one problem, whose message contains the words.
#[test]
fn every_mistake_gets_its_own_message() {
    let cases: &[(String, &str)] = &[
        (String::new(), "`sources` is missing"),
        ("sources: []".into(), "sources: there must be at least one source"),
        ("[]".into(), "t.yaml:1:1: expected a map, found a list"),
        ("sources: [Valkey]".into(), "sources[0]: expected a map, found the text \"Valkey\""),
        ("sources: [{}]".into(), "sources[0]: expected a source"),
        ("sources: [Redis: {}]".into(), "sources[0].Redis: this source is called `Valkey`"),
        (with_chain("[]"), "chain: the chain is empty"),
        (with_chain("[KeyPrefix]"), "behind it must stand a sink"),
        (with_chain("[NullSink, KeyPrefix, NullSink]"), "chain[0].NullSink: a sink must be the last"),
        (with_chain("[ValkeySinkCluster: {}]"), "`first_contact_points` is missing"),
        (with_chain("[ValkeySinkCluster: { first_contact_points: [] }]"), "at least one node to ask for the others"),
        (
            with_chain("[ValkeySinkCluster: { first_contact_points: ['unix:/run/a.sock'] }]"),
            "first_contact_points[0]: expected a host and port",
        ),
        (
            with_chain("[ValkeySinkCluster: { first_contact_points: ['a:1'], retry_timeout: soon }]"),
            "retry_timeout: expected",
        ),
        (
            with_chain("[ValkeySinkCluster: { rewrite: { 'a:1': 'b:1' } }]"),
            "ValkeySinkCluster.rewrite: `rewrite` is for sources that stand for a node each: `direct_destination`",
        ),
        (with_direct("rewrit: {}"), "ValkeySinkCluster.rewrit: unknown key (did you mean `rewrite`?)"),
        (with_direct("remote_address: 'a:1'"), "ValkeySinkCluster.remote_address: unknown key"),
        (with_direct("rewrite: ['a:1']"), "rewrite: expected a map from nodes of the cluster"),
        (with_direct("rewrite: { a: 'b:1' }"), "rewrite.a: \"a\" is no node of a cluster: expected a host and port"),
        (with_direct("rewrite: { 'unix:/a': 'b:1' }"), "\"unix:/a\" is no node of a cluster"),
        (with_direct("rewrite: { 'a:1': b }"), "expected a host and port, such as"),
        (with_direct("rewrite: { 'a:1': 'unix:/b' }"), "expected a host and port, such as"),
        (with_direct("rewrite: { 'a:1': 7 }"), "expected a host and port, such as"),
        (with_direct("rewrite: { 'a:1': 'b:1', 'A:1': 'b:2' }"), "this node is in the table already"),
        (with_direct("rewrite: { 'a:1': 'b:1', 'a:1': 'b:2' }"), "duplicate entry with key \"a:1\""),
        (with_direct("first_contact_points: ['a:1', b]"), "first_contact_points[1]: expected a host and port"),
        (with_direct("connections: 2, connection_count: 2"), "`connections` and `connection_count` mean the same"),
        (
            with_chain("[ValkeySinkCluster: { direct_destination: x }]"),
            "ValkeySinkCluster.direct_destination: expected a host and port",
        ),
        (with_chain("[RedisSinkSingle: {}]"), "called `ValkeySinkSingle`"),
        (with_chain("[ValkeySinkSingle]"), "`remote_address` is missing"),
        (
            with_chain("[ValkeySinkSingle: { remote_address: 'a:1', tls: {} }]"),
            "ValkeySinkSingle.tls: `certificate_authority_path` is missing",
        ),
        (
            with_chain("[ValkeySinkSingle: { remote_address: 'a:1', tls: { certificate_authority_path: no.pem } }]"),
            "ValkeySinkSingle.tls.certificate_authority_path: conf/no.pem: cannot be read",
        ),
        (
            with_chain(
                "[ValkeySinkSingle: { remote_address: 'a:1', tls: { certificate_authority_path: a, certificate_path: b } }]",
            ),
            "`certificate_path` and `private_key_path` belong together",
        ),
        (
            with_chain(
                "[ValkeySinkSingle: { remote_address: 'a:1', tls: { certificate_authority_path: a, server_name: 'a b' } }]",
            ),
            "tls.server_name: expected the name that the server's certificate is for",
        ),
        (
            with_chain("[NullSink]").replace("name: a", "name: a\n      tls: { certificate_path: a.pem }"),
            "tls: `private_key_path` is missing",
        ),
        (
            with_chain("[NullSink]")
                .replace("name: a", "name: a\n      tls: { certificate_path: a.pem, private_key_path: a.pem }"),
            "tls.certificate_path: conf/a.pem: cannot be read",
        ),
        (
            with_chain("[NullSink]").replace("name: a", "name: a\n      proxy_protocol: v2"),
            "proxy_protocol: expected `true` or `false`",
        ),
        (
            with_chain("[ValkeySinkSingle: { remote_address: 'a:1', connect_timeout: 1s, connect_timeout_ms: 1 }]"),
            "give one of them",
        ),
        (
            with_chain("[ValkeySinkSingle: { remote_address: 'a:1', connect_timeout: 5 }]"),
            "expected a duration with its unit",
        ),
        (
            with_chain("[KeyPrefix: [1], NullSink]"),
            "chain[0].KeyPrefix: expected a map with the transform's configuration, found a list",
        ),
        (
            with_chain("[KeyPrefix: { a: { 1: 2 } }, NullSink]"),
            "chain[0].KeyPrefix.a: a key must be text, found the number 1",
        ),
        (with_chain("[KeyPrefix: { a: !x 1 }, NullSink]"), "KeyPrefix.a: expected a value without a YAML tag"),
        (with_chain("[KeyPrefix: { a: .nan }, NullSink]"), "KeyPrefix.a: expected a number that JSON knows"),
        (with_chain("[{ KeyPrefix: {}, prefix: x }, NullSink]"), "found a map with 2 keys (`KeyPrefix`, `prefix`)"),
        (with_chain("[NullSink: { a: 1 }]"), "NullSink.a: unknown key; none is expected here"),
        (
            with_chain("[NullSink]").replace("\"127.0.0.1:1\"", "unix:s.sock"),
            "listen_addr: the path of a Unix socket must be absolute",
        ),
        (
            with_chain("[NullSink]").replace("\"127.0.0.1:1\"", "unix:/s.sock\n      unix_mode: 660"),
            "unix_mode: expected permissions in octal, in quotes,",
        ),
        (
            with_chain("[NullSink]").replace("\"127.0.0.1:1\"", "unix:/s.sock\n      unix_mode: '0888'"),
            "unix_mode: expected permissions in octal, in quotes,",
        ),
        (
            with_chain("[NullSink]").replace("name: a", "name: a\n      unix_mode: '0660'"),
            "unix_mode: it is for Unix sockets, and this source listens on 127.0.0.1:1",
        ),
        (with_top("admin: unix:/run/admin.sock"), "admin: expected an IP address and port"),
        (
            with_chain("[ValkeySinkSingle: { remote_address: 'unix:valkey.sock' }]"),
            "remote_address: the path of a Unix socket must be absolute",
        ),
        (
            with_chain("[NullSink]").replace("name: a", "name: a\n      hard_connection_limit: false"),
            "hard_connection_limit: letting clients beyond",
        ),
        (with_top("plugins: { A: { component: a, limits: { stack: 2MiB } } }"), "must be 65536 to 1048576 bytes"),
        (with_chain("[NullSink]").replace("name: a", "name: ''"), "name: expected a name that can be printed"),
        (
            with_chain("[NullSink]")
                .replace("name: a", "name: a\n      limits: { output_high: 2MiB, output_hard: 1MiB }"),
            "limits: `output_high` (2097152 bytes) must not exceed",
        ),
        (
            with_chain("[NullSink]").replace("name: a", "name: a\n      limits: { query: 1 }"),
            "limits.query: must be 1024 to 4294967295 bytes, found 1",
        ),
        (
            with_chain("[NullSink]").replace("name: a", "name: a\n      limits: { query: 1MB }"),
            "limits.query: expected a size such as",
        ),
        (with_top("admin: 127.0.0.1:1"), "sources[0].Valkey.listen_addr"),
        (with_top("admin: 0.0.0.0:1"), "collides with 127.0.0.1:1"),
        (with_top("drain_timeout: 0s"), "drain_timeout: must be longer than zero"),
        (with_top("drain: { spread: 10s }"), "drain.spread: must be shorter than drain_timeout, which is 10s"),
        (with_top("drain: { for: 10s }"), "drain.for: unknown key"),
        (with_top("plugins: { NullSink: { component: a } }"), "plugins.NullSink: this is the name of a sink"),
        (with_top("plugins: { 'a b': { component: a } }"), "plugins[\"a b\"]: a plugin's name must consist of"),
        (with_top("plugins: { KeyPrefx: {} }"), "plugins.KeyPrefx: `component` is missing"),
        (with_top("plugins: { KeyPrefx: {} }"), "did you mean `KeyPrefix`?"),
        (
            with_top("plugins: { A: { component: a }, A: { component: b } }"),
            "plugins: duplicate entry with key \"A\" at line 1",
        ),
        (
            with_top("plugins: { A: { component: a, sha256: abc } }"),
            "plugins.A.sha256: expected a SHA-256: 64 hexadecimal digits in quotes, as `sha256sum` prints them, found 3 digits",
        ),
        (
            with_top(&format!("plugins: {{ A: {{ component: a, sha256: '{}' }} }}", "x".repeat(64))),
            "expected a SHA-256",
        ),
        (with_top("plugins: { A: { component: a, limits: { memory: 1KiB } } }"), "must be at least 65536 bytes"),
        (
            with_top("plugins: { A: { component: a, on_fault: ignore } }"),
            "expected one of `reject`, `bypass`, `close`, found \"ignore\"",
        ),
        (with_top("plugins: { A: { component: a, instances: session } }"), "not supported yet"),
        ("sources: [".into(), "conf/t.yaml is not valid YAML: "),
    ];
    for (text, words) in cases {
        let report = report(text);
        assert!(report.contains(words), "{text}\n{report}\nshould contain: {words}");
        assert_eq!(report.lines().count(), 1, "{text}\n{report}");
    }
}

#[test]
fn a_traffic_log_is_checked_and_most_of_it_may_be_left_out() {
    let with = |log: &str| with_chain(&format!("[NullSink]\n      traffic_log: {log}"));
    let topology = good(&with("{ file: stdout }"));
    let log = topology.sources[0].traffic_log.as_ref().unwrap();
    assert_eq!((&log.destination, log.sample), (&Destination::Stdout, 1.0));
    assert_eq!((log.values, log.max_argument, log.commands.is_all()), (Values::Redacted, 64, true));
    for (log, words) in [
        ("{ sample: 1 }", "`file` is missing"),
        ("{ file: [] }", "expected the path of a file, or `stdout`"),
        ("{ file: t, sample: 0 }", "more than 0 and at most 1"),
        ("{ file: t, sample: 1.5 }", "more than 0 and at most 1"),
        ("{ file: t, commands: get }", "expected a list of commands and categories"),
        ("{ file: t, commands: [get, gte] }", "commands[1]: expected a command such as"),
        ("{ file: t, commands: ['@writ'] }", "which is no category that is known"),
        ("{ file: t, values: all }", "expected one of `redacted`, `keys`, `shown`"),
        ("{ file: t, max_argument: 4097 }", "must be 0 to 4096 bytes"),
        ("{ file: t, smaple: 1 }", "did you mean `sample`"),
    ] {
        let report = report(&with(log));
        assert!(report.contains(words), "{log}\n{report}\nshould contain: {words}");
    }
}

#[test]
fn two_sources_cannot_share_an_address_but_can_ask_for_any_port() {
    let two = |a: &str, b: &str| {
        format!(
            "sources:\n- Valkey: {{ name: a, listen_addr: '{a}', chain: [NullSink] }}\n- Valkey: {{ name: b, listen_addr: '{b}', chain: [NullSink] }}"
        )
    };
    for (a, b) in [("127.0.0.1:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1")] {
        let report = report(&two(a, b));
        assert!(report.contains("sources[1].Valkey.listen_addr"), "{report}");
    }
    let report = report(&two("unix:/run/s.sock", "unix:/run/s.sock"));
    assert!(report.contains("unix:/run/s.sock collides with unix:/run/s.sock of sources[0]"), "{report}");
    good(&two("unix:/run/a.sock", "unix:/run/b.sock"));
    good(&two("127.0.0.1:0", "127.0.0.1:0"));
    good(&two("127.0.0.1:1", "127.0.0.2:1"));
    good(&two("[::1]:1", "127.0.0.1:1"));
}

#[test]
fn anchors_and_merge_keys_work() {
    let topology = good(
        r#"
sources:
  - Valkey: &first
      name: a
      listen_addr: "127.0.0.1:1"
      chain: &chain [NullSink]
  - Valkey: { <<: *first, name: b, listen_addr: "127.0.0.1:2" }
  - Valkey: { name: c, listen_addr: "127.0.0.1:3", chain: *chain }
"#,
    );
    assert!(topology.sources.iter().all(|source| matches!(source.sink, SinkPlan::Null)));
    assert_eq!(topology.sources[1].name, "b");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Topology::load(FilePath::new("/no/such.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the topology /no/such.yaml");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_standard_plugin_is_declared_to_change_what_it_may_use_and_keeps_the_rest() {
    let topology = good(&with_top("plugins: { MemoryStore: { limits: { memory: 1GiB }, on_fault: close } }"));
    let [plugin] = topology.plugins.as_slice() else { panic!("{topology:?}") };
    let usual = standard::find("MemoryStore").unwrap().spec();
    assert!(matches!(plugin.spec.component, Component::Standard { name: "MemoryStore", .. }));
    assert_eq!(plugin.spec.limits, Limits { memory: 1 << 30, ..usual.limits });
    assert_eq!(plugin.spec.grants, usual.grants);
    assert_eq!(plugin.spec.on_fault, OnFault::Close);
}

#[test]
fn every_plugin_that_cannot_be_loaded_is_reported_at_once_with_its_place() {
    let runtime = crate::plugin::Runtime::new(Default::default()).unwrap();
    let topology = good(&with_top("plugins:\n  A: { component: no/a.wasm }\n  B: { component: no/b.wasm }"));
    let report = topology.assemble(&runtime).unwrap_err().to_string();
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines[0], "conf/t.yaml has 2 problems");
    for (line, start, file) in [
        (1, "conf/t.yaml:2:3: plugins.A.component: ", "conf/no/a.wasm"),
        (2, "conf/t.yaml:3:3: plugins.B.component: ", "conf/no/b.wasm"),
    ] {
        assert!(lines[line].starts_with(start) && lines[line].contains(file), "{report}");
    }
}
