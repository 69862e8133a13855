//! What a worker is to run: the checked form of a topology's sources.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::Link;
use crate::net::ListenPlan;
use crate::routing::SinkPlan;
use crate::traffic;

/// A listener with its chain and sink.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name, in logs and metrics.
    pub name: Arc<str>,
    /// Where clients connect.
    pub listen: ListenPlan,
    /// The most clients at a time, over all workers.
    pub connection_limit: usize,
    /// The bounds of each of its sessions.
    pub limits: SessionLimits,
    /// What is logged of its traffic, if anything is.
    pub traffic_log: Option<traffic::Plan>,
    /// The transforms, in order.
    pub chain: Vec<Link>,
    /// Where requests leave.
    pub sink: SinkPlan,
}

/// The chain of a source, without its sink.
#[derive(Clone, Debug)]
pub struct ChainPlan {
    /// The name of the source.
    pub source: Arc<str>,
    /// The transforms, in order.
    pub links: Vec<Link>,
}

impl SourcePlan {
    /// Its chain.
    pub fn chain_plan(&self) -> ChainPlan {
        ChainPlan { source: self.name.clone(), links: self.chain.clone() }
    }
}

/// The bounds of one session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionLimits {
    /// The largest request, in bytes. A larger one is a protocol error.
    pub query: usize,
    /// Requests in flight, in bytes: with as much, the session is not read from.
    pub in_flight: usize,
    /// Replies that the client has not taken yet, in bytes: with as much, the session is not read from.
    pub output_high: usize,
    /// How far it may be behind with its replies.
    pub replies: OutputLimits,
    /// The same for a session to which the server sends by itself, so that not reading from it does not help.
    pub pushes: OutputLimits,
    /// How long it may be without requests and replies, to the second; `None`: for ever. Subscribers and those that are blocked may.
    pub idle: Option<Duration>,
}

/// How far a client may be behind with what it is sent, before it is cut off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutputLimits {
    /// Bytes: with more, at once.
    pub hard: usize,
    /// Bytes: with more for longer than `soft_time`.
    pub soft: usize,
    /// To the second.
    pub soft_time: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        let minute = Duration::from_secs(60);
        Self {
            query: 1024 * MIB,
            in_flight: MIB,
            output_high: MIB,
            replies: OutputLimits { hard: 1024 * MIB, soft: 1024 * MIB, soft_time: minute },
            pushes: OutputLimits { hard: 32 * MIB, soft: 8 * MIB, soft_time: minute },
            idle: None,
        }
    }
}
