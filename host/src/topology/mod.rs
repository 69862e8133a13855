//! The topology file: YAML to checked types.
//!
//! A file goes through three stages, each a type of its own, so that nothing later can meet what an
//! earlier one refuses: YAML (the room `yaml`) → what the file says (`document`) → [`Topology`], in
//! which every name means something and every rule that can be checked without opening a port or a
//! component has been. All problems of a file are reported at once. [`Topology::assemble`] then
//! loads the plugins and makes what workers run.

mod assemble;
mod check;
mod checked;
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

use std::path::Path as FilePath;
use std::sync::Arc;

use crate::net::tls::Renewable;
use crate::yaml;
use crate::yaml::problem::{Origin, Problems};

pub use checked::{Link, Plugin, Source, Topology};

/// Why there is no topology.
pub use crate::yaml::DocumentError as TopologyError;

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

    /// Checks a text as if it stood in `file`, which need not exist; its directory is where
    /// relative paths begin.
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
