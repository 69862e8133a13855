//! What a private connection is subscribed to.

use super::connection::Connection;
use super::reply_matching::Subscriptions;

impl Connection {
    /// How many channels of shards it is subscribed to.
    pub fn channels_of_shards(&self) -> usize {
        self.subscriptions().map_or(0, Subscriptions::of_shards)
    }

    /// How many channels and patterns it is subscribed to that do not belong to shards.
    pub fn channels_of_no_shard(&self) -> usize {
        self.subscriptions().map_or(0, Subscriptions::of_no_shard)
    }

    /// What it is subscribed to; `None`: it is no private one.
    pub fn subscriptions(&self) -> Option<&Subscriptions> {
        self.private.as_ref().map(|private| private.exchange.subscriptions())
    }
}
