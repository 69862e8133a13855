//! How an instance starts: it is made, asked what it is, and configured.

use std::rc::Rc;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::TypedFunc;

use super::failure::Failure;
use super::fault::Fault;
use super::host::sessions::SessionDirectory;
use super::host::{Capabilities, Data};
use super::lanes::{Handlers, lifecycle};
use super::load::Plugin;
use super::one_line::one_line;
use super::site::Site;
use super::state::StateMap;
use super::store;

/// What a transform says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// A short name in CamelCase.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence: what it does.
    pub summary: String,
}

/// A started instance: its store and the functions that batches cross into.
pub(super) struct Live {
    pub(super) store: Store<Data>,
    pub(super) handlers: Handlers,
}

/// An instance that has not been configured yet. All of its steps share the limit `setup`.
pub(super) struct Starting<'a> {
    plugin: &'a Plugin,
    store: Store<Data>,
    instance: wasmtime::component::Instance,
}

impl<'a> Starting<'a> {
    pub(super) fn new(
        plugin: &'a Plugin,
        site: &Arc<Site>,
        state: &Arc<StateMap>,
        sessions: Rc<dyn SessionDirectory>,
    ) -> Result<Self, Fault> {
        let capabilities = Capabilities::new(&plugin.shared, site, state, sessions);
        let limits = &plugin.spec.limits;
        let mut store = store::new(&plugin.engine, plugin.pulse.clone(), limits, capabilities);
        store::arm(&mut store, limits.setup);
        match plugin.pre.instantiate(&mut store) {
            Ok(instance) => Ok(Self { plugin, store, instance }),
            Err(error) => Err(match Failure::Call(error).into_fault(store.data(), &plugin.spec) {
                // It is not an answer that was invalid here.
                Fault::InvalidAnswer(reason) => Fault::Instantiate(reason),
                fault => fault,
            }),
        }
    }

    pub(super) fn describe(&mut self) -> Result<Description, Fault> {
        let described = self
            .instance
            .get_typed_func(&mut self.store, self.plugin.contract.describe)
            .and_then(|describe: TypedFunc<(), lifecycle::Described>| describe.call(&mut self.store, ()));
        let (raw,) = self.checked(described)?;
        Ok(Description { name: one_line(&raw.name), version: one_line(&raw.version), summary: one_line(&raw.summary) })
    }

    pub(super) fn configure(&mut self, config: &str) -> Result<Result<lifecycle::RawInterest, String>, Fault> {
        let configured = self.instance.get_typed_func(&mut self.store, self.plugin.contract.configure).and_then(
            |configure: TypedFunc<lifecycle::Config<'_>, lifecycle::Configured>| {
                configure.call(&mut self.store, (config,))
            },
        );
        Ok(self.checked(configured)?.0)
    }

    pub(super) fn finish(mut self) -> Result<Live, Fault> {
        let handlers = Handlers::of(&self.instance, &mut self.store, &self.plugin.contract);
        let handlers = self.checked(handlers)?;
        Ok(Live { store: self.store, handlers })
    }

    fn checked<T>(&self, result: wasmtime::Result<T>) -> Result<T, Fault> {
        result.map_err(|error| Failure::Call(error).into_fault(self.store.data(), &self.plugin.spec))
    }
}
