#![allow(clippy::unwrap_used, clippy::panic)]

use sluice_commands::table;

use super::*;

fn node() -> VirtualNode {
    VirtualNode::new(Some("10.0.0.7:6379".parse().unwrap()))
}

fn ask(node: &VirtualNode, arguments: &[&[u8]], protocol: Protocol) -> Answer {
    let command = sluice_commands::lookup(arguments[0], || arguments.get(1).copied());
    node.answer(command, arguments, protocol)
}

/// What the node answers to a line, its IDs replaced by `ID` and `SHARD`.
fn frame(node: &VirtualNode, line: &str, protocol: Protocol) -> String {
    let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    match ask(node, &arguments, protocol) {
        Answer::Frame(frame) => String::from_utf8(frame).unwrap().replace(&node.id, "ID").replace(&node.shard, "SHARD"),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn it_describes_itself_as_redis_server_7_does() {
    use Protocol::{Resp2, Resp3};
    // What redis-server 7.0.15 says with `--cluster-announce-ip 10.0.0.7 --port 6379`, when `redis-cli` has made a cluster of it alone.
    let slots = "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.0.0.7\r\n:6379\r\n$40\r\nID\r\n";
    let about = [
        "$2\r\nid\r\n$40\r\nID\r\n$4\r\nport\r\n:6379\r\n$2\r\nip\r\n$8\r\n10.0.0.7\r\n$8\r\nendpoint\r\n$8\r\n10.0.0.7\r\n",
        "$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:0\r\n$6\r\nhealth\r\n$6\r\nonline\r\n",
    ]
    .concat();
    let shards = "$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n";
    let nodes = "ID 10.0.0.7:6379@16379 myself,master - 0 0 1 connected 0-16383\n\r\n";
    for (line, protocol, expected) in [
        ("CLUSTER SLOTS", Resp2, format!("{slots}*0\r\n")),
        ("CLUSTER SLOTS", Resp3, format!("{slots}%0\r\n")),
        ("CLUSTER SHARDS", Resp2, format!("*1\r\n*4\r\n{shards}*14\r\n{about}")),
        ("CLUSTER SHARDS", Resp3, format!("*1\r\n%2\r\n{shards}%7\r\n{about}")),
        ("CLUSTER NODES", Resp2, format!("$101\r\n{nodes}")),
        ("CLUSTER NODES", Resp3, format!("=105\r\ntxt:{nodes}")),
        ("CLUSTER INFO", Resp2, format!("$312\r\n{INFO}\r\n")),
        ("CLUSTER INFO", Resp3, format!("=316\r\ntxt:{INFO}\r\n")),
        ("CLUSTER MYID", Resp2, "$40\r\nID\r\n".to_owned()),
        ("CLUSTER MYSHARDID", Resp3, "$40\r\nSHARD\r\n".to_owned()),
        ("CLUSTER KEYSLOT {a}b", Resp2, ":15495\r\n".to_owned()),
        ("cluster keyslot a", Resp3, ":15495\r\n".to_owned()),
        ("CLUSTER LINKS", Resp3, "*0\r\n".to_owned()),
        ("ROLE", Resp2, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_owned()),
    ] {
        assert_eq!(frame(&node(), line, protocol), expected, "{line}");
    }
}

#[test]
fn a_node_that_does_not_know_its_address_leaves_clients_with_theirs() {
    for node in [VirtualNode::new(None), VirtualNode::new(Some("0.0.0.0:6379".parse().unwrap()))] {
        let slots = frame(&node, "CLUSTER SLOTS", Protocol::Resp2);
        let port = node.port;
        assert_eq!(slots, format!("*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$0\r\n\r\n:{port}\r\n$40\r\nID\r\n*0\r\n"));
    }
    let six = VirtualNode::new(Some("[fe80::1]:60000".parse().unwrap()));
    let nodes = frame(&six, "CLUSTER NODES", Protocol::Resp2);
    assert!(nodes.contains("\nID fe80::1:60000@0 myself,master"), "{nodes}");
}

#[test]
fn its_id_is_that_of_its_address() {
    let at = |text: &str| VirtualNode::new(Some(text.parse().unwrap()));
    assert_eq!(at("127.0.0.1:1"), at("127.0.0.1:1"));
    assert_eq!(at("127.0.0.1:1"), at("[::ffff:127.0.0.1]:1"));
    let (one, other) = (at("127.0.0.1:1"), at("127.0.0.1:2"));
    let ids = std::collections::HashSet::from([&one.id, &one.shard, &other.id, &other.shard]);
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
}

#[test]
fn only_its_own_id_is_that_of_a_node() {
    let node = node();
    for (name, answer) in [("REPLICAS", "*0\r\n"), ("SLAVES", "*0\r\n"), ("COUNT-FAILURE-REPORTS", ":0\r\n")] {
        assert_eq!(frame(&node, &format!("CLUSTER {name} {}", node.id), Protocol::Resp2), answer);
        assert_eq!(frame(&node, &format!("CLUSTER {name} x"), Protocol::Resp2), "-ERR Unknown node x\r\n");
    }
    let odd = ask(&node, &[b"CLUSTER", b"REPLICAS", b"a\r\nb\xff\0c"], Protocol::Resp2);
    assert_eq!(odd, Answer::Frame(b"-ERR Unknown node a  b\xff\r\n".to_vec()));
}

#[test]
fn keys_in_a_slot_are_counted_by_its_owner() {
    let node = node();
    for line in ["CLUSTER COUNTKEYSINSLOT 7", "CLUSTER GETKEYSINSLOT 7 10", "CLUSTER GETKEYSINSLOT 7 0"] {
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        assert_eq!(ask(&node, &arguments, Protocol::Resp2), Answer::To(Slot::new(7).unwrap()));
    }
    // In the words and in the order of the server.
    for (line, error) in [
        ("COUNTKEYSINSLOT 16384", "Invalid slot"),
        ("COUNTKEYSINSLOT -1", "Invalid slot"),
        ("COUNTKEYSINSLOT a", "value is not an integer or out of range"),
        ("COUNTKEYSINSLOT 07", "value is not an integer or out of range"),
        ("COUNTKEYSINSLOT +7", "value is not an integer or out of range"),
        ("GETKEYSINSLOT 16384 1", "Invalid slot or number of keys"),
        ("GETKEYSINSLOT 7 -1", "Invalid slot or number of keys"),
        ("GETKEYSINSLOT 7 a", "value is not an integer or out of range"),
        ("GETKEYSINSLOT a -1", "value is not an integer or out of range"),
    ] {
        assert_eq!(frame(&node, &format!("CLUSTER {line}"), Protocol::Resp2), format!("-ERR {error}\r\n"), "{line}");
    }
}

#[test]
fn what_the_server_would_not_understand_is_refused_in_its_words() {
    for (line, error) in [
        ("CLUSTER", "wrong number of arguments for 'cluster' command"),
        ("CLUSTER SLOTS x", "wrong number of arguments for 'cluster|slots' command"),
        ("cluster keySLOT", "wrong number of arguments for 'cluster|keyslot' command"),
        ("CLUSTER MEET", "wrong number of arguments for 'cluster|meet' command"),
        ("CLUSTER HELP x", "wrong number of arguments for 'cluster|help' command"),
        ("CLUSTER nosuch", "unknown subcommand 'nosuch'. Try CLUSTER HELP."),
        ("CLUSTER nosuch a b", "unknown subcommand 'nosuch'. Try CLUSTER HELP."),
    ] {
        assert_eq!(frame(&node(), line, Protocol::Resp2), format!("-ERR {error}\r\n"), "{line}");
    }
    let odd = |subcommand: &[u8]| ask(&node(), &[b"CLUSTER", subcommand], Protocol::Resp3);
    let error =
        |text: String| Answer::Frame(format!("-ERR unknown subcommand '{text}'. Try CLUSTER HELP.\r\n").into_bytes());
    assert_eq!(odd(b"no\r\nsu\0ch"), error("no  su".to_owned()));
    assert_eq!(odd(&[b'x'; 300]), error("x".repeat(128)));
}

#[test]
fn orders_are_refused() {
    for line in [
        "MEET 127.0.0.1 1",
        "FORGET a",
        "RESET",
        "ADDSLOTS 1",
        "ADDSLOTSRANGE 1 2",
        "DELSLOTS 1",
        "DELSLOTSRANGE 1 2",
        "SETSLOT 1 STABLE",
        "FAILOVER",
        "REPLICATE a",
        "SAVECONFIG",
        "BUMPEPOCH",
        "SET-CONFIG-EPOCH 1",
        "FLUSHSLOTS",
        "SLOT-STATS SLOTSRANGE 0 1",
    ] {
        let name = line.split(' ').next().unwrap();
        let expected =
            format!("-ERR CLUSTER {name} is for a single server, and this proxy stands for a whole cluster\r\n");
        assert_eq!(frame(&node(), &format!("CLUSTER {line}"), Protocol::Resp2), expected);
    }
}

#[test]
fn every_subcommand_is_decided_upon() {
    let family = table().family(table().by_name("cluster").unwrap());
    let names: Vec<&str> = family.filter_map(|id| id.get()?.name().strip_prefix("cluster|")).collect();
    let mut decided: Vec<&str> = SUBCOMMANDS.iter().map(|(name, ..)| *name).collect();
    decided.sort_unstable();
    assert_eq!(decided, names);
}

#[test]
fn help_names_what_is_answered() {
    let help = frame(&node(), "CLUSTER HELP", Protocol::Resp3);
    let lines: Vec<&str> = help.split("\r\n").collect();
    assert_eq!(lines[0], format!("*{}", lines.len() - 2));
    assert_eq!(lines[1], "+CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for line in ["+KEYSLOT <key>", "+    Return the hash slot for <key>.", "+NODES", "+GETKEYSINSLOT <slot> <count>"] {
        assert!(lines.contains(&line), "{line}");
    }
    assert!(!help.contains("MEET"));
}

#[test]
fn info_of_a_real_node_names_none() {
    let text = "# Server\r\nredis_version:7.0.15\r\ntcp_port:7001\r\nlistener0:name=tcp,bind=10.1.1.1,port=7001\r\n\r\n\
        # Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=10.1.1.2,port=7002,state=online\r\n\
        slave_read_only:1\r\n";
    let hidden = "# Server\r\nredis_version:7.0.15\r\ntcp_port:6379\r\n\r\n\
        # Replication\r\nrole:master\r\nconnected_slaves:0\r\nslave_read_only:1\r\n";
    let info = |frame: String| String::from_utf8(node().info(frame.as_bytes())).unwrap();
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let verbatim = |text: &str| format!("={}\r\ntxt:{text}\r\n", text.len() + 4);
    assert_eq!(info(bulk(text)), bulk(hidden));
    assert_eq!(info(verbatim(text)), verbatim(hidden));
    for other in ["-NOAUTH no\r\n", "$-1\r\n", "+OK\r\n"] {
        assert_eq!(info(other.to_owned()), other);
    }
}

#[test]
fn other_commands_go_their_way() {
    for line in ["GET a", "INFO", "NO.SUCH", "ROLE x", "CONFIG GET cluster-enabled"] {
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        assert_eq!(ask(&node(), &arguments, Protocol::Resp2), Answer::Nothing, "{line}");
    }
}
