//! Other chains for the sources of a running proxy: sessions stay, and what is in flight ends as it began.
//!
//! A worker swaps between two turns. What it has read and not carried yet goes through the new chain; a request that a transform of
//! the old one watches or has fanned out is answered through the old one, which stays for as long as its generation is remembered.
//! A session that listens remembers it too: what the server sends it by itself goes through the chain that it subscribed through.

use std::sync::Arc;
use std::sync::mpsc;

use tokio::sync::mpsc::WeakUnboundedSender;

use super::{ChainPlan, Worker, WorkerCommand};
use crate::plugin::SessionDirectory;

/// Gives the sources of a running proxy other chains.
#[derive(Clone)]
pub struct Swapper {
    workers: Vec<WeakUnboundedSender<WorkerCommand>>,
}

/// What a worker is told of other chains.
pub(super) struct Swap {
    chains: Arc<[ChainPlan]>,
    done: mpsc::Sender<()>,
}

impl Swapper {
    pub(super) fn new(workers: Vec<WeakUnboundedSender<WorkerCommand>>) -> Self {
        Self { workers }
    }

    /// Have each worker go on with these chains, once it has finished its turn; sources that are not named keep theirs. Waits for all of
    /// them. Returns whether all have: those of a proxy that drains, or has ended, do not.
    ///
    /// A transform that was in the old chain of its source too keeps its instances.
    pub fn swap(&self, chains: Vec<ChainPlan>) -> bool {
        let chains: Arc<[ChainPlan]> = chains.into();
        let (done, all) = mpsc::channel();
        for worker in self.workers.iter().filter_map(WeakUnboundedSender::upgrade) {
            // One that has ended drops it, and is not counted.
            let _ = worker.send(WorkerCommand::Swap(Swap { chains: chains.clone(), done: done.clone() }));
        }
        drop(done);
        all.iter().count() == self.workers.len()
    }
}

impl Worker {
    /// Let the sources go on with other chains.
    pub(super) fn swap(&mut self, swap: &Swap) {
        if self.draining.is_some() {
            return;
        }
        let sessions: std::rc::Rc<dyn SessionDirectory> = self.directory.clone();
        for plan in &*swap.chains {
            for source in self.sources.iter_mut().filter(|source| source.name == plan.source) {
                let new = source.chain.succeeded_by(&plan.links, &sessions);
                source.retired.push(std::mem::replace(&mut source.chain, new));
            }
        }
        self.drop_retired();
        // If whoever asked does not wait any more, nobody need know.
        let _ = swap.done.send(());
    }

    /// Forget the chains through which nothing comes back any more.
    pub(super) fn drop_retired(&mut self) {
        for source in &mut self.sources {
            source.retired.retain(super::Chain::is_awaited);
        }
    }
}
