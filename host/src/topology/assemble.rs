//! From a checked topology to what workers run: plugins are loaded, and each is configured for its
//! places.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use super::{Link, Source, Topology, TopologyError};
use crate::chain;
use crate::plugin::{self, ContractError, LoadError, LoadProblem, Runtime, Site, Transform};
use crate::worker::{ChainPlan, SourcePlan};

impl Topology {
    /// Loads and configures every plugin, those that no chain uses included. Opens no port.
    ///
    /// # Errors
    ///
    /// Every plugin that could not be loaded, and every configuration that was refused, in one
    /// report.
    pub fn assemble(&self, runtime: &Runtime) -> Result<Vec<SourcePlan>, TopologyError> {
        let mut refusals = Refusals::default();
        let loaded = self.load_plugins(runtime, &mut refusals);
        let plans = self.sources.iter().map(|source| plan(source, &loaded, &mut refusals)).collect();
        if refusals.0.is_empty() {
            return Ok(plans);
        }
        Err(TopologyError::Invalid { file: self.file.clone(), lines: refusals.0 })
    }

    /// Loads one plugin again, because its component has changed, and configures it for its places
    /// in `chains`: those that run now. Gives it with the chains that it changes.
    ///
    /// Each of its transforms takes over the `state` map of the one that stands at its place.
    ///
    /// # Errors
    ///
    /// Why it cannot be loaded, or every configuration that it refuses: what [`Topology::assemble`]
    /// would say.
    pub fn renew(
        &self,
        runtime: &Runtime,
        name: &str,
        chains: &[ChainPlan],
    ) -> Result<(Arc<plugin::Plugin>, Vec<ChainPlan>), TopologyError> {
        let mut refusals = Refusals::default();
        let declared = self.plugins.iter().find(|plugin| plugin.spec.name == name);
        let loaded = declared.and_then(|plugin| load(runtime, plugin, &mut refusals));
        let mut renewed = Vec::new();
        if let Some(plugin) = &loaded {
            for source in &self.sources {
                let chain = chains.iter().find(|chain| *chain.source == *source.name);
                let chain = chain.filter(|chain| chain.links.iter().any(|link| &*link.name == name));
                renewed.extend(chain.map(|chain| renewed_chain(source, chain, plugin, &mut refusals)));
            }
        }
        match loaded {
            Some(plugin) if refusals.0.is_empty() => Ok((plugin, renewed)),
            _ => Err(TopologyError::Invalid { file: self.file.clone(), lines: refusals.0 }),
        }
    }

    /// The plugins by name; `None` for one that could not be loaded.
    fn load_plugins(&self, runtime: &Runtime, refusals: &mut Refusals) -> HashMap<&str, Option<Arc<plugin::Plugin>>> {
        let names = self.plugins.iter().map(|plugin| plugin.spec.name.as_str());
        names.zip(self.plugins.iter().map(|plugin| load(runtime, plugin, refusals))).collect()
    }
}

fn load(runtime: &Runtime, plugin: &super::Plugin, refusals: &mut Refusals) -> Option<Arc<plugin::Plugin>> {
    let refuse = |LoadError { problem, .. }| {
        let path = format!("{}{}", plugin.path, setting(&problem));
        refusals.add(&plugin.place, &path, &problem);
    };
    runtime.load(&plugin.spec).map_err(refuse).ok()
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
        LoadProblem::Read { .. }
        | LoadProblem::NotAComponent { .. }
        | LoadProblem::TooLarge { .. }
        | LoadProblem::Invalid { .. } => ".component",
        LoadProblem::Pin { .. } => ".sha256",
        LoadProblem::Limit { .. } => ".limits",
        LoadProblem::Contract { error, .. } => match &**error {
            ContractError::Needs(needs) if needs.wasi.is_empty() => ".grants",
            ContractError::Needs(needs) if needs.not_granted.is_empty() => ".wasi",
            ContractError::Needs(_) => "",
            _ => ".component",
        },
        LoadProblem::NotBuilt | LoadProblem::Engine(_) => "",
    }
}

/// A source with the transforms of its chain; one that could not be had is missing, and among the
/// refusals.
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

/// The chain of a source, with this plugin at each place where another of its name is.
fn renewed_chain(
    source: &Source,
    chain: &ChainPlan,
    plugin: &Arc<plugin::Plugin>,
    refusals: &mut Refusals,
) -> ChainPlan {
    let mut links = chain.links.clone();
    for (link, old) in source.chain.iter().zip(&mut links).filter(|(link, _)| link.plugin == plugin.spec().name) {
        match plugin.configure_after(&link.config, old.transform.site().clone(), &old.transform) {
            Ok(transform) => *old = configured(link, transform),
            Err(error) => refusals.add(&link.place, &link.path, &error),
        }
    }
    ChainPlan { source: chain.source.clone(), links }
}

fn configured(link: &Link, transform: Arc<Transform>) -> chain::Link {
    chain::Link { name: link.plugin.as_str().into(), on_fault: transform.spec().on_fault, transform }
}
