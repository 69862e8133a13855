//! The ID that a client is told is its session's own, and commands that take an ID mean that
//! session.

use std::collections::HashSet;
use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{Client, Listed, RedisCluster, RedisServer, Sluice, Topology, inline, wait_until};

use crate::WORKERS;
use crate::sessions::{neighbours, undisturbed};

/// Long enough for something that should not come to come.
const A_MOMENT: Duration = Duration::from_millis(100);

/// What is behind the proxy.
enum Behind {
    Single(RedisServer),
    Cluster(RedisCluster),
}

impl Behind {
    /// How many clients its servers say are blocked.
    fn blocked(&self) -> u64 {
        let blocked = |mut direct: Client| RedisServer::info(&mut direct, "clients", "blocked_clients");
        match self {
            Self::Single(server) => blocked(server.client()),
            Self::Cluster(cluster) => (0..cluster.shards()).map(|shard| blocked(cluster.client(shard))).sum(),
        }
    }

    #[track_caller]
    fn wait_until_blocked(&self, count: u64) {
        wait_until(&format!("{count} clients are blocked"), SOON, || (self.blocked() == count).then_some(()));
    }

    /// The IDs of all connections of its servers.
    fn connection_ids(&self) -> Vec<u64> {
        let ids = |mut direct: Client| Listed::others(&mut direct).into_iter().map(|listed| number(listed.field("id")));
        match self {
            Self::Single(server) => ids(server.client()).collect(),
            Self::Cluster(cluster) => (0..cluster.shards()).flat_map(|shard| ids(cluster.client(shard))).collect(),
        }
    }
}

/// Tells a story in front of a single server and of a cluster, with one worker and with two.
fn story(tell: impl Fn(&Behind, &Sluice)) {
    for workers in WORKERS {
        println!("in front of a single server, with {workers} workers");
        let server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        tell(&Behind::Single(server), &proxy);
    }
    println!("in front of a cluster");
    let cluster = RedisCluster::start(3, 0);
    let proxy = Topology::three_components(&cluster).workers(2).start();
    tell(&Behind::Cluster(cluster), &proxy);
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("not an ID: {text:?}"))
}

/// The integer that a reply is.
#[track_caller]
fn integer(reply: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(reply);
    number(text.strip_prefix(':').unwrap_or_else(|| panic!("not an integer: {text:?}")).trim_end())
}

/// The ID in the reply to HELLO, in either protocol.
#[track_caller]
fn id_of_hello(reply: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(reply);
    let (_, rest) = text.split_once("$2\r\nid\r\n:").unwrap_or_else(|| panic!("no ID: {text:?}"));
    number(rest.split("\r\n").next().unwrap())
}

/// What CLIENT ID and CLIENT INFO say, which must be the same.
#[track_caller]
fn id(client: &mut Client) -> u64 {
    let id = integer(&client.ask("CLIENT ID"));
    assert_eq!(number(Listed::own(client).field("id")), id, "CLIENT INFO and CLIENT ID");
    id
}

#[test]
fn hello_client_id_and_client_info_tell_the_same_id_for_the_whole_life_of_a_session() {
    story(|behind, proxy| {
        let mut client = proxy.client();
        let own = id_of_hello(&client.hello2());
        assert_eq!(id(&mut client), own);
        assert_eq!(id_of_hello(&client.hello3()), own, "in RESP3");
        assert_eq!(id(&mut client), own, "in RESP3");
        assert_eq!(client.ask("CLIENT SETNAME me"), "+OK\r\n");
        assert_eq!(id(&mut client), own, "after CLIENT SETNAME");
        assert_eq!(client.ask("BLPOP nothing 0.01"), "_\r\n");
        assert_eq!(id(&mut client), own, "after a command that blocked");
        assert!(client.ask("SUBSCRIBE news").starts_with(b">"));
        assert_eq!(id(&mut client), own, "while subscribed");
        assert!(client.ask("UNSUBSCRIBE news").starts_with(b">"));
        if let Behind::Single(_) = behind {
            assert_eq!(client.ask("SELECT 3"), "+OK\r\n");
            assert_eq!(id(&mut client), own, "after SELECT");
            assert_eq!(client.ask("CLIENT TRACKING ON"), "+OK\r\n");
            assert_eq!(id(&mut client), own, "while tracking");
        }
        assert_eq!(client.ask("WATCH {a}"), "+OK\r\n");
        assert_eq!(id(&mut client), own, "while keys are watched");
        client.ask("UNWATCH");
        assert_eq!(client.ask("RESET"), "+RESET\r\n");
        assert_eq!(id_of_hello(&client.hello2()), own, "after RESET");
        assert_eq!(id(&mut client), own, "after RESET");
    });
}

#[test]
fn the_id_in_a_transaction_is_the_session_s_own() {
    story(|_, proxy| {
        let mut client = proxy.client();
        let own = id(&mut client);
        for _ in 0..3 {
            assert_eq!(client.ask("MULTI"), "+OK\r\n");
            for request in ["SET {a} 1", "CLIENT ID", "CLIENT INFO", "HELLO", "GET {a}"] {
                assert_eq!(client.ask(request), "+QUEUED\r\n", "{request}");
            }
            let reply = client.ask("EXEC");
            let text = String::from_utf8_lossy(&reply);
            assert!(text.starts_with(&format!("*5\r\n+OK\r\n:{own}\r\n$")), "{text}");
            assert_eq!(number(Listed::read(&reply).field("id")), own);
            assert_eq!(id_of_hello(&reply), own);
            assert!(text.ends_with("$1\r\n1\r\n"), "{text}");
        }
        assert_eq!(id(&mut client), own);
    });
}

#[test]
fn no_two_sessions_have_the_same_id_not_even_one_after_the_other() {
    story(|_, proxy| {
        let mut seen = HashSet::new();
        for _ in 0..4 {
            // Several at a time, so that all workers have some.
            let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
            for client in &mut clients {
                let own = id(client);
                assert!(seen.insert(own), "{own} was another session's");
            }
        }
    });
}

/// A session of each kind, and what it is doing.
fn sessions(behind: &Behind, proxy: &Sluice) -> Vec<(&'static str, Client)> {
    let kinds = [
        ("idle", ""),
        ("blocked", "BLPOP {a}nothing 0"),
        ("in a transaction", "MULTI"),
        ("watching", "WATCH {a}"),
        ("subscribed", "SUBSCRIBE news"),
    ];
    let sessions = kinds.map(|(kind, line)| {
        let mut client = proxy.client();
        let reads = line.is_empty() || line.starts_with("BLPOP");
        if !line.is_empty() {
            client.send(&inline(line));
        }
        if !reads {
            assert!(!client.reply().starts_with(b"-"), "{kind}");
        }
        (kind, client)
    });
    behind.wait_until_blocked(1);
    Vec::from(sessions)
}

/// The ID of a session that is about to do something.
fn known(proxy: &Sluice, line: &str) -> (Client, u64) {
    let mut client = proxy.client();
    let own = id(&mut client);
    if !line.is_empty() {
        client.send(&inline(line));
    }
    (client, own)
}

#[test]
fn client_kill_by_id_closes_that_session_and_no_other() {
    story(|behind, proxy| {
        let mut others = neighbours(proxy);
        let bystanders = sessions(behind, proxy);
        for line in ["", "MULTI", "WATCH {a}", "SUBSCRIBE news", "BLPOP {a}nothing 0"] {
            let (mut client, own) = known(proxy, line);
            if line.starts_with("BLPOP") {
                behind.wait_until_blocked(2);
            } else if !line.is_empty() {
                client.reply();
            }
            assert_eq!(others[0].ask(&format!("CLIENT KILL ID {own}")), ":1\r\n", "{line}");
            assert_eq!(client.rest(), "", "{line}");
            assert_eq!(others[1].ask(&format!("CLIENT KILL ID {own}")), ":0\r\n", "it has gone");
            undisturbed(&mut others, line);
        }
        behind.wait_until_blocked(1);
        for (kind, mut client) in bystanders {
            assert!(client.silent_for(Duration::from_millis(5)), "a session that was {kind}");
        }
    });
}

#[test]
fn client_kill_by_id_takes_other_filters_along() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        for form in [
            "CLIENT KILL ID {} SKIPME yes",
            "CLIENT KILL SKIPME no ID {}",
            "client kill id {} skipme NO",
            "CLIENT KILL ID {} USER default",
            "CLIENT KILL TYPE normal ID {}",
            "CLIENT KILL USER default ID {} TYPE normal SKIPME yes",
        ] {
            let (mut client, own) = known(proxy, "");
            assert_eq!(others[0].ask(&form.replace("{}", &own.to_string())), ":1\r\n", "{form}");
            assert_eq!(client.rest(), "", "{form}");
        }
        let (mut client, own) = known(proxy, "");
        for form in
            ["CLIENT KILL ID {} TYPE pubsub", "CLIENT KILL ADDR 127.0.0.1:1 ID {}", "CLIENT KILL ID {} TYPE replica"]
        {
            assert_eq!(others[0].ask(&form.replace("{}", &own.to_string())), ":0\r\n", "{form}");
        }
        assert_eq!(id(&mut client), own, "a filter that it does not pass spares it");
        undisturbed(&mut others, "after all that");
    });
}

#[test]
fn a_session_kills_itself_only_if_it_says_so() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let (mut client, own) = known(proxy, "");
        assert_eq!(client.ask(&format!("CLIENT KILL ID {own}")), ":0\r\n");
        assert_eq!(client.ask(&format!("CLIENT KILL ID {own} SKIPME yes")), ":0\r\n");
        assert_eq!(id(&mut client), own);
        client.send(&inline(&format!("CLIENT KILL ID {own} SKIPME no")));
        assert_eq!(client.rest(), ":1\r\n");
        undisturbed(&mut others, "after it has gone");
    });
}

#[test]
fn client_kill_by_address_is_the_server_s_to_answer() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let mut client = proxy.client();
    assert_eq!(client.ask("CLIENT KILL 127.0.0.1:1"), "-ERR No such client\r\n");
    assert_eq!(client.ask("CLIENT KILL ADDR 127.0.0.1:1"), ":0\r\n");
    let mut direct = server.client();
    let address = Listed::own(&mut direct).field("addr").to_owned();
    assert_eq!(client.ask(&format!("CLIENT KILL {address}")), "+OK\r\n");
    assert_eq!(direct.rest(), "");
}

#[test]
fn client_unblock_ends_that_session_s_wait_and_no_other() {
    story(|behind, proxy| {
        let mut others = neighbours(proxy);
        let unblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";
        let waits = ["BLPOP {a}nothing 0", "BZPOPMIN {b}nothing 0", "XREAD BLOCK 0 STREAMS {c}nothing $"];
        let mut waiting: Vec<(Client, u64)> = waits.into_iter().chain(waits).map(|line| known(proxy, line)).collect();
        behind.wait_until_blocked(6);
        for (at, (form, reply)) in [
            ("CLIENT UNBLOCK {}", "*-1\r\n"),
            ("CLIENT UNBLOCK {} TIMEOUT", "*-1\r\n"),
            ("client unblock {} error", unblocked),
            ("CLIENT UNBLOCK {} ERROR", unblocked),
        ]
        .into_iter()
        .enumerate()
        {
            let (client, own) = &mut waiting[0];
            assert_eq!(others[at].ask(&form.replace("{}", &own.to_string())), ":1\r\n", "{form}");
            assert_eq!(client.reply(), reply, "{form}");
            assert_eq!(client.ask("ECHO on"), "$2\r\non\r\n", "the session goes on");
            assert_eq!(id(client), *own);
            assert_eq!(others[at].ask(&format!("CLIENT UNBLOCK {own}")), ":0\r\n", "it waits for nothing");
            waiting.remove(0);
            behind.wait_until_blocked(waiting.len() as u64);
            undisturbed(&mut others, form);
        }
        for (client, _) in &mut waiting {
            assert!(client.silent_for(Duration::from_millis(20)));
        }
    });
}

#[test]
fn the_id_from_hello_ends_its_own_session_s_wait() {
    story(|behind, proxy| {
        let (mut mine, mut innocent, mut operator) = (proxy.client(), proxy.client(), proxy.client());
        let own = id_of_hello(&mine.hello3());
        innocent.send(&inline("BLPOP {a}innocent 0"));
        behind.wait_until_blocked(1);
        mine.send(&inline("BLPOP {a}mine 0"));
        behind.wait_until_blocked(2);
        assert_eq!(operator.ask(&format!("CLIENT UNBLOCK {own} ERROR")), ":1\r\n");
        assert_eq!(mine.reply(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
        assert!(innocent.silent_for(A_MOMENT));
        assert_eq!(operator.ask("RPUSH {a}innocent item"), ":1\r\n");
        assert!(innocent.reply().ends_with(b"$4\r\nitem\r\n"));
    });
}

#[test]
fn an_id_that_no_session_has_means_nobody() {
    story(|behind, proxy| {
        let mut others = neighbours(proxy);
        let (mut waiter, waiting) = known(proxy, "BLPOP {a}nothing 0");
        behind.wait_until_blocked(1);
        let mut taken: HashSet<u64> = others.iter_mut().map(id).collect();
        taken.insert(waiting);
        let connections = behind.connection_ids();
        // Connections of the servers have IDs too. They are not the clients' to name.
        let strange = connections.iter().copied().chain([1, 2, 3, 999_999, u64::from(u32::MAX)]);
        let strange: Vec<u64> = strange.filter(|id| !taken.contains(id)).collect();
        assert!(strange.len() > 3, "{connections:?} {taken:?}");
        for id in strange {
            for form in
                ["CLIENT UNBLOCK {}", "CLIENT UNBLOCK {} ERROR", "CLIENT KILL ID {}", "CLIENT KILL ID {} SKIPME no"]
            {
                assert_eq!(others[0].ask(&form.replace("{}", &id.to_string())), ":0\r\n", "{form} with {id}");
            }
        }
        let still = behind.connection_ids();
        assert!(connections.iter().all(|id| still.contains(id)), "{connections:?} {still:?}");
        assert!(waiter.silent_for(Duration::from_millis(20)));
        assert_eq!(behind.blocked(), 1);
        undisturbed(&mut others, "after all that");
    });
}

#[test]
fn an_id_that_is_none_is_refused_as_the_server_refuses_it() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let (mut client, mut direct) = (proxy.client(), server.client());
    for line in [
        "CLIENT KILL ID x",
        "CLIENT KILL ID 0",
        "CLIENT KILL ID -1",
        "CLIENT KILL ID",
        "CLIENT KILL ID 1 SKIPME maybe",
        "CLIENT KILL ID 1 NOSUCH x",
        "CLIENT KILL ID 1 USER nosuch",
        "CLIENT KILL ID 1 TYPE nosuch",
        "CLIENT UNBLOCK x",
        "CLIENT UNBLOCK 1 NOSUCH",
        "CLIENT UNBLOCK",
        "CLIENT UNBLOCK 1 ERROR x",
    ] {
        let expected = direct.ask(line);
        assert!(expected.starts_with(b"-"), "{line}: {expected:?}");
        assert_eq!(client.ask(line), expected, "{line}");
    }
}
