//! Slots that move from one shard to another while they are served, as resharding tools do it.

use std::sync::PoisonError;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

use super::RedisCluster;

/// Keys moved by one `MIGRATE`.
const BATCH: usize = 100;

/// How long moving a batch may take, in milliseconds.
const MOVE_LIMIT: &str = "10000";

/// A slot on its way from one shard to another: see [`RedisCluster::begin_migration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the slot stays on its way until the migration is finished"]
pub struct Migration {
    slot: u16,
    from: usize,
    to: usize,
}

impl RedisCluster {
    /// Moves a slot with all of its keys from the shard `from`, which owns it, to the shard `to`.
    #[track_caller]
    pub fn migrate_slot(&self, slot: u16, from: usize, to: usize) {
        self.finish_migration(self.begin_migration(slot, from, to));
    }

    /// Sets a slot on its way. From now on the old owner sends clients on by `ASK` for keys that it does not have.
    ///
    /// # Panics
    ///
    /// If `from` does not own it.
    #[track_caller]
    pub fn begin_migration(&self, slot: u16, from: usize, to: usize) -> Migration {
        let (source, target) = (&self.shards[from][0], &self.shards[to][0]);
        // First the target, so that nobody is sent on to a node that would send him back.
        target.must(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", source.id()));
        source.must(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", target.id()));
        Migration { slot, from, to }
    }

    /// Moves up to `count` of the slot's keys and returns how many there were to move.
    #[track_caller]
    pub fn move_keys(&self, migration: Migration, count: usize) -> usize {
        let reply = self.shards[migration.from][0].ask(&format!("CLUSTER GETKEYSINSLOT {} {count}", migration.slot));
        let Ok(Some((OwnedFrame::Array(keys), _))) = decode(&reply) else {
            panic!("not a list of keys: {reply:?}");
        };
        let keys: Vec<Vec<u8>> = keys
            .into_iter()
            .map(|key| match key {
                OwnedFrame::BulkString(key) => key,
                other => panic!("not a key: {other:?}"),
            })
            .collect();
        for keys in keys.chunks(BATCH) {
            self.migrate(migration, keys);
        }
        keys.len()
    }

    /// Moves this key of the slot, if it is there.
    #[track_caller]
    pub fn move_key(&self, migration: Migration, key: impl AsRef<[u8]>) {
        self.migrate(migration, &[key.as_ref().to_vec()]);
    }

    /// Moves the keys that are left, makes the target the owner and waits until every node that runs knows.
    ///
    /// Slots can be on their way at the same time, but change owners one after the other: a node that does not know of the last
    /// change takes no epoch that is higher than all others for the next one, and what is still under way says that it is not the
    /// owner.
    #[track_caller]
    pub fn finish_migration(&self, migration: Migration) {
        while self.move_keys(migration, BATCH) > 0 {}
        let _one_after_the_other = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let Migration { slot, from, to } = migration;
        let owner = self.shards[to][0].id();
        let assign = format!("CLUSTER SETSLOT {slot} NODE {owner}");
        // First the target: were it the source, both would send clients to each other for a moment.
        self.shards[to][0].must(&assign);
        self.shards[from][0].must(&assign);
        for (_, shard) in self.shards.iter().enumerate().filter(|(at, _)| *at != from && *at != to) {
            if shard[0].runs() {
                shard[0].must(&assign);
            }
        }
        self.wait_until_owned(slot, owner);
        self.wait_until_epochs_are_known();
    }

    #[track_caller]
    fn migrate(&self, migration: Migration, keys: &[Vec<u8>]) {
        let target = self.shards[migration.to][0].cluster_port().to_string();
        let mut args: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", target.as_bytes(), b"", b"0", MOVE_LIMIT.as_bytes()];
        if let Some(password) = &self.password {
            args.extend([b"AUTH".as_slice(), password.as_bytes()]);
        }
        args.push(b"KEYS");
        args.extend(keys.iter().map(Vec::as_slice));
        // Two nodes that send each other keys wait for each other, and serve nobody until they give up.
        let one_after_the_other = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = self.shards[migration.from][0].client().call(&args);
        drop(one_after_the_other);
        // A key may have been deleted, or have expired, since it was named.
        assert!(reply == "+OK\r\n" || reply == "+NOKEY\r\n", "{migration:?}: {reply:?}");
    }
}
