//! What an application does with fred's cluster client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::prelude::{Builder, Client, ClientLike, ClusterInterface, Config, EventInterface, KeysInterface};
use fred::prelude::{HashesInterface, ListInterface, LuaInterface, PubsubInterface, TransactionInterface};
use fred::types::RespVersion;
use tokio::sync::Mutex;

/// A client that begins at these addresses.
fn builder(entries: &[String], resp3: bool) -> Builder {
    let (first, others) = entries.split_first().unwrap();
    let others: Vec<String> = others.iter().map(|addr| format!("node={addr}")).collect();
    let mut config = Config::from_url(&format!("redis-cluster://{first}?{}", others.join("&"))).unwrap();
    config.version = if resp3 { RespVersion::RESP3 } else { RespVersion::RESP2 };
    config.fail_fast = true;
    Builder::from_config(config)
}

/// The primaries that a client has found, and their replicas.
fn found_by(client: &Client) -> BTreeSet<String> {
    let state = client.cached_cluster_state().unwrap();
    let replicas = state.slots().iter().flat_map(|range| &range.replicas);
    let nodes = state.slots().iter().map(|range| &range.primary).chain(replicas);
    nodes.map(|node| format!("{}:{}", node.host, node.port)).collect()
}

fn set_of(addresses: &[String]) -> BTreeSet<String> {
    addresses.iter().cloned().collect()
}

/// Works with every kind of command and finds these addresses, no more and no fewer.
pub(super) async fn work(entries: Vec<String>, addresses: Vec<String>, resp3: bool) {
    let builder = builder(&entries, resp3);
    let client = builder.build().unwrap();
    client.init().await.unwrap();
    assert_eq!(found_by(&client), set_of(&addresses));
    let key = |n: usize| format!("fred:{resp3}:{n}");
    for n in 0..200 {
        let () = client.set(key(n), n, None, None, false).await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(client.get::<usize, _>(key(n)).await.unwrap(), n);
    }
    let tagged = |name: &str| format!("{{fred:{resp3}}}:{name}");
    let () = client.mset(vec![(tagged("a"), 1), (tagged("b"), 2)]).await.unwrap();
    let values: Vec<i64> = client.mget(vec![tagged("a"), tagged("b")]).await.unwrap();
    assert_eq!(values, [1, 2]);
    let _: i64 = client.hset(tagged("map"), [("a", 1), ("b", 2)]).await.unwrap();
    let map: BTreeMap<String, u32> = client.hgetall(tagged("map")).await.unwrap();
    assert_eq!(map, [("a".to_owned(), 1), ("b".to_owned(), 2)].into());

    let pipeline = client.pipeline();
    for n in 0..300 {
        let () = pipeline.incr(key(n % 200)).await.unwrap();
    }
    let replies: Vec<i64> = pipeline.all().await.unwrap();
    let expected: Vec<i64> = (0..300).map(|n| n % 200 + 1 + n / 200).collect();
    assert_eq!(replies, expected);

    let transaction = client.multi();
    let () = transaction.incr(tagged("count")).await.unwrap();
    let () = transaction.incr(tagged("count")).await.unwrap();
    let counts: (i64, i64) = transaction.exec(true).await.unwrap();
    assert_eq!(counts, (1, 2));
    let sum: i64 =
        client.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", vec![tagged("count")], vec![40]).await.unwrap();
    assert_eq!(sum, 42);
    let _: i64 = client.rpush(tagged("queue"), vec!["item"]).await.unwrap();
    let popped: Option<(String, String)> = client.blpop(tagged("queue"), 5.0).await.unwrap();
    assert_eq!(popped, Some((tagged("queue"), "item".to_owned())));

    for n in 100..200 {
        // The replica may not have it yet.
        let expected: usize = client.get(key(n)).await.unwrap();
        while client.replicas().get::<Option<usize>, _>(key(n)).await.unwrap() != Some(expected) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    let subscriber = builder.build_subscriber_client().unwrap();
    subscriber.init().await.unwrap();
    let mut messages = subscriber.message_rx();
    subscriber.subscribe("news").await.unwrap();
    let channel = tagged("shard");
    subscriber.ssubscribe(channel.as_str()).await.unwrap();
    // Neither waits for its confirmation in RESP3, and the cluster's bus takes its time.
    let mut heard = BTreeSet::new();
    while heard.len() < 2 {
        let _: i64 = client.publish("news", "one").await.unwrap();
        let _: i64 = client.spublish(channel.as_str(), "two").await.unwrap();
        while let Ok(Ok(message)) = tokio::time::timeout(Duration::from_millis(50), messages.recv()).await {
            heard.insert((message.channel.to_string(), message.value.as_string().unwrap()));
        }
    }
    assert_eq!(heard, [("news".to_owned(), "one".to_owned()), (channel, "two".to_owned())].into());
    assert_eq!(found_by(&client), set_of(&addresses));
    client.quit().await.unwrap();
    subscriber.quit().await.unwrap();
}

/// Counts until it is told to stop, on keys of which some belong to a slot that moves while nobody has `turn`. Returns how far.
///
/// It meets MOVED there, and never ASK: with or without a proxy, this client asks where it is told to, and then sends the command to the
/// old node all the same.
pub(super) async fn count(
    entries: Vec<String>,
    addresses: Vec<String>,
    stop: &AtomicBool,
    turn: &Mutex<()>,
) -> BTreeMap<String, i64> {
    let client = builder(&entries, true).build().unwrap();
    client.init().await.unwrap();
    let keys = ["{fred}:0", "{fred}:1", "fred:0", "fred:1", "fred:2"];
    let mut counts: BTreeMap<String, i64> = keys.iter().map(|key| ((*key).to_owned(), 0)).collect();
    while !stop.load(Ordering::Relaxed) {
        let _turn = turn.lock().await;
        // One by one, then all at once, on the same connections.
        for (key, count) in &mut counts {
            *count += 1;
            assert_eq!(client.incr::<i64, _>(key.as_str()).await.unwrap(), *count, "{key}");
        }
        let requests = counts.keys().map(|key| client.incr::<i64, _>(key.as_str()));
        let replies = futures_util::future::join_all(requests).await;
        for (reply, (key, count)) in replies.into_iter().zip(&mut counts) {
            *count += 1;
            assert_eq!(reply.unwrap(), *count, "{key}");
        }
    }
    assert_eq!(found_by(&client), set_of(&addresses));
    client.quit().await.unwrap();
    counts
}
