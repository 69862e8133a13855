//! The topology file: YAML to checked types.
//!
//! A file goes through three stages, each a type of its own, so that nothing later can meet what an earlier one refuses:
//! YAML (the room `yaml`) → what the file says (`document`) → [`Topology`], in which every name means something and every rule that
//! can be checked without opening a port or a component has been. All problems of a file are reported at once.
//! [`Topology::assemble`] then loads the plugins and makes what workers run.

mod assemble;
mod check;
mod connection;
mod declaration;
mod direct;
mod document;
mod hidden;
mod limits;
mod single;
mod sinks;
pub(crate) mod terms;
mod traffic;
mod transport;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::net::ListenPlan;
use crate::net::tls::Renewable;
use crate::plugin::Spec;
use crate::routing::SinkPlan;
use crate::traffic::Plan;
use crate::worker::SessionLimits;
use crate::yaml::{self, locate, node, path, problem, suggest};
use problem::{Origin, Problems};

/// Why there is no topology.
pub use crate::yaml::DocumentError as TopologyError;

/// What to run: checked.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The file that it came from, for messages.
    pub file: PathBuf,
    /// The plugins that a chain uses, and those that are declared though unused; no two of the same name.
    pub plugins: Vec<Plugin>,
    /// At least one; no two of the same name, no two that listen on the same address.
    pub sources: Vec<Source>,
    /// How many workers; `None`: as many as there are CPUs.
    pub workers: Option<NonZeroUsize>,
    /// Where metrics and health are served; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// How long sessions may take to finish once the process is told to end.
    pub drain_timeout: Duration,
}

/// A plugin to be loaded.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// What the operator declared of it, with the defaults for what he did not.
    pub spec: Spec,
    /// Where it is declared, such as `plugins.KeyPrefix`; for an undeclared standard plugin, where it is first used.
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

impl Topology {
    /// Reads and checks a file, and the certificates that it names. Opens no port and no component.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, in one report.
    pub fn load(file: &FilePath) -> Result<Self, TopologyError> {
        let text = yaml::read(file, "topology")?;
        Self::parse(file, &text)
    }

    /// Checks a text as if it stood in `file`, which need not exist; its directory is where relative paths begin.
    ///
    /// # Errors
    ///
    /// As for [`Topology::load`].
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, TopologyError> {
        let origin = Origin { file, text };
        let yaml = yaml::Document::parse(origin)?;
        let mut problems = Problems::default();
        let document = document::Document::read(&yaml.top(), origin, &mut problems);
        let topology = document.and_then(|document| check::check(&document, origin, &mut problems));
        problems.into_result(topology, origin)
    }

    /// What is to be looked after while the sources run: their certificates.
    pub fn renewables(&self) -> Vec<Arc<dyn Renewable>> {
        let mut found: Vec<Arc<dyn Renewable>> = Vec::new();
        for source in &self.sources {
            if let Some(tls) = &source.listen.tls {
                found.push(tls.clone());
            }
            // The servers of a sink share theirs.
            if let Some(tls) = source.sink.remotes().first().and_then(|remote| remote.tls.as_ref()) {
                found.push(tls.config.clone());
            }
        }
        found
    }
}
