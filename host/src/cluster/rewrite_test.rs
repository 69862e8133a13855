//! The promises of a rewrite table. The replies are those of real servers, but for their numbers.

#![allow(clippy::unwrap_used)]

use super::*;

const FIRST: &str = "0c1d0f5e0ad1ae9e0a1ddc1a3a6d8c9a1b2c3d4e";
const SECOND: &str = "1c1d0f5e0ad1ae9e0a1ddc1a3a6d8c9a1b2c3d4e";

fn table() -> Rewrite {
    let mut rewrite = Rewrite::new(Some("10.0.0.1"));
    for (node, proxy) in [
        ("10.0.0.1:7001", "192.0.2.1:6379"),
        ("10.0.0.2:7002", "proxy.example:6380"),
        ("[fe80::3]:7003", "[2001:db8::3]:6381"),
        ("Node-4.example:7004", "192.0.2.4:6382"),
    ] {
        assert!(rewrite.add(node, proxy));
    }
    rewrite
}

/// A bulk string.
fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// An aggregate of frames.
fn all(header: &str, frames: &[String]) -> String {
    format!("{header}{}\r\n{}", frames.len() / if header == "%" { 2 } else { 1 }, frames.concat())
}

fn int(number: usize) -> String {
    format!(":{number}\r\n")
}

fn reply(form: NodesForm, frame: &str) -> Option<String> {
    assert_eq!(reply::frame_length(frame.as_bytes()).unwrap(), Some(frame.len()), "{frame}");
    let rewritten = table().reply(form, frame.as_bytes()).map(|frame| String::from_utf8(frame).unwrap());
    if let Some(frame) = &rewritten {
        assert_eq!(reply::frame_length(frame.as_bytes()).unwrap(), Some(frame.len()), "{frame}");
    }
    rewritten
}

#[test]
fn redirections_name_proxies() {
    for (error, expected) in [
        ("-MOVED 3999 10.0.0.1:7001", Some("-MOVED 3999 192.0.2.1:6379")),
        ("-ASK 3999 10.0.0.2:7002", Some("-ASK 3999 proxy.example:6380")),
        ("-MOVED 1 fe80::3:7003", Some("-MOVED 1 2001:db8::3:6381")),
        ("-MOVED 1 [FE80:0::3]:7003 more of it", Some("-MOVED 1 2001:db8::3:6381 more of it")),
        ("-MOVED 1 node-4.EXAMPLE:7004", Some("-MOVED 1 192.0.2.4:6382")),
        // The host of the node that answers.
        ("-MOVED 1 :7001", Some("-MOVED 1 192.0.2.1:6379")),
        ("-MOVED 1 :7002", None),
        ("-MOVED 1 ?:7001", None),
        ("-MOVED 1 10.0.0.1:7002", None),
        ("-MOVED 1 10.0.0.1", None),
        ("-ERR 1 10.0.0.1:7001", None),
        ("-TRYAGAIN Multiple keys request during rehashing of slot", None),
        ("$24\r\n-MOVED 1 10.0.0.1:7001\r\n", None),
        ("+MOVED 1 10.0.0.1:7001", None),
    ] {
        let found = table().errors(format!("{error}\r\n").as_bytes(), false);
        let expected = expected.map(|error| format!("{error}\r\n").into_bytes());
        assert_eq!(found, expected, "{error}");
    }
}

#[test]
fn among_several_replies_only_errors_are_rewritten() {
    let data = bulk("\r\n-MOVED 1 10.0.0.1:7001\r\n");
    let from = format!("+OK\r\n-MOVED 1 10.0.0.1:7001\r\n{data}-ERR no\r\n-ASK 2 10.0.0.2:7002\r\n:-1\r\n");
    let to = format!("+OK\r\n-MOVED 1 192.0.2.1:6379\r\n{data}-ERR no\r\n-ASK 2 proxy.example:6380\r\n:-1\r\n");
    assert_eq!(table().errors(from.as_bytes(), true), Some(to.into_bytes()));
    assert_eq!(table().errors(format!("+OK\r\n{data}-ERR no\r\n").as_bytes(), true), None);
    assert_eq!(table().errors(b"+OK\r\n+OK\r\n", true), None);
}

#[test]
fn slots_are_served_by_proxies_of_which_no_other_address_is_told() {
    let none = || all("*", &[]);
    let node = |host: &str, port: usize, metadata: String| all("*", &[bulk(host), int(port), bulk(FIRST), metadata]);
    let ip = |ip: &str| all("*", &[bulk("ip"), bulk(ip)]);
    let ip3 = |ip: &str| all("%", &[bulk("ip"), bulk(ip)]);
    let name = |name: &str| all("*", &[bulk("hostname"), bulk(name)]);
    let null = all("*", &["$-1\r\n".to_owned(), int(7001), bulk(FIRST), ip("10.9.9.9")]);
    for (from, to) in [
        (node("10.0.0.1", 7001, none()), node("192.0.2.1", 6379, none())),
        (node("10.0.0.1", 7001, name("node-1.example")), node("192.0.2.1", 6379, none())),
        (node("node-2.example", 7002, ip("10.0.0.2")), node("proxy.example", 6380, none())),
        (node("node-2.example", 7002, ip3("10.0.0.2")), node("proxy.example", 6380, all("%", &[]))),
        (node("?", 7002, ip("10.0.0.2")), node("proxy.example", 6380, none())),
        (node("fe80::3", 7003, none()), node("2001:db8::3", 6381, none())),
        (node("10.9.9.9", 7004, name("node-4.example")), node("192.0.2.4", 6382, none())),
        // The node that answers does not know its address, or is told not to say it.
        (node("", 7001, none()), node("192.0.2.1", 6379, none())),
        (null, node("192.0.2.1", 6379, none())),
        // As servers before 7.0, and before 4.0, say it.
        (all("*", &[bulk("10.0.0.1"), int(7001), bulk(FIRST)]), all("*", &[bulk("192.0.2.1"), int(6379), bulk(FIRST)])),
        (all("*", &[bulk("10.0.0.1"), int(7001)]), all("*", &[bulk("192.0.2.1"), int(6379)])),
    ] {
        let other = node("10.7.7.7", 7007, name("other.example"));
        let slots =
            |node: String| all("*", &[all("*", &[int(0), int(99), node, other.clone()]), all("*", &[int(5), int(6)])]);
        assert_eq!(reply(NodesForm::Slots, &slots(from.clone())).as_deref(), Some(&*slots(to)), "{from}");
    }
    let unnamed = all("*", &[all("*", &[int(0), int(99), node("10.7.7.7", 7001, ip("10.7.7.7"))])]);
    assert_eq!(reply(NodesForm::Slots, &unnamed), None);
    for other in ["-ERR This instance has cluster support disabled\r\n", "+QUEUED\r\n", "*-1\r\n", "*1\r\n*1\r\n:0\r\n"]
    {
        assert_eq!(reply(NodesForm::Slots, other), None, "{other}");
    }
}

#[test]
fn shards_consist_of_proxies_of_which_no_other_address_is_told() {
    let pairs = |text: &str| -> Vec<String> {
        let word = |word: &str| word.parse().map_or_else(|_| bulk(word), int);
        text.split_whitespace().map(word).collect()
    };
    for kind in ["*", "%"] {
        let shards = |nodes: &[&str]| {
            let nodes: Vec<String> = nodes.iter().map(|node| all(kind, &pairs(node))).collect();
            let slots = all("*", &[int(0), int(5460)]);
            all("*", &[all(kind, &[bulk("slots"), slots, bulk("nodes"), all("*", &nodes)])])
        };
        let from = shards(&[
            "id a port 7001 ip 10.0.0.1 endpoint 10.0.0.1 role master replication-offset 70 health online",
            "id b port 7002 tls-port 8002 ip 10.0.0.2 endpoint node-2.example hostname node-2.example role replica",
            "id c tls-port 7004 ip 10.9.9.9 endpoint 10.9.9.9 hostname node-4.example role replica",
            "id d port 7001 ip 10.7.7.7 endpoint ? hostname other.example role replica",
        ]);
        let to = shards(&[
            "id a port 6379 ip 192.0.2.1 endpoint 192.0.2.1 role master replication-offset 70 health online",
            "id b port 6380 tls-port 6380 ip proxy.example endpoint proxy.example hostname proxy.example role replica",
            "id c tls-port 6382 ip 192.0.2.4 endpoint 192.0.2.4 role replica",
            "id d port 7001 ip 10.7.7.7 endpoint ? hostname other.example role replica",
        ]);
        assert_eq!(reply(NodesForm::Shards, &from).as_deref(), Some(&*to));
    }
    assert_eq!(reply(NodesForm::Shards, "-ERR unknown subcommand 'shards'\r\n"), None);
}

#[test]
fn lines_name_proxies_and_keep_everything_else() {
    let lines = [
        (
            format!("{FIRST} 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460 [7->-{SECOND}]"),
            Some("192.0.2.1:6379@0"),
        ),
        (
            format!("{SECOND} 10.0.0.2:7002@17002,node-2.example slave {FIRST} 0 1 1 connected"),
            Some("proxy.example:6380@0,proxy.example"),
        ),
        (format!("{SECOND} fe80::3:7003@17003,,shard-id=5 master - 0 1 1 connected"), Some("2001:db8::3:6381@0")),
        (format!("{SECOND} 10.9.9.9:7004@17004,node-4.example master - 0 1 1 connected"), Some("192.0.2.4:6382@0")),
        (format!("{FIRST} :7001@17001 myself,master - 0 0 1 connected"), Some("192.0.2.1:6379@0")),
        (format!("{FIRST} 10.0.0.1:7001 myself,master - 0 0 1 connected"), Some("192.0.2.1:6379")),
        (format!("{SECOND} 10.0.0.2:7002 master - 0 0 1 connected"), Some("proxy.example:6380")),
        (format!("{SECOND} :0@0 master,noaddr - 0 0 1 disconnected"), None),
        (format!("{SECOND} 10.7.7.7:7007@17007,other.example master - 0 0 1 connected"), None),
    ];
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for (line, address) in lines {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        to.push(address.map_or_else(|| line.clone(), |address| format!("{} {address} {}", words[0], words[2])));
        from.push(line);
    }
    // NODES ends its last line, REPLICAS does not.
    let (text, expected) = (from.join("\n") + "\n", to.join("\n") + "\n");
    assert_eq!(reply(NodesForm::Lines, &bulk(&text)), Some(bulk(&expected)));
    let verbatim = |text: &str| format!("={}\r\ntxt:{text}\r\n", text.len() + 4);
    assert_eq!(reply(NodesForm::Lines, &verbatim(&text)), Some(verbatim(&expected)));
    let array = |lines: &[String]| all("*", &lines.iter().map(|line| bulk(line)).collect::<Vec<_>>());
    assert_eq!(reply(NodesForm::Lines, &array(&from)), Some(array(&to)));
    for other in ["-ERR Unknown node\r\n", "*0\r\n", "$-1\r\n", "$0\r\n\r\n", "=4\r\ntxt:\r\n"] {
        assert_eq!(reply(NodesForm::Lines, other), None, "{other}");
    }
}

#[test]
fn in_the_results_of_a_transaction_only_those_that_are_asked_for_are_rewritten() {
    let line = |address: &str| bulk(&format!("{FIRST} {address} master - 0 0 1 connected"));
    let from = all("*", &[line("10.0.0.1:7001@1"), bulk("value"), line("10.0.0.1:7001@1")]);
    let to = all("*", &[line("10.0.0.1:7001@1"), bulk("value"), line("192.0.2.1:6379@0")]);
    assert_eq!(table().results(&[(2, NodesForm::Lines)], from.as_bytes()), Some(to.into_bytes()));
    assert_eq!(table().results(&[(7, NodesForm::Lines)], from.as_bytes()), None);
    for other in ["*-1\r\n", "_\r\n", "-EXECABORT Transaction discarded\r\n"] {
        assert_eq!(table().results(&[(0, NodesForm::Lines)], other.as_bytes()), None);
    }
}

#[test]
fn a_node_is_in_the_table_once_however_it_is_written() {
    let mut table = table();
    for again in ["10.0.0.1:7001", "[fe80:0:0::3]:7003", "NODE-4.example:7004"] {
        assert!(!table.add(again, "192.0.2.9:1"), "{again}");
    }
    assert!(!table.add("nowhere", "192.0.2.9:1"));
}
