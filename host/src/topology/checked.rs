//! What a topology comes to: what to run, checked.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::net::ListenPlan;
use crate::plugin::Spec;
use crate::routing::SinkPlan;
use crate::traffic::Plan;
use crate::worker::{Drain, SessionLimits};

/// What to run: checked.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The file that it came from, for messages.
    pub file: PathBuf,
    /// The plugins that a chain uses, and those that are declared though unused; no two of the same
    /// name.
    pub plugins: Vec<Plugin>,
    /// At least one; no two of the same name, no two that listen on the same address.
    pub sources: Vec<Source>,
    /// How many workers; `None`: as many as there are CPUs.
    pub workers: Option<NonZeroUsize>,
    /// Where metrics and health are served; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// What it does once it is told to end.
    pub drain: Drain,
}

/// A plugin to be loaded.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// What the operator declared of it, with the defaults for what he did not.
    pub spec: Spec,
    /// Where it is declared, such as `plugins.KeyPrefix`; for an undeclared standard plugin, where
    /// it is first used.
    pub path: String,
    /// The same for editors: `topology.yaml:2:3`.
    pub place: String,
}

/// An address that clients connect to, and what becomes of their requests.
#[derive(Clone, Debug)]
pub struct Source {
    /// Names it in logs and metrics.
    pub name: String,
    /// Where it listens.
    pub listen: ListenPlan,
    /// How many clients it serves at once, at least 1.
    pub connection_limit: usize,
    /// What one session may cost.
    pub limits: SessionLimits,
    /// What is logged of its traffic, if anything is.
    pub traffic_log: Option<Plan>,
    /// The transforms in the order in which requests meet them. May be empty.
    pub chain: Vec<Link>,
    /// Where requests leave.
    pub sink: SinkPlan,
}

/// A transform's place in a chain.
#[derive(Clone, Debug)]
pub struct Link {
    /// The name of one of [`Topology::plugins`].
    pub plugin: String,
    /// Its configuration: a JSON object, `{}` where the file gives none.
    pub config: serde_json::Value,
    /// Where that stands in the file, such as `sources[0].Valkey.chain[1].KeyPrefix`.
    pub path: String,
    /// The same for editors: `topology.yaml:9:15`.
    pub place: String,
}
