//! What the host offers to components, a file each.
//!
//! Every capability has the same three parts: what the contract says of it ([`Interface`], read
//! when imports are checked), its functions (linked once per plugin), and its data (made once per
//! instance). This file puts them together: a new capability is a file, a row of [`ALL`] and a
//! field of [`Capabilities`].

mod bindings;
mod clock;
mod commands;
mod interface;
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

use super::site::Site;
use super::spec::{Spec, Wasi};
use super::state::StateMap;
use super::store;
use super::versions;
pub(super) use interface::Interface;
use sessions::SessionDirectory;

/// What a store holds: the bounds of an instance, and its capabilities.
pub(super) type Data = store::Data<Capabilities>;

/// A capability: its interface, and what links its functions.
struct Capability {
    interface: Interface,
    link: fn(&mut LinkerInstance<'_, Data>) -> wasmtime::Result<()>,
}

const ALL: [Capability; 7] = [
    Capability { interface: log::INTERFACE, link: |to| log::link(to, |data| &mut data.capabilities.log) },
    Capability { interface: metrics::INTERFACE, link: |to| metrics::link(to, |data| &mut data.capabilities.metrics) },
    Capability {
        interface: commands::INTERFACE,
        link: |to| commands::link(to, |data| &mut data.capabilities.commands),
    },
    Capability { interface: clock::INTERFACE, link: |to| clock::link(to, |data| &mut data.capabilities.clock) },
    Capability { interface: random::INTERFACE, link: |to| random::link(to, |data| &mut data.capabilities.random) },
    Capability {
        interface: sessions::INTERFACE,
        link: |to| sessions::link(to, |data| &mut data.capabilities.sessions),
    },
    Capability { interface: state::INTERFACE, link: |to| state::link(to, |data| &mut data.capabilities.state) },
];

/// The capability with this interface.
fn capability(interface: &str) -> Option<&'static Capability> {
    const { &ALL }.iter().find(|capability| capability.interface.name == interface)
}

/// The interface with this name.
pub(super) fn find(interface: &str) -> Option<&'static Interface> {
    capability(interface).map(|capability| &capability.interface)
}

/// The names of all interfaces.
pub(super) fn interfaces() -> impl Iterator<Item = &'static str> {
    const { &ALL }.iter().map(|capability| capability.interface.name)
}

/// A linker that has what a plugin imports of the contract and was granted, and nothing else: under
/// the very names that the component imports, whose versions have been checked. As versions only
/// add, what serves the newest serves them all.
pub(super) fn linker(engine: &Engine, component: &Component, spec: &Spec) -> wasmtime::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    for (name, _) in component.component_type().imports(engine) {
        if let Some(capability) = versions::split(name).and_then(|(interface, _)| self::capability(interface))
            && capability.interface.grant.is_none_or(|grant| spec.grants.contains(grant))
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
    log: Arc<log::Budget>,
    metrics: Arc<metrics::Registry>,
}

impl Shared {
    pub(super) fn new(spec: &Spec, kinds: Arc<metrics::Kinds>) -> Self {
        Self {
            log: Arc::new(log::Budget::new(&spec.name, spec.limits.log_lines)),
            metrics: Arc::new(metrics::Registry::new(&spec.name, spec.limits.series, kinds)),
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
        shared: &Shared,
        site: &Arc<Site>,
        state: &Arc<StateMap>,
        sessions: Rc<dyn SessionDirectory>,
    ) -> Self {
        Self {
            log: log::Log::new(Arc::clone(&shared.log), Arc::clone(site)),
            metrics: metrics::Metrics::new(Arc::clone(&shared.metrics)),
            commands: commands::Commands,
            clock: clock::Clock,
            random: random::Random,
            sessions: sessions::Sessions::new(sessions),
            state: state::State::new(Arc::clone(state)),
        }
    }
}
