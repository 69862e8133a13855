//! From a checked topology to what workers run: plugins are loaded, and each is configured for its places.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use super::{Link, Source, Topology, TopologyError};
use crate::chain;
use crate::plugin::{self, LoadError, LoadProblem, Runtime, Site, Transform};
use crate::worker::SourcePlan;

impl Topology {
    /// Loads and configures every plugin, those that no chain uses included. Opens no port.
    ///
    /// # Errors
    ///
    /// Every plugin that could not be loaded, and every configuration that was refused, in one report.
    pub fn assemble(&self, runtime: &Runtime) -> Result<Vec<SourcePlan>, TopologyError> {
        let mut refusals = Refusals::default();
        let loaded = self.load_plugins(runtime, &mut refusals);
        let plans = self.sources.iter().map(|source| plan(source, &loaded, &mut refusals)).collect();
        if refusals.0.is_empty() {
            return Ok(plans);
        }
        Err(TopologyError::Invalid { file: self.file.clone(), lines: refusals.0 })
    }

    /// The plugins by name; `None` for one that could not be loaded.
    fn load_plugins(&self, runtime: &Runtime, refusals: &mut Refusals) -> HashMap<&str, Option<Arc<plugin::Plugin>>> {
        let load = |plugin: &super::Plugin| {
            let loaded = runtime.load(&plugin.spec);
            let refuse = |LoadError { problem, .. }| {
                let path = format!("{}{}", plugin.path, setting(&problem));
                refusals.add(&plugin.place, &path, &problem);
            };
            loaded.map_err(refuse).ok()
        };
        let names = self.plugins.iter().map(|plugin| plugin.spec.name.as_str());
        names.zip(self.plugins.iter().map(load)).collect()
    }
}

/// Lines of a report, as far as there is something to report.
#[derive(Default)]
struct Refusals(Vec<String>);

impl Refusals {
    fn add(&mut self, place: &str, path: &str, what: &dyn Display) {
        self.0.push(format!("{place}: {path}: {what}"));
    }
}

/// The setting in a plugin's declaration that a problem is about, as the rest of its path.
fn setting(problem: &LoadProblem) -> &'static str {
    match problem {
        LoadProblem::Read { .. } | LoadProblem::NotAComponent { .. } | LoadProblem::Invalid { .. } => ".component",
        LoadProblem::Pin { .. } => ".sha256",
        LoadProblem::Limit { .. } => ".limits",
        LoadProblem::NotBuilt | LoadProblem::Breach { .. } | LoadProblem::Engine(_) => "",
    }
}

/// A source with the transforms of its chain; one that could not be had is missing, and among the refusals.
fn plan(source: &Source, plugins: &HashMap<&str, Option<Arc<plugin::Plugin>>>, refusals: &mut Refusals) -> SourcePlan {
    let mut chain = Vec::with_capacity(source.chain.len());
    for (position, link) in source.chain.iter().enumerate() {
        // A plugin that could not be loaded has been reported where it is declared.
        let Some(Some(plugin)) = plugins.get(link.plugin.as_str()) else { continue };
        let site = Site { source: source.name.clone(), position };
        match plugin.configure(&link.config, site) {
            Ok(transform) => chain.push(configured(link, transform)),
            Err(error) => refusals.add(&link.place, &link.path, &error),
        }
    }
    SourcePlan {
        name: source.name.as_str().into(),
        listen: source.listen.clone(),
        connection_limit: source.connection_limit,
        limits: source.limits,
        traffic_log: source.traffic_log.clone(),
        chain,
        sink: source.sink.clone(),
    }
}

fn configured(link: &Link, transform: Arc<Transform>) -> chain::Link {
    chain::Link { name: link.plugin.as_str().into(), on_fault: transform.spec().on_fault, transform }
}
