//! Primaries of a cluster die, or hang, under load, and their replicas take over: clients of other shards see nothing of it, and those
//! of the shard nothing but the requests that nobody can know the fate of.
//!
//! Replication is asynchronous: what a primary has acknowledged may be lost with it, and no proxy can help that. So the replica is asked
//! itself, when its primary is silent and before it takes over, what it has of every counter: that is what the server has kept. From
//! there on everything must add up. Each counter is incremented by one client alone, so each reply can only be one number: before the
//! failover one more than the last, after it one more than the replica had. A request that was in doubt and executed again by the new
//! primary makes that number too large; a reply of another client's, or of a primary that no longer is one, is not that number either;
//! and what the replica had can be no more than what its client was told or was left in doubt about ([`account`]).

mod account;
mod client;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_tests::wait::SOON;
use sluice_tests::{Client, ClusterOptions, RedisCluster, RedisServer, Topology, wait_until};

use crate::Stopping;
use account::Account;
use client::Witness;

const SHARDS: usize = 3;
/// Some of them send one request at a time, some many, in either protocol; one asks for large values before its primary fails.
const CLIENTS_PER_SHARD: usize = 8;

/// How often, where the environment does not say so with `SLUICE_FAILOVER_ROUNDS`.
const ROUNDS: usize = 6;

/// What every client has done before the next primary fails.
const REPLIES_PER_ROUND: usize = 20;

/// The longest that a client of another shard may wait for any reply, on a machine that starts servers meanwhile and runs other tests:
/// what is usual is a tenth of a second, and it is printed.
const UNDISTURBED: Duration = Duration::from_secs(5);
/// Half of the clients of the shard must be served so soon after the promotion.
const RECOVERED: Duration = Duration::from_secs(1);

/// For how long the proxy takes nothing from the servers before a primary fails, whose replies then do not fit into the system's buffers.
const STUCK: Duration = Duration::from_millis(20);

/// For how long a replica must have received nothing to have received everything.
const QUIET: Duration = Duration::from_millis(100);

/// What becomes of a primary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failure {
    Dies,
    Hangs,
}

impl Failure {
    fn befalls(self, cluster: &mut RedisCluster, shard: usize) {
        match self {
            Self::Dies => cluster.kill(shard),
            Self::Hangs => cluster.pause(shard),
        }
    }

    /// Waits until the replica has all that it will ever get. It reads in order what the primary has sent, to the end of the connection
    /// where there is one.
    fn wait_until_received(self, replica: &mut Client) {
        match self {
            Self::Dies => wait_until("a replica has lost its primary", SOON, || {
                let info = replica.ask("INFO replication");
                String::from_utf8_lossy(&info).contains("master_link_status:down").then_some(())
            }),
            Self::Hangs => {
                let (mut last, mut since) = (0, Instant::now());
                wait_until("a replica gets nothing more", SOON, || {
                    let offset = RedisServer::info(replica, "replication", "slave_repl_offset");
                    if offset != last {
                        (last, since) = (offset, Instant::now());
                    }
                    (since.elapsed() > QUIET).then_some(())
                });
            }
        }
    }

    /// The old primary comes back, as a replica.
    fn ends(self, cluster: &mut RedisCluster, shard: usize) {
        match self {
            Self::Dies => cluster.restart((shard, 0)),
            Self::Hangs => cluster.resume((shard, 0)),
        }
    }
}

#[test]
fn a_primary_that_dies_costs_its_clients_what_is_in_doubt_and_others_nothing() {
    fail_over(Failure::Dies);
}

#[test]
fn a_primary_that_hangs_costs_its_clients_what_is_in_doubt_and_others_nothing() {
    fail_over(Failure::Hangs);
}

fn rounds() -> usize {
    std::env::var("SLUICE_FAILOVER_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"))
}

fn fail_over(failure: Failure) {
    let rounds = rounds();
    // That others' slots are served meanwhile is for the servers to decide; here they do.
    let mut cluster = RedisCluster::start_with(SHARDS, 1, &ClusterOptions::new().partial_coverage());
    let mut proxy = Topology::new().sink(&cluster).workers(2).start();
    let witnesses: Vec<Witness> = (0..SHARDS * CLIENTS_PER_SHARD)
        .map(|number| Witness::new(number, number % SHARDS, &cluster, proxy.addr()))
        .collect();
    let mut accounts: Vec<Account> = witnesses.iter().map(|witness| Account::new(&witness.key)).collect();
    let addr = proxy.addr().to_owned();
    let (over, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut random = SmallRng::seed_from_u64(20_260_101);
    let (mut recoveries, mut slowest, mut replies, mut lost) = (Vec::new(), Duration::ZERO, 0, 0);

    std::thread::scope(|scope| {
        let stopping = Stopping(&over);
        let threads: Vec<_> = witnesses
            .iter()
            .map(|witness| {
                let (over, next, addr) = (&over, &next, addr.as_str());
                scope.spawn(move || witness.run(addr, over, next))
            })
            .collect();
        let every = |what: &str, holds: &dyn Fn(&Witness) -> bool| {
            wait_until(what, SOON, || {
                assert!(!threads.iter().any(|thread| thread.is_finished()), "a client has failed");
                witnesses.iter().all(holds).then_some(())
            });
        };
        for round in 0..rounds {
            let shard = round % SHARDS;
            next.store(shard, Ordering::Relaxed);
            every("all clients have been served", &|witness| witness.replies() >= REPLIES_PER_ROUND);
            // It gets nothing for up to a second after it has come back.
            cluster.wait_until_replicated(shard, 0);
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
            // What the server has executed meanwhile, and cannot answer, is in doubt.
            proxy.pause();
            std::thread::sleep(STUCK);
            failure.befalls(&mut cluster, shard);
            proxy.resume();
            let mut replica = cluster.client((shard, 0));
            failure.wait_until_received(&mut replica);
            assert_eq!(replica.ask("READONLY"), "+OK\r\n");
            let kept: Vec<u64> = witnesses.iter().map(|witness| witness.value_at(&mut replica, shard)).collect();
            let promoted = Instant::now();
            cluster.promote(shard, 0);
            next.store(SHARDS, Ordering::Relaxed);
            every("all clients are served again", &|witness| witness.served_since(promoted).is_some());
            failure.ends(&mut cluster, shard);
            for ((witness, account), kept) in witnesses.iter().zip(&mut accounts).zip(kept) {
                if witness.shard == shard {
                    recoveries.push(witness.served_since(promoted).expect("it was") - promoted);
                    let told = witness.told_before(promoted).unwrap_or(kept);
                    lost += told.saturating_sub(kept);
                    account.failed_over(kept);
                } else {
                    slowest = slowest.max(witness.slowest());
                }
                let told = witness.take();
                replies += told.len();
                account.settle(&told).unwrap_or_else(|why| panic!("round {round}, {failure:?}: {why}"));
            }
        }
        drop(stopping);
    });
    for (witness, account) in witnesses.iter().zip(&mut accounts) {
        account.settle(&witness.take()).unwrap_or_else(|why| panic!("{why}"));
        let value = witness.value_at(&mut cluster.client(witness.shard), witness.shard);
        assert!(account.allows(value), "the server holds {value}: {account:?}");
    }
    recoveries.sort();
    let at = |share: usize| recoveries[(recoveries.len() - 1) * share / 100];
    let in_doubt: u64 = accounts.iter().map(|account| account.in_doubt).sum();
    println!(
        "a primary {failure:?}, {rounds} times: {replies} replies, {in_doubt} in doubt, {lost} acknowledged and never replicated; the \
         clients of its shard were served {:.0?} after the promotion (median; nine in ten {:.0?}, all {:.0?}); nobody else ever waited \
         longer than {slowest:.0?}",
        at(50),
        at(90),
        at(100),
    );
    assert!(100 * lost < replies as u64, "the replicas did not follow their primaries: there was nothing to test");
    assert!(in_doubt > 0, "no primary ever failed at a bad moment: there was nothing to test");
    assert!(at(50) < RECOVERED, "half of the clients waited for more than {:?}", at(50));
    assert!(slowest < UNDISTURBED, "a client of another shard waited for {slowest:?}");
}
