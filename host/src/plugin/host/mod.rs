//! What the host offers to components, a file each.
//!
//! Every capability has the same three steps: its name and the grant that it needs ([`Capability`], read when imports are
//! checked), its functions (linked once per plugin), and its data (made once per instance).

mod clock;
mod commands;
pub(super) mod log;
pub(super) mod metrics;
mod random;
pub(super) mod sessions;
mod state;
mod wasi;

use std::rc::Rc;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, Linker, LinkerInstance};

use super::grants::Grant;
use super::site::Site;
use super::spec::{Spec, Wasi};
use super::state::StateMap;
use super::store::Data;
use super::versions::{self, ContractVersion};
use sessions::SessionDirectory;

/// The traits that wasmtime derives from the world `host`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "sluice:transform/host",
        imports: { "sluice:transform/random": trappable },
    });
}

use bindings::sluice::transform as interfaces;

/// A host capability: an interface of the contract.
pub(super) struct Capability {
    /// The interface's name.
    pub(super) interface: &'static str,
    /// The grant that it needs; `None`: everyone has it.
    pub(super) grant: Option<Grant>,
    /// Its functions, each with the version of the contract that it came with.
    pub(super) functions: &'static [(&'static str, ContractVersion)],
    link: fn(&mut LinkerInstance<'_, Data>) -> wasmtime::Result<()>,
}

const ALL: [Capability; 7] = [
    log::CAPABILITY,
    metrics::CAPABILITY,
    commands::CAPABILITY,
    clock::CAPABILITY,
    random::CAPABILITY,
    sessions::CAPABILITY,
    state::CAPABILITY,
];

/// The capability with this interface.
pub(super) fn find(interface: &str) -> Option<&'static Capability> {
    const { &ALL }.iter().find(|capability| capability.interface == interface)
}

/// The names of all interfaces.
pub(super) fn interfaces() -> impl Iterator<Item = &'static str> {
    const { &ALL }.iter().map(|capability| capability.interface)
}

/// A linker that has what a plugin imports of the contract and was granted, and nothing else: under the very names that the component
/// imports, whose versions have been checked. As versions only add, what serves the newest serves them all.
pub(super) fn linker(engine: &Engine, component: &Component, spec: &Spec) -> wasmtime::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    for (name, _) in component.component_type().imports(engine) {
        if let Some(capability) = versions::split(name).and_then(|(interface, _)| find(interface))
            && capability.grant.is_none_or(|grant| spec.grants.contains(grant))
        {
            (capability.link)(&mut linker.instance(name)?)?;
        }
    }
    if spec.wasi == Wasi::Stub {
        wasi::link(&mut linker, engine, component, spec.grants)?;
    }
    Ok(linker)
}

/// What all instances of a plugin share.
pub(super) struct Shared {
    log: log::Budget,
    metrics: metrics::Registry,
}

impl Shared {
    pub(super) fn new(spec: &Spec, kinds: Arc<metrics::Kinds>) -> Shared {
        Shared {
            log: log::Budget::new(&spec.name, spec.limits.log_lines),
            metrics: metrics::Registry::new(&spec.name, spec.limits.series, kinds),
        }
    }
}

/// The data of an instance, capability by capability.
pub(super) struct Capabilities {
    log: log::Log,
    metrics: metrics::Metrics,
    commands: commands::Commands,
    clock: clock::Clock,
    random: random::Random,
    sessions: sessions::Sessions,
    state: state::State,
}

impl Capabilities {
    pub(super) fn new(
        shared: &Arc<Shared>,
        site: &Arc<Site>,
        state: &Arc<StateMap>,
        sessions: Rc<dyn SessionDirectory>,
    ) -> Capabilities {
        Capabilities {
            log: log::Log::new(Arc::clone(shared), Arc::clone(site)),
            metrics: metrics::Metrics::new(Arc::clone(shared)),
            commands: commands::Commands,
            clock: clock::Clock,
            random: random::Random,
            sessions: sessions::Sessions::new(sessions),
            state: state::State::new(Arc::clone(state)),
        }
    }
}
