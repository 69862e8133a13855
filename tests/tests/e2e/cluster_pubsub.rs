//! Subscriptions before a hidden cluster: one list of them, wherever they are, and none is lost when a slot moves or a node dies.

use std::time::{Duration, Instant};

use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, Protocol, RedisCluster, RedisServer, Sluice, Topology, inline, wait_until};

/// How soon a subscriber of a node that has died is one of another node.
const QUICK: Duration = Duration::from_secs(1);

fn start(primaries: usize, replicas: usize) -> (RedisCluster, Sluice) {
    let cluster = RedisCluster::start_with(primaries, replicas, &ClusterOptions::new().partial_coverage());
    let proxy = Topology::watching(&cluster).start();
    (cluster, proxy)
}

/// A name whose slot a shard owns, different for each number.
fn name_at(cluster: &RedisCluster, shard: usize, number: usize) -> String {
    let names = (0..).map(|tail| format!("{{name-{number}-{tail}}}"));
    names.into_iter().find(|name| cluster.owner_of_key(name) == shard).unwrap()
}

fn client(proxy: &Sluice, protocol: Protocol) -> Client {
    let mut client = proxy.client();
    if protocol == Protocol::Resp3 {
        client.hello3();
    }
    client
}

/// What a server sends of subscriptions.
fn told(protocol: Protocol, words: &[&str]) -> String {
    let kind = if protocol == Protocol::Resp3 { '>' } else { '*' };
    let mut frame = format!("{kind}{}\r\n", words.len());
    for word in words {
        match *word {
            "nil" if protocol == Protocol::Resp3 => frame += "_\r\n",
            "nil" => frame += "$-1\r\n",
            word if word.parse::<u32>().is_ok() => frame += &format!(":{word}\r\n"),
            word => frame += &format!("${}\r\n{word}\r\n", word.len()),
        }
    }
    frame
}

/// Asks for something that is answered with so many confirmations.
fn confirmed(client: &mut Client, protocol: Protocol, line: &str, expected: &[[&str; 3]]) {
    client.send(&inline(line));
    for words in expected {
        assert_eq!(client.reply(), told(protocol, words), "{line}");
    }
}

const BOTH: [Protocol; 2] = [Protocol::Resp2, Protocol::Resp3];

#[test]
fn channels_of_shards_at_several_nodes_are_one_list() {
    let (cluster, proxy) = start(3, 0);
    let names: Vec<String> = (0..3).map(|shard| name_at(&cluster, shard, 0)).collect();
    let [a, b, c] = [&*names[0], &*names[1], &*names[2]];
    let second = format!("{a}:2");
    for protocol in BOTH {
        let (mut client, mut other) = (client(&proxy, protocol), proxy.client());
        let confirmed = |client: &mut Client, line: &str, expected: &[[&str; 3]]| {
            confirmed(client, protocol, line, expected);
        };
        confirmed(&mut client, &format!("SSUBSCRIBE {a}"), &[["ssubscribe", a, "1"]]);
        confirmed(&mut client, &format!("SSUBSCRIBE {b}"), &[["ssubscribe", b, "2"]]);
        confirmed(&mut client, &format!("SSUBSCRIBE {c}"), &[["ssubscribe", c, "3"]]);
        let line = format!("SSUBSCRIBE {a} {second}");
        confirmed(&mut client, &line, &[["ssubscribe", a, "3"], ["ssubscribe", &second, "4"]]);
        let classic = [["subscribe", "news", "1"], ["subscribe", "sports", "2"]];
        confirmed(&mut client, "SUBSCRIBE news sports", &classic);
        confirmed(&mut client, "PSUBSCRIBE n*", &[["psubscribe", "n*", "3"]]);
        for name in [a, b, c, &second] {
            assert_eq!(other.ask(&format!("SPUBLISH {name} hello")), ":1\r\n");
            assert_eq!(client.reply(), told(protocol, &["smessage", name, "hello"]));
        }
        other.ask("PUBLISH news hello");
        assert_eq!(client.reply(), told(protocol, &["message", "news", "hello"]));
        assert_eq!(client.reply(), told(protocol, &["pmessage", "n*", "news", "hello"]));

        // Two slots at once are for no node, and the server says so.
        let refused = client.ask(&format!("SSUBSCRIBE {a} {b}"));
        assert!(refused.starts_with(b"-CROSSSLOT "), "{refused:?}");
        confirmed(&mut client, &format!("SUNSUBSCRIBE {b}"), &[["sunsubscribe", b, "3"]]);
        confirmed(&mut client, &format!("SUNSUBSCRIBE {b}"), &[["sunsubscribe", b, "3"]]);
        confirmed(&mut client, "UNSUBSCRIBE sports", &[["unsubscribe", "sports", "2"]]);
        // From all of them, at two nodes.
        client.send(&inline("SUNSUBSCRIBE"));
        let mut left: Vec<&str> = vec![a, &second, c];
        for count in ["2", "1", "0"] {
            let reply = client.reply();
            let at = left.iter().position(|name| reply == told(protocol, &["sunsubscribe", name, count]));
            left.remove(at.unwrap_or_else(|| panic!("{reply:?} confirms none of {left:?}, with {count} left")));
        }
        confirmed(&mut client, "SUNSUBSCRIBE", &[["sunsubscribe", "nil", "0"]]);
        confirmed(&mut client, "UNSUBSCRIBE", &[["unsubscribe", "news", "1"]]);
        confirmed(&mut client, "PUNSUBSCRIBE", &[["punsubscribe", "n*", "0"]]);
        // Nothing is left of it.
        for name in [a, b, c] {
            assert_eq!(other.ask(&format!("SPUBLISH {name} hello")), ":0\r\n");
            assert_eq!(client.ask(&format!("SET {name} 1")), "+OK\r\n");
        }
    }
}

#[test]
fn channels_of_shards_are_left_wherever_other_channels_are() {
    let (cluster, proxy) = start(3, 0);
    for protocol in BOTH {
        // One of the shards is where the session is subscribed to others.
        for shard in 0..3 {
            let mut client = client(&proxy, protocol);
            let name = name_at(&cluster, shard, 7);
            confirmed(&mut client, protocol, "SUBSCRIBE news", &[["subscribe", "news", "1"]]);
            confirmed(&mut client, protocol, "SUNSUBSCRIBE", &[["sunsubscribe", "nil", "0"]]);
            confirmed(&mut client, protocol, &format!("SSUBSCRIBE {name}"), &[["ssubscribe", &name, "1"]]);
            confirmed(&mut client, protocol, "SUNSUBSCRIBE", &[["sunsubscribe", &name, "0"]]);
            confirmed(&mut client, protocol, &format!("SSUBSCRIBE {name}"), &[["ssubscribe", &name, "1"]]);
            confirmed(&mut client, protocol, "UNSUBSCRIBE", &[["unsubscribe", "news", "0"]]);
            assert_eq!(proxy.client().ask(&format!("SPUBLISH {name} hello")), ":1\r\n");
            assert_eq!(client.reply(), told(protocol, &["smessage", &name, "hello"]));
        }
    }
}

/// Publishes to a channel of a shard until somebody hears it.
fn publish_until_heard(proxy: &Sluice, channel: &str) {
    let mut publisher = proxy.client();
    wait_until("a message is heard", SOON, || {
        (publisher.ask(&format!("SPUBLISH {channel} again")) == ":1\r\n").then_some(())
    });
}

#[test]
fn a_subscription_follows_its_slot() {
    let (cluster, proxy) = start(3, 0);
    let (a, b) = (name_at(&cluster, 0, 1), name_at(&cluster, 1, 1));
    let slot = cluster.slot_of(&a);
    for (round, protocol) in BOTH.into_iter().enumerate() {
        // To a node where it is subscribed, and to one where it is not.
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            let mut client = client(&proxy, protocol);
            confirmed(&mut client, protocol, &format!("SSUBSCRIBE {a}"), &[["ssubscribe", &a, "1"]]);
            confirmed(&mut client, protocol, &format!("SSUBSCRIBE {b}"), &[["ssubscribe", &b, "2"]]);
            cluster.migrate_slot(slot, from, to);
            // What is asked about subscriptions waits until they are whole again.
            confirmed(&mut client, protocol, "SUBSCRIBE news", &[["subscribe", "news", "1"]]);
            publish_until_heard(&proxy, &a);
            assert_eq!(client.reply(), told(protocol, &["smessage", &a, "again"]), "{round}: {from} to {to}");
            if protocol == Protocol::Resp2 {
                assert_eq!(client.ask("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
            } else {
                assert_eq!(client.ask("PING"), "+PONG\r\n");
            }
            confirmed(&mut client, protocol, &format!("SUNSUBSCRIBE {a}"), &[["sunsubscribe", &a, "1"]]);
            confirmed(&mut client, protocol, "SUNSUBSCRIBE", &[["sunsubscribe", &b, "0"]]);
            assert_eq!(proxy.client().ask(&format!("SPUBLISH {a} gone")), ":0\r\n");
        }
    }
}

#[test]
fn subscriptions_outlive_their_nodes() {
    for protocol in BOTH {
        let (mut cluster, proxy) = start(3, 1);
        let names: Vec<String> = (0..3).map(|shard| name_at(&cluster, shard, 2)).collect();
        let mut client = client(&proxy, protocol);
        confirmed(&mut client, protocol, "SUBSCRIBE news", &[["subscribe", "news", "1"]]);
        for (name, count) in names.iter().zip(["1", "2", "3"]) {
            confirmed(&mut client, protocol, &format!("SSUBSCRIBE {name}"), &[["ssubscribe", name, count]]);
        }
        let subscribed = |cluster: &RedisCluster, except: Option<usize>| {
            (0..3)
                .filter(|shard| Some(*shard) != except)
                .find(|shard| cluster.client(*shard).ask("PUBSUB NUMSUB news") == "*2\r\n$4\r\nnews\r\n:1\r\n")
        };
        let shard = subscribed(&cluster, None).expect("somebody is subscribed");
        cluster.kill(shard);
        let died = Instant::now();
        wait_until("it is subscribed at another node", SOON, || subscribed(&cluster, Some(shard)));
        assert!(died.elapsed() < QUICK, "it took {:?}", died.elapsed());
        cluster.client((shard + 1) % 3).ask("PUBLISH news hello");
        assert_eq!(client.reply(), told(protocol, &["message", "news", "hello"]));
        cluster.promote(shard, 0);
        publish_until_heard(&proxy, &names[shard]);
        assert_eq!(client.reply(), told(protocol, &["smessage", &names[shard], "again"]));
        // All of it is still one list.
        confirmed(&mut client, protocol, "UNSUBSCRIBE", &[["unsubscribe", "news", "0"]]);
        let line = format!("SUNSUBSCRIBE {}", names[shard]);
        confirmed(&mut client, protocol, &line, &[["sunsubscribe", &names[shard], "2"]]);
        for other in names.iter().filter(|name| **name != names[shard]) {
            assert_eq!(proxy.client().ask(&format!("SPUBLISH {other} hello")), ":1\r\n");
            assert_eq!(client.reply(), told(protocol, &["smessage", other, "hello"]));
        }
    }
}

#[test]
fn a_subscriber_of_resp2_may_say_little_whatever_the_slot() {
    let (cluster, proxy) = start(3, 0);
    let mut client = proxy.client();
    let name = name_at(&cluster, 1, 3);
    for line in ["SUBSCRIBE news".to_owned(), format!("SSUBSCRIBE {name}")] {
        client.ask(&line);
        let lines = (0..3).map(|shard| format!("GET {}", name_at(&cluster, shard, 4)));
        for line in lines
            .chain(["MULTI", "UNWATCH", "MGET a b c", "DBSIZE", "WATCH a", "BLPOP a 1", "SCAN 0"].map(String::from))
        {
            let refused = client.ask(&line);
            let name = line.split(' ').next().unwrap().to_lowercase();
            let expected =
                format!("-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET");
            assert!(refused.starts_with(expected.as_bytes()), "{line}: {refused:?}");
        }
        assert_eq!(client.ask("PING hello"), "*2\r\n$4\r\npong\r\n$5\r\nhello\r\n");
        assert_eq!(client.ask("RESET"), "+RESET\r\n");
        assert_eq!(client.ask("SET a 1"), "+OK\r\n");
        assert_eq!(proxy.client().ask(&format!("SPUBLISH {name} hello")), ":0\r\n");
        assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
    }
}

#[test]
fn a_subscriber_of_resp3_gets_messages_between_replies_of_all_nodes() {
    const ROUNDS: usize = 300;
    let (cluster, proxy) = start(3, 0);
    let names: Vec<String> = (0..3).map(|shard| name_at(&cluster, shard, 5)).collect();
    let mut client = client(&proxy, Protocol::Resp3);
    client.ask(&format!("SSUBSCRIBE {}", names[0]));
    client.ask("SUBSCRIBE news");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = proxy.client();
            for round in 0..ROUNDS {
                publisher.ask(&format!("PUBLISH news {round}"));
                publisher.ask(&format!("SPUBLISH {} {round}", names[0]));
            }
        });
        let (mut news, mut own) = (0, 0);
        let mut message = |reply: &[u8]| {
            let expected = |kind: &str, channel: &str, count: usize| {
                let count = count.to_string();
                format!(
                    ">3\r\n${}\r\n{kind}\r\n${}\r\n{channel}\r\n${}\r\n{count}\r\n",
                    kind.len(),
                    channel.len(),
                    count.len()
                )
            };
            if reply == expected("message", "news", news).as_bytes() {
                news += 1;
            } else {
                assert_eq!(String::from_utf8_lossy(reply), expected("smessage", &names[0], own));
                own += 1;
            }
            news + own
        };
        let mut heard = 0;
        for round in 0..ROUNDS {
            let lines = names.iter().map(|name| inline(&format!("SET {name} {round}")));
            let lines = lines.chain(names.iter().map(|name| inline(&format!("GET {name}"))));
            client.send(&lines.collect::<Vec<_>>().concat());
            let value = format!("${}\r\n{round}\r\n", round.to_string().len());
            for expected in ["+OK\r\n", "+OK\r\n", "+OK\r\n", &value, &value, &value] {
                loop {
                    let reply = client.reply();
                    if reply.starts_with(b">") {
                        heard = message(&reply);
                        continue;
                    }
                    assert_eq!(reply, *expected);
                    break;
                }
            }
        }
        while heard < 2 * ROUNDS {
            heard = message(&client.reply());
        }
    });
}

#[test]
fn a_node_that_hangs_and_is_replaced_keeps_nobody_who_waits_for_it() {
    let (mut cluster, proxy) = start(3, 1);
    let names: Vec<String> = (0..3).map(|shard| name_at(&cluster, shard, 6)).collect();
    let mut subscriber = client(&proxy, Protocol::Resp3);
    subscriber.ask("SUBSCRIBE news");
    let shard = (0..3)
        .find(|shard| cluster.client(*shard).ask("PUBSUB NUMSUB news") == "*2\r\n$4\r\nnews\r\n:1\r\n")
        .expect("somebody is subscribed");
    subscriber.ask(&format!("SSUBSCRIBE {}", names[shard]));
    let mut blocked = proxy.client();
    blocked.send(&inline(&format!("BLPOP {}:list 0", names[shard])));
    let mut direct = cluster.client(shard);
    wait_until("a client waits", SOON, || {
        (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(())
    });
    cluster.pause(shard);
    cluster.promote(shard, 0);
    // Somebody else's request is what the proxy learns it by; else it is the time.
    let mut other = proxy.client();
    other.ask(&format!("GET {}", names[shard]));
    let reply = blocked.reply();
    assert!(reply.starts_with(b"-ERR ") && String::from_utf8_lossy(&reply).contains("unknown"), "{reply:?}");
    publish_until_heard(&proxy, &names[shard]);
    assert_eq!(subscriber.reply(), told(Protocol::Resp3, &["smessage", &names[shard], "again"]));
    other.ask("PUBLISH news hello");
    assert_eq!(subscriber.reply(), told(Protocol::Resp3, &["message", "news", "hello"]));
    cluster.resume((shard, 0));
    assert_eq!(subscriber.ask("PING"), "+PONG\r\n");
}
