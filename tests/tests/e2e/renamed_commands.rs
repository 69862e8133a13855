//! A command under another name: harmless to others if the sink is not told of the name, and itself
//! if the sink is told.

mod kind;

use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{ClusterOptions, Listed, RedisCluster, RedisServer, Sluice, Topology, inline, wait_until};

/// A server that has these commands under these names, and a proxy whose sink is told so.
fn renamed(renames: &[(&str, &str)]) -> (RedisServer, Sluice) {
    let options: Vec<&str> = renames.iter().flat_map(|(name, other)| ["--rename-command", name, other]).collect();
    let server = RedisServer::start_with(&options);
    let proxy = Topology::new().sink_to(&[server.addr()], &told(renames)).start();
    (server, proxy)
}

/// The entry of a sink's map that tells of the names.
fn told(renames: &[(&str, &str)]) -> String {
    let renames: Vec<String> = renames.iter().map(|(name, other)| format!("{name}: {other}")).collect();
    format!("renamed: {{ {} }}", renames.join(", "))
}

/// A server that has these commands under these names, and a proxy whose sink is not told.
fn renamed_secretly(renames: &[(&str, &str)], more: &[&str]) -> (RedisServer, Sluice) {
    let mut options: Vec<&str> = renames.iter().flat_map(|(name, other)| ["--rename-command", name, other]).collect();
    options.extend(more);
    let server = RedisServer::start_with(&options);
    let proxy = Topology::new().sink(&server).start();
    (server, proxy)
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The confirmations of SUBSCRIBE to these channels, the session's first.
fn confirmations(channels: &[&str]) -> Vec<String> {
    let numbered = channels.iter().zip(1..);
    numbered.map(|(channel, count)| format!("*3\r\n{}{}:{count}\r\n", bulk("subscribe"), bulk(channel))).collect()
}

#[test]
fn a_renamed_subscribe_behaves_as_subscribe() {
    let (server, proxy) = renamed(&[("SUBSCRIBE", "xsub"), ("UNSUBSCRIBE", "xunsub")]);
    let (mut witness, mut subscriber) = (proxy.client(), proxy.client());
    assert_eq!(witness.ask("SET mine 1"), "+OK\r\n");
    subscriber.send(&["XSUB a b c", "PING"].map(inline).concat());
    assert_eq!(subscriber.replies(3), confirmations(&["a", "b", "c"]));
    assert_eq!(subscriber.reply(), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    let refused = subscriber.ask("GET mine");
    assert!(refused.starts_with(b"-ERR Can't execute 'get': only"), "{refused:?}");
    assert_eq!(witness.ask("PUBLISH b hello"), ":1\r\n");
    assert_eq!(subscriber.reply(), format!("*3\r\n{}{}{}", bulk("message"), bulk("b"), bulk("hello")));

    // When its connection is lost, it is subscribed again by the name that the server knows.
    assert_eq!(server.client().ask("CLIENT KILL TYPE pubsub"), ":1\r\n");
    wait_until("it is subscribed again", SOON, || {
        (witness.ask("PUBSUB NUMSUB c") == format!("*2\r\n{}:1\r\n", bulk("c"))).then_some(())
    });
    assert_eq!(witness.ask("PUBLISH c again"), ":1\r\n");
    assert_eq!(subscriber.reply(), format!("*3\r\n{}{}{}", bulk("message"), bulk("c"), bulk("again")));

    subscriber.send(&inline("xunsub a b c"));
    assert_eq!(subscriber.replies(3).len(), 3);
    assert_eq!(subscriber.ask("GET mine"), bulk("1"));
    assert_eq!(witness.ask("GET mine"), bulk("1"));
    assert!(witness.silent_for(Duration::from_millis(20)));
}

#[test]
fn a_renamed_command_no_longer_answers_to_its_own_name() {
    let (_server, proxy) = renamed(&[("SUBSCRIBE", "xsub"), ("FLUSHALL", "x9f")]);
    let (mut witness, mut client) = (proxy.client(), proxy.client());
    assert_eq!(witness.ask("SET mine 1"), "+OK\r\n");
    let refused = client.ask("FLUSHALL");
    assert!(refused.starts_with(b"-ERR unknown command 'FLUSHALL'"), "{refused:?}");
    assert_eq!(client.ask("GET mine"), bulk("1"));
    assert_eq!(client.ask("x9f"), "+OK\r\n");
    assert_eq!(witness.ask("GET mine"), "$-1\r\n");
}

#[test]
fn renamed_auth_select_and_hello_change_their_own_session_alone_and_outlive_its_connection() {
    let renames = [("AUTH", "xauth"), ("SELECT", "xselect"), ("HELLO", "xhello"), ("MULTI", "xmulti")];
    let (server, proxy) = renamed(&renames);
    let mut direct = server.client();
    assert_eq!(direct.ask("ACL SETUSER ann on >secret ~* &* +@all"), "+OK\r\n");
    let (mut witness, mut client) = (proxy.client(), proxy.client());
    assert_eq!(client.ask("xauth ann secret"), "+OK\r\n");
    assert_eq!(client.ask("xselect 3"), "+OK\r\n");
    client.read_both_protocols();
    assert!(client.ask("xhello 3").starts_with(b"%7\r\n"));
    assert_eq!(client.ask("SET where three"), "+OK\r\n");
    assert_eq!(witness.ask("GET where"), "$-1\r\n");
    assert_eq!(witness.ask("ACL WHOAMI"), bulk("default"));
    // A connection that the proxy sets up for the session is told by the names that the server
    // knows.
    direct.ask("CLIENT KILL TYPE normal SKIPME yes");
    wait_until("the session goes on", SOON, || (client.ask("GET where") == bulk("three")).then_some(()));
    assert_eq!(client.ask("ACL WHOAMI"), bulk("ann"));
    assert_eq!(client.ask("GET nothing"), "_\r\n");
    assert_eq!(client.ask("xmulti"), "+OK\r\n");
    assert_eq!(client.ask("GET where"), "+QUEUED\r\n");
    wait_until("the witness goes on", SOON, || (witness.ask("GET where") == "$-1\r\n").then_some(()));
    assert_eq!(client.ask("EXEC"), format!("*1\r\n{}", bulk("three")));
}

fn key_at(cluster: &RedisCluster, shard: usize) -> String {
    (0..).map(|number| format!("key-{number}")).find(|key| cluster.owner_of_key(key) == shard).unwrap()
}

#[test]
fn renamed_commands_behave_as_themselves_in_front_of_a_cluster() {
    let renames = [("FLUSHALL", "x9f"), ("SUBSCRIBE", "xsub"), ("BLPOP", "xpop"), ("MGET", "xmget")];
    let options: Vec<&str> = renames.iter().flat_map(|(name, other)| ["--rename-command", name, other]).collect();
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&options));
    let proxy = Topology::new().hiding(&cluster, &told(&renames)).start();
    let (mut witness, mut client) = (proxy.client(), proxy.client());
    let keys: Vec<String> = (0..3).map(|shard| key_at(&cluster, shard)).collect();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} {key}")), "+OK\r\n");
    }
    let values: String = keys.iter().map(|key| bulk(key)).collect();
    assert_eq!(client.ask(&format!("xmget {}", keys.join(" "))), format!("*3\r\n{values}"), "taken apart by slot");
    assert_eq!(client.ask("X9F"), "+OK\r\n", "at all primaries");
    for (shard, key) in keys.iter().enumerate() {
        assert_eq!(cluster.client(shard).ask("DBSIZE"), ":0\r\n", "shard {shard}");
        // It is known where its key is, and that it blocks.
        let list = format!("list-{key}");
        let mut waiter = proxy.client();
        waiter.send(&inline(&format!("xpop {list} 0")));
        let mut direct = cluster.client(cluster.owner_of_key(&list));
        wait_until("it waits", SOON, || {
            (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
        });
        assert_eq!(witness.ask(&format!("RPUSH {list} item")), ":1\r\n");
        assert_eq!(waiter.reply(), format!("*2\r\n{}{}", bulk(&list), bulk("item")));
    }
    client.send(&inline("xsub a b c"));
    assert_eq!(client.replies(3), confirmations(&["a", "b", "c"]));
    assert!(!witness.ask("PUBLISH b hello").starts_with(b"-"));
    assert_eq!(client.reply(), format!("*3\r\n{}{}{}", bulk("message"), bulk("b"), bulk("hello")));
    assert_eq!(witness.ask(&format!("GET {}", keys[0])), "$-1\r\n");
}

#[test]
fn a_cluster_s_subscribe_under_a_name_that_nobody_told_disturbs_no_other_session() {
    let options = ["--rename-command", "SUBSCRIBE", "xsub"];
    let cluster = RedisCluster::start_with(3, 0, &ClusterOptions::new().server(&options));
    let proxy = Topology::new().sink(&cluster).start();
    let mut witness = proxy.client();
    let keys: Vec<String> = (0..3).map(|shard| key_at(&cluster, shard)).collect();
    for key in &keys {
        assert_eq!(witness.ask(&format!("SET {key} {key}")), "+OK\r\n");
    }
    let requests: Vec<u8> = keys.iter().flat_map(|key| inline(&format!("GET {key}"))).collect();
    let replies: Vec<String> = keys.iter().map(|key| bulk(key)).collect();
    for _ in 0..20 {
        let mut client = proxy.client();
        client.send(&inline("xsub a b c"));
        witness.send(&requests.repeat(50));
        assert_eq!(witness.replies(150), vec![replies.clone(); 50].concat());
        assert_eq!(client.reply(), confirmations(&["a"])[0]);
    }
    assert!(witness.silent_for(Duration::from_millis(20)));
}

#[test]
fn a_client_that_knows_a_secret_name_changes_nobody_but_itself() {
    let renames = [("AUTH", "xauth"), ("SELECT", "xselect"), ("MULTI", "xmulti"), ("SUBSCRIBE", "xsub")];
    let more = ["--user", "admin", "on", ">pw", "~*", "&*", "+@all"];
    let (server, proxy) = renamed_secretly(&renames, &more);
    let mut witness = proxy.client();
    assert_eq!(witness.ask("SET mine zero"), "+OK\r\n");
    for (line, reply) in [
        ("xselect 7", "+OK\r\n"),
        ("xauth admin pw", "+OK\r\n"),
        ("xmulti", "+OK\r\n"),
        ("xsub a b c", confirmations(&["a"])[0].as_str()),
    ] {
        let mut client = proxy.client();
        client.send(&inline(line));
        witness.send(&inline("GET mine").repeat(50));
        assert_eq!(witness.replies(50), vec![bulk("zero"); 50], "beside {line}");
        assert_eq!(client.reply(), reply, "{line}");
        assert_eq!(witness.ask("GET mine"), bulk("zero"), "after {line}");
        assert_eq!(witness.ask("ACL WHOAMI"), bulk("default"), "after {line}");
        assert_eq!(proxy.client().ask("GET mine"), bulk("zero"), "a session that comes after {line}");
    }
    // What the session has become it stays.
    let mut client = proxy.client();
    assert_eq!(client.ask("xselect 7"), "+OK\r\n");
    assert_eq!(client.ask("SET only-in seven"), "+OK\r\n");
    assert_eq!(witness.ask("EXISTS only-in"), ":0\r\n");
    assert_eq!(client.ask("GET only-in"), bulk("seven"));
    let mut direct = server.client();
    assert_eq!(direct.ask("xselect 7"), "+OK\r\n");
    assert_eq!(direct.ask("GET only-in"), bulk("seven"));
    drop((direct, client));
    wait_until("no connection is left in database 7", SOON, || {
        Listed::others(&mut server.client()).iter().all(|listed| listed.field("db") == "0").then_some(())
    });
}
