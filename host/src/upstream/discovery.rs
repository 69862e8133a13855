//! What is known of a cluster, by all workers of a sink: its map, found by one of them for many causes.
//!
//! A worker learns of a newer map by a number that it compares, and takes it when it is another one; no lock is on the way of a request.
//! Whoever finds a cause to ask (the time, a redirection, silence) asks, unless somebody does already: a few of the nodes at a time, one
//! a moment after the other, and the first sound answer counts.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::dial::ask;
use super::identity::Identity;
use super::server_commands::{COMMAND, ServerCommands};
use crate::cluster::SlotMap;
use crate::net::{Endpoint, Remote};

/// How long a node has before the next one is asked too.
const HEAD_START: Duration = Duration::from_millis(100);

/// How long an answer by which nobody serves some slots waits for a better one.
const BETTER: Duration = Duration::from_millis(300);

/// The shortest time between two questions.
const PAUSE: Duration = Duration::from_millis(25);

/// The longest time between two questions while there is no answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Who serves which slot.
const SLOTS: &[u8] = b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";

/// Who there is, with or without slots.
const NODES: &[u8] = b"*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n";

/// How long nodes without slots are of interest, since one was named.
const STRANGE: Duration = Duration::from_secs(60);

/// What is known of one cluster.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Counts the maps.
    version: AtomicU64,
    known: Mutex<Known>,
    /// Whether somebody asks.
    asking: AtomicBool,
    /// Whether there is another cause to ask since the question was put.
    again: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    map: Option<Arc<SlotMap>>,
    /// Why the last attempt to learn more has failed, if it has.
    trouble: Option<Arc<str>>,
    /// The node that the last redirection named.
    hint: Option<Arc<str>>,
    /// When a redirection named a node that is not in the map, for it had no slots yet.
    stranger: Option<Instant>,
}

/// Where and as whom to ask.
#[derive(Clone, Debug)]
pub(super) struct Contacts {
    /// The nodes that are asked first, and when all that are known are gone.
    pub(super) points: Vec<Remote>,
    /// How long a node may take to answer.
    pub(super) timeout: Duration,
    /// What the nodes call their commands.
    pub(super) commands: Arc<ServerCommands>,
}

impl Discovery {
    /// The number of the map that is known; 0: none is.
    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The map, if there is one.
    pub(super) fn map(&self) -> Option<Arc<SlotMap>> {
        self.known().map.clone()
    }

    /// Whether nodes without slots are of interest: one is about to get some.
    fn knows_of_strangers(&self) -> bool {
        self.known().stranger.is_some_and(|since| since.elapsed() < STRANGE)
    }

    /// Why the cluster could not be asked the last time, if it could not.
    pub(super) fn trouble(&self) -> Option<Arc<str>> {
        self.known().trouble.clone()
    }

    /// Ask, unless somebody does; must be called inside of a worker's runtime. `hint`: the node that should know best.
    pub(super) fn ask(self: &Arc<Self>, contacts: &Arc<Contacts>, identity: Identity, hint: Option<&Arc<str>>) {
        if let Some(hint) = hint {
            let mut known = self.known();
            if !known.map.as_ref().is_some_and(|map| map.nodes().iter().any(|node| node.address == *hint)) {
                known.stranger = Some(Instant::now());
            }
            known.hint = Some(hint.clone());
        }
        if self.asking.swap(true, Ordering::AcqRel) {
            self.again.store(true, Ordering::Release);
            return;
        }
        let (this, contacts) = (self.clone(), contacts.clone());
        tokio::task::spawn_local(async move {
            loop {
                let asker = Asker(this.clone());
                asker.ask_until_answered(&contacts, &identity).await;
                drop(asker);
                // Unless there was another cause at the very end.
                if !this.again.swap(false, Ordering::AcqRel) || this.asking.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        });
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self, map: SlotMap) {
        let mut known = self.known();
        if known.trouble.take().is_some() {
            tracing::info!(nodes = map.nodes().len(), shards = map.shards().len(), "the cluster answers");
        }
        if known.map.as_deref() == Some(&map) {
            return;
        }
        let (nodes, shards, unserved) = (map.nodes().len(), map.shards().len(), map.unserved());
        if unserved > 0 {
            tracing::warn!(nodes, shards, unserved, "the cluster has changed: nobody serves some of its slots");
        } else {
            tracing::info!(nodes, shards, "the cluster has changed");
        }
        metrics::counter!("sluice_cluster_maps_total").increment(1);
        known.map = Some(Arc::new(map));
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    fn failed(&self, trouble: String) {
        let mut known = self.known();
        if known.trouble.as_deref() != Some(&trouble) {
            tracing::warn!(reason = trouble, "the cluster cannot be asked who serves which slot");
            known.trouble = Some(trouble.into());
        }
    }
}

/// Whoever asks. When it ends, however it does, somebody else may.
struct Asker(Arc<Discovery>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
    }
}

impl Asker {
    async fn ask_until_answered(&self, contacts: &Contacts, identity: &Identity) {
        let mut pause = PAUSE;
        loop {
            self.0.again.store(false, Ordering::Release);
            match self.ask_around(contacts, identity).await {
                Ok((mut map, remote)) => {
                    if self.0.knows_of_strangers()
                        && let Ok(answer) = ask(&remote, identity, &contacts.commands, NODES, contacts.timeout).await
                    {
                        map.add_nodes(&answer, remote.endpoint.host().unwrap_or_default());
                    }
                    self.0.learn(map);
                    if contacts.commands.asks()
                        && let Ok(answer) = ask(&remote, identity, &contacts.commands, COMMAND, contacts.timeout).await
                    {
                        contacts.commands.learn(&answer);
                    }
                    tokio::time::sleep(PAUSE).await;
                    if !self.0.again.load(Ordering::Acquire) {
                        return;
                    }
                    pause = PAUSE;
                }
                Err(trouble) => {
                    self.0.failed(trouble);
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// The first sound answer; one by which nobody serves some of the slots only where no better one comes soon.
    async fn ask_around(&self, contacts: &Contacts, identity: &Identity) -> Result<(SlotMap, Remote), String> {
        let mut left = self.candidates(contacts).into_iter();
        let mut asked = JoinSet::new();
        let mut troubles = Vec::new();
        let mut partial: Option<(SlotMap, Remote, Instant)> = None;
        loop {
            let nobody_is_left = asked.is_empty() && left.len() == 0;
            if let Some((map, remote, _)) = partial.take_if(|(.., since)| nobody_is_left || since.elapsed() > BETTER) {
                return Ok((map, remote));
            }
            if let Some(remote) = left.next() {
                let (identity, contacts) = (identity.clone(), contacts.clone());
                asked.spawn_local(async move {
                    let answer = ask_for_map(&remote, &identity, &contacts).await;
                    answer.map_err(|reason| format!("{remote}: {reason}")).map(|map| (map, remote))
                });
            } else if asked.is_empty() {
                // The same, whoever has failed first: what is new is told.
                troubles.sort();
                return partial.map(|(map, remote, _)| (map, remote)).ok_or_else(|| troubles.join("; "));
            }
            let answer = match tokio::time::timeout(HEAD_START, asked.join_next()).await {
                Ok(Some(Ok(answer))) => answer,
                _ => continue,
            };
            match answer {
                Ok((map, remote)) if map.unserved() == 0 => return Ok((map, remote)),
                Ok((map, remote)) => {
                    let better = partial.as_ref().is_none_or(|(other, ..)| map.unserved() < other.unserved());
                    if better {
                        let since = partial.as_ref().map_or_else(Instant::now, |(.., since)| *since);
                        partial = Some((map, remote, since));
                    }
                }
                Err(trouble) => troubles.push(trouble),
            }
        }
    }

    /// Whom to ask, in order: whoever should know best, the nodes that are known, the contact points.
    fn candidates(&self, contacts: &Contacts) -> Vec<Remote> {
        let mut known = self.0.known();
        let nodes = known.map.as_ref().map_or(&[][..], |map| map.nodes());
        // Credentials are shown to nodes of the cluster only, whatever a redirection says.
        let hint = known.hint.as_ref().filter(|hint| nodes.iter().any(|node| node.address == **hint));
        let turn = self.0.version.load(Ordering::Relaxed) as usize % nodes.len().max(1);
        let (behind, before) = (nodes.iter().skip(turn), nodes.iter().take(turn));
        let addresses = hint.into_iter().chain(behind.chain(before).map(|node| &node.address));
        let like = contacts.points.first();
        let remotes = addresses.filter_map(|address| like.map(|point| node_remote(point, address)));
        let mut seen = HashSet::new();
        let all = remotes.chain(contacts.points.iter().cloned());
        let candidates = all.filter(|remote| seen.insert(remote.to_string())).collect();
        known.hint = None;
        candidates
    }
}

/// How a node is reached: as `point` is, but for its address.
pub(super) fn node_remote(point: &Remote, address: &Arc<str>) -> Remote {
    Remote { endpoint: Endpoint::Tcp(address.clone()), tls: point.tls.clone() }
}

async fn ask_for_map(remote: &Remote, identity: &Identity, contacts: &Contacts) -> Result<SlotMap, String> {
    let answer = ask(remote, identity, &contacts.commands, SLOTS, contacts.timeout).await?;
    SlotMap::read(&answer, remote.endpoint.host().unwrap_or_default()).map_err(|error| error.to_string())
}
