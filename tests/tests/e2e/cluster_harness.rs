//! The clusters that other tests are about are what those tests take them for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_tests::certificates::Authority;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, Member, RedisCluster, wait_until};

/// Keys of one slot.
const KEYS: [&str; 3] = ["{moving}:1", "{moving}:2", "{moving}:3"];

#[test]
fn a_wrong_node_names_the_right_one() {
    let cluster = RedisCluster::start(3, 0);
    assert_eq!(cluster.addresses().len(), 3);
    for key in ["a", "b", "c", "{moving}:1", "any other"] {
        let (slot, owner) = (cluster.slot_of(key), cluster.owner_of_key(key));
        for shard in 0..3 {
            let expected = match shard == owner {
                true => "+OK\r\n".to_owned(),
                false => format!("-MOVED {slot} {}\r\n", cluster.primary(owner).addr()),
            };
            assert_eq!(cluster.client(shard).call(&["SET", key, "1"]), expected, "{key} at {shard}");
        }
    }
}

#[test]
fn a_slot_on_its_way_is_in_two_places() {
    let cluster = RedisCluster::start(3, 0);
    let slot = cluster.slot_of(KEYS[0]);
    let from = cluster.owner_of_slot(slot);
    let (to, third) = ((from + 1) % 3, (from + 2) % 3);
    let (mut source, mut target) = (cluster.client(from), cluster.client(to));
    for key in KEYS {
        assert_eq!(source.call(&["SET", key, key]), "+OK\r\n");
    }

    let migration = cluster.begin_migration(slot, from, to);
    cluster.move_key(migration, KEYS[0]);
    let ask = format!("-ASK {slot} {}\r\n", cluster.primary(to).addr());
    assert_eq!(source.call(&["GET", KEYS[0]]), ask);
    assert_eq!(source.call(&["GET", KEYS[1]]), "$10\r\n{moving}:2\r\n");
    assert!(source.call(&["MGET", KEYS[0], KEYS[1]]).starts_with(b"-TRYAGAIN"));
    let moved = format!("-MOVED {slot} {}\r\n", cluster.primary(from).addr());
    assert_eq!(target.call(&["GET", KEYS[0]]), moved);
    assert_eq!(asking(&mut target, &["GET", KEYS[0]]), "$10\r\n{moving}:1\r\n");
    assert!(asking(&mut target, &["MGET", KEYS[0], KEYS[1]]).starts_with(b"-TRYAGAIN"));

    assert_eq!(cluster.move_keys(migration, 1), 1);
    assert_eq!(cluster.client(from).ask(&format!("CLUSTER COUNTKEYSINSLOT {slot}")), ":1\r\n");
    assert_eq!(cluster.owner_of_slot(slot), from);

    cluster.finish_migration(migration);
    assert_eq!(cluster.owner_of_slot(slot), to);
    assert_eq!(target.call(&["EXISTS", KEYS[0], KEYS[1], KEYS[2]]), ":3\r\n");
    let moved = format!("-MOVED {slot} {}\r\n", cluster.primary(to).addr());
    assert_eq!(source.call(&["GET", KEYS[0]]), moved);
    assert_eq!(cluster.client(third).call(&["GET", KEYS[0]]), moved);

    cluster.migrate_slot(slot, to, from);
    assert_eq!(source.call(&["EXISTS", KEYS[0], KEYS[1], KEYS[2]]), ":3\r\n");
}

#[test]
fn a_replica_takes_over_from_a_primary_that_has_died_or_hangs() {
    let mut cluster = RedisCluster::start(3, 1);
    assert_eq!(cluster.addresses().len(), 6);
    let shard = cluster.owner_of_key("kept");
    let mut client = cluster.client(shard);
    assert_eq!(client.ask("SET kept 1"), "+OK\r\n");
    assert_eq!(client.ask("WAIT 1 10000"), ":1\r\n");

    for hangs in [false, true] {
        let (old, new) = (cluster.node_id(shard).to_owned(), cluster.node_id((shard, 0)).to_owned());
        if hangs {
            cluster.pause(shard);
        } else {
            cluster.kill(shard);
        }
        let began = Instant::now();
        cluster.promote(shard, 0);
        assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
        assert_eq!(cluster.node_id(shard), new);
        assert_eq!(cluster.owner_of_key("kept"), shard);
        assert_eq!(cluster.client(shard).ask("GET kept"), "$1\r\n1\r\n");
        let moved = format!("-MOVED {} {}\r\n", cluster.slot_of("kept"), cluster.primary(shard).addr());
        assert_eq!(cluster.client((shard + 1) % 3).ask("GET kept"), moved);

        if hangs {
            cluster.resume((shard, 0));
        } else {
            cluster.restart((shard, 0));
        }
        assert_eq!(cluster.node_id((shard, 0)), old);
        let mut replica = cluster.client((shard, 0));
        assert_eq!(replica.ask("READONLY"), "+OK\r\n");
        assert_eq!(replica.ask("GET kept"), "$1\r\n1\r\n");
    }
}

#[test]
fn a_primary_hands_over_without_losing_a_write_and_comes_back_with_what_it_had() {
    let options = ClusterOptions::new().server(&["--appendonly", "yes"]);
    let mut cluster = RedisCluster::start_with(3, 1, &options);
    let shard = cluster.owner_of_key("count");
    let writer = Writer::start([cluster.primary(shard).addr(), cluster.replica(shard, 0).addr()]);
    for _ in 0..3 {
        let new = cluster.node_id((shard, 0)).to_owned();
        cluster.hand_over(shard, 0);
        assert_eq!(cluster.node_id(shard), new);
        writer.wait_for_more();
    }
    let count = writer.stop().to_string();
    let expected = format!("${}\r\n{count}\r\n", count.len());
    assert_eq!(cluster.client(shard).ask("GET count"), expected);
    for member in [Member::from(shard), Member::from((shard, 0))] {
        cluster.kill(member);
        cluster.restart(member);
        assert_eq!(cluster.owner_of_key("count"), shard);
        assert_eq!(cluster.client(shard).ask("GET count"), expected);
    }
}

#[test]
fn a_cluster_of_one_node_has_all_slots() {
    let cluster = RedisCluster::start(1, 0);
    for key in KEYS.into_iter().chain(["a", "b", "c"]) {
        assert_eq!(cluster.client(0).call(&["SET", key, "1"]), "+OK\r\n");
    }
}

#[test]
fn a_cluster_with_a_password_and_tls_does_all_of_that_too() {
    let authority = Authority::new();
    let identity = authority.sign("node");
    let options = ClusterOptions::new().password("secret").tls(&authority, &identity, true);
    let mut cluster = RedisCluster::start_with(3, 1, &options);
    let tls_addr = |cluster: &RedisCluster, shard| {
        format!("127.0.0.1:{}", cluster.primary(shard).option("--tls-port").expect("a port for TLS"))
    };
    let slot = cluster.slot_of("a");
    let from = cluster.owner_of_slot(slot);
    let to = (from + 1) % 3;
    assert_eq!(cluster.client(from).ask("SET a 1"), "+OK\r\n");
    cluster.migrate_slot(slot, from, to);

    let config = authority.client(Some(&identity));
    let mut client = Client::try_connect_tls(&tls_addr(&cluster, from), &config).expect("a connection of TLS");
    assert!(client.ask("GET a").starts_with(b"-NOAUTH"));
    assert_eq!(client.ask("AUTH secret"), "+OK\r\n");
    assert_eq!(client.ask("GET a"), format!("-MOVED {slot} {}\r\n", tls_addr(&cluster, to)));
    assert_eq!(cluster.client(to).ask("WAIT 1 10000"), ":1\r\n");

    cluster.kill(to);
    cluster.promote(to, 0);
    assert_eq!(cluster.client(to).ask("GET a"), "$1\r\n1\r\n");
}

#[test]
fn a_replica_takes_over_by_itself_where_it_may() {
    let options = ClusterOptions::new().node_timeout(Duration::from_millis(500)).automatic_failover();
    let mut cluster = RedisCluster::start_with(3, 1, &options);
    let replica = cluster.node_id((0, 0)).to_owned();
    cluster.kill(0);
    cluster.wait_until_promoted(0, 0);
    assert_eq!(cluster.node_id(0), replica);
}

#[track_caller]
fn asking(client: &mut Client, args: &[&str]) -> bytes::Bytes {
    assert_eq!(client.ask("ASKING"), "+OK\r\n");
    client.call(args)
}

/// Increments `count` without a pause, at that of two nodes that has it.
struct Writer {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(addrs: [String; 2]) -> Self {
        let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut clients = [Client::connect(&addrs[0]), Client::connect(&addrs[1])];
            let mut at = 0;
            while !stopped.load(Ordering::Relaxed) {
                let reply = clients[at].ask("INCR count");
                if reply.starts_with(b":") {
                    count.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert!(reply.starts_with(b"-MOVED"), "{reply:?}");
                    at = 1 - at;
                }
            }
        });
        Self { acknowledged, stop, thread }
    }

    #[track_caller]
    fn wait_for_more(&self) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        wait_until("more has been written", SOON, || {
            (self.thread.is_finished() || self.acknowledged.load(Ordering::Relaxed) > before + 100).then_some(())
        });
    }

    /// Ends, and tells how many increments were acknowledged.
    #[track_caller]
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a writer that has no reason to fail");
        self.acknowledged.load(Ordering::Relaxed)
    }
}
