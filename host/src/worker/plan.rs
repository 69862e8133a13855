//! What a worker is to run: the checked form of a topology's sources.

use std::sync::Arc;

use crate::chain::Link;
use crate::net::ListenPlan;
use crate::traffic;
use crate::upstream::SinglePlan;

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

/// The bounds of one session, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionLimits {
    /// The largest request. A larger one is a protocol error.
    pub query: usize,
    /// Requests in flight: with as much, the session is not read from.
    pub in_flight: usize,
    /// Replies that the client has not taken yet: with as much, the session is not read from.
    pub output_high: usize,
    /// Replies that the client has not taken yet: with more, it is cut off.
    pub output_hard: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { query: 1 << 30, in_flight: 1 << 20, output_high: 1 << 20, output_hard: 1 << 30 }
    }
}

/// Where requests leave.
#[derive(Clone, Debug)]
pub enum SinkPlan {
    /// `ValkeySinkSingle`: one server, or the first of several that works.
    Single(SinglePlan),
    /// `NullSink`: whatever comes is answered with an error.
    Null,
}
