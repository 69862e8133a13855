//! Rust's asynchronous clients: `redis` with its multiplexed connection and its connection manager, and `fred`.

use std::time::Duration;

use fred::prelude::{Builder, ClientLike, Config, EventInterface, KeysInterface, PubsubInterface};
use fred::prelude::{HashesInterface, ListInterface, LuaInterface, TransactionInterface};
use fred::types::RespVersion;
use futures_util::StreamExt as _;
use redis::AsyncTypedCommands as _;
use redis::aio::ConnectionManager;
use sluice_tests::Sluice;

use super::with_workers;
use crate::WORKERS;

/// How long a story may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a story in both protocols, for one worker and for two.
fn story<F: Future<Output = ()>>(tell: impl Fn(String, bool) -> F) {
    for workers in WORKERS {
        for resp3 in [false, true] {
            let (_server, proxy) = with_workers(workers);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let told = runtime.block_on(async { tokio::time::timeout(LIMIT, tell(addr(&proxy), resp3)).await });
            assert!(told.is_ok(), "it took too long: {workers} workers, RESP3: {resp3}");
        }
    }
}

fn addr(proxy: &Sluice) -> String {
    proxy.addr().to_owned()
}

fn client(addr: &str, resp3: bool) -> redis::Client {
    redis::Client::open(format!("redis://{addr}/?protocol={}", if resp3 { "resp3" } else { "resp2" })).unwrap()
}

#[test]
fn requests_of_many_tasks_over_one_multiplexed_connection_get_their_own_replies() {
    story(async |addr, resp3| {
        let connection = client(&addr, resp3).get_multiplexed_async_connection().await.unwrap();
        let tasks: Vec<_> = (0..50)
            .map(|task| {
                let mut connection = connection.clone();
                tokio::spawn(async move {
                    for n in 0..50 {
                        let value = format!("{task}:{n}");
                        connection.set(format!("task:{task}"), &value).await.unwrap();
                        assert_eq!(connection.get(format!("task:{task}")).await.unwrap(), Some(value));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn the_asynchronous_client_runs_transactions_scripts_and_scans() {
    story(async |addr, resp3| {
        let client = client(&addr, resp3);
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let replies: (i64, i64, Option<String>) =
            redis::pipe().atomic().incr("n", 1).incr("n", 1).get("none").query_async(&mut connection).await.unwrap();
        assert_eq!(replies, (1, 2, None));

        // A watched key that another connection changes: the transaction is not carried out.
        let mut watching = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("WATCH").arg("n").exec_async(&mut watching).await.unwrap();
        connection.set("n", 9).await.unwrap();
        let aborted: Option<(i64,)> = redis::pipe().atomic().incr("n", 1).query_async(&mut watching).await.unwrap();
        assert_eq!(aborted, None);

        let script = redis::Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        let sum: i64 = script.key("n").arg(3).invoke_async(&mut connection).await.unwrap();
        assert_eq!(sum, 12);

        let pairs: Vec<(String, usize)> = (0..300).map(|n| (format!("scan:{n}"), n)).collect();
        connection.mset(&pairs).await.unwrap();
        let found: Vec<String> =
            connection.scan_match("scan:*").await.unwrap().map(Result::unwrap).collect::<Vec<_>>().await;
        assert_eq!(found.len(), 300);

        connection.lpush("text", 1).await.unwrap();
        let error = connection.incr("text", 1).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
    });
}

#[test]
fn the_asynchronous_client_publishes_and_subscribes() {
    story(async |addr, resp3| {
        let client = client(&addr, resp3);
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let (mut sink, mut messages) = client.get_async_pubsub().await.unwrap().split();
        sink.subscribe("news").await.unwrap();
        sink.psubscribe("n*").await.unwrap();
        for n in 0..100 {
            assert_eq!(connection.publish("news", n).await.unwrap(), 2);
        }
        for n in 0..200_u32 {
            let message = messages.next().await.unwrap();
            assert_eq!(message.get_channel_name(), "news");
            assert_eq!(message.get_payload::<u32>().unwrap(), n / 2);
        }
        sink.unsubscribe("news").await.unwrap();
        sink.punsubscribe("n*").await.unwrap();
        assert_eq!(connection.publish("news", "nobody").await.unwrap(), 0);
    });
}

#[test]
fn a_connection_manager_keeps_its_database_and_connects_again_when_its_connection_is_ended() {
    story(async |addr, resp3| {
        let protocol = if resp3 { "resp3" } else { "resp2" };
        let client = redis::Client::open(format!("redis://{addr}/3?protocol={protocol}")).unwrap();
        let mut manager = ConnectionManager::new(client).await.unwrap();
        manager.set("where", "three").await.unwrap();
        assert_eq!(manager.get("where").await.unwrap().as_deref(), Some("three"));
        redis::cmd("QUIT").exec_async(&mut manager).await.unwrap();
        // The next call may be told that the connection is gone; those after it are not.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while manager.get("where").await.ok().flatten().as_deref() != Some("three") {
            assert!(tokio::time::Instant::now() < deadline, "the manager did not come back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

fn fred(addr: &str, resp3: bool) -> Builder {
    let mut config = Config::from_url(&format!("redis://{addr}")).unwrap();
    config.version = if resp3 { RespVersion::RESP3 } else { RespVersion::RESP2 };
    config.fail_fast = true;
    Builder::from_config(config)
}

#[test]
fn fred_passes_through() {
    story(async |addr, resp3| {
        let builder = fred(&addr, resp3);
        let client = builder.build().unwrap();
        client.init().await.unwrap();
        let () = client.set("greeting", "hello", None, None, false).await.unwrap();
        let greeting: Option<String> = client.get("greeting").await.unwrap();
        assert_eq!(greeting.as_deref(), Some("hello"));
        let fields: i64 = client.hset("map", [("a", 1), ("b", 2)]).await.unwrap();
        assert_eq!(fields, 2);
        let map: std::collections::BTreeMap<String, u32> = client.hgetall("map").await.unwrap();
        assert_eq!(map, [("a".to_owned(), 1), ("b".to_owned(), 2)].into());

        let pipeline = client.pipeline();
        for n in 0..500 {
            let () = pipeline.set(format!("n:{n}"), n, None, None, false).await.unwrap();
            let () = pipeline.get(format!("n:{n}")).await.unwrap();
        }
        let replies: Vec<String> = pipeline.all().await.unwrap();
        let expected: Vec<String> = (0..500).flat_map(|n| ["OK".to_owned(), n.to_string()]).collect();
        assert_eq!(replies, expected);

        let transaction = client.multi();
        let () = transaction.incr("count").await.unwrap();
        let () = transaction.incr("count").await.unwrap();
        let counts: (i64, i64) = transaction.exec(true).await.unwrap();
        assert_eq!(counts, (1, 2));

        let pushed: i64 = client.rpush("queue", vec!["item"]).await.unwrap();
        assert_eq!(pushed, 1);
        let popped: Option<(String, String)> = client.blpop("queue", 5.0).await.unwrap();
        assert_eq!(popped, Some(("queue".to_owned(), "item".to_owned())));
        let sum: i64 = client.eval("return ARGV[1] + 1", vec!["k"], vec![41]).await.unwrap();
        assert_eq!(sum, 42);

        let subscriber = builder.build_subscriber_client().unwrap();
        subscriber.init().await.unwrap();
        let mut messages = subscriber.message_rx();
        subscriber.subscribe("news").await.unwrap();
        // In RESP3 the client does not wait for the confirmation, which is a push.
        while client.publish::<i64, _, _>("news", "one").await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let message = messages.recv().await.unwrap();
        assert_eq!(
            (message.channel.to_string(), message.value.as_string()),
            ("news".to_owned(), Some("one".to_owned()))
        );
        subscriber.unsubscribe("news").await.unwrap();
        client.quit().await.unwrap();
        subscriber.quit().await.unwrap();
    });
}
