//! A plugin with a configuration, at one place in a chain.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use wasmtime::component::TypedFunc;
use wasmtime::{Store, Trap, WasmBacktrace};

use super::cache::hex;
use super::fault::Fault;
use super::host::sessions::{NoSessions, SessionDirectory};
use super::host::{Capabilities, Data};
use super::instance::Instance;
use super::interest::{CommandSet, Interest, View};
use super::lanes::{Failure, Handlers, lifecycle};
use super::load::Plugin;
use super::site::Site;
use super::spec::Spec;
use super::state::StateMap;
use super::store;

/// What a transform says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// A short name in CamelCase.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence: what it does.
    pub summary: String,
}

/// A plugin that did not accept its place.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It refused its configuration; the sentence is the plugin's own, cut to a line of at most a kilobyte.
    #[error("plugin `{plugin}` refuses its configuration: {reason}")]
    Refused {
        /// The plugin's name.
        plugin: String,
        /// What it said.
        reason: String,
    },
    /// It faulted while it was set up.
    #[error("plugin `{plugin}` {fault}, while it was set up")]
    Fault {
        /// The plugin's name.
        plugin: String,
        /// What happened.
        fault: Fault,
    },
    /// It asks for a command that there is not.
    #[error("plugin `{plugin}` asks for the command `{command}`, which is not in the command table")]
    UnknownCommand {
        /// The plugin's name.
        plugin: String,
        /// What it asked for.
        command: String,
    },
}

/// A plugin with a configuration that it accepted, at one place in a chain. Every worker makes an [`Instance`] of it.
pub struct Transform {
    plugin: Arc<Plugin>,
    config: String,
    site: Arc<Site>,
    description: Description,
    interest: Interest,
    state: Arc<StateMap>,
}

/// A started instance: its store and the functions that batches cross into.
pub(super) struct Live {
    pub(super) store: Store<Data>,
    pub(super) handlers: Handlers,
}

impl Plugin {
    /// Give the plugin a configuration and a place in a chain. Runs `describe` and `configure` in an instance that is then
    /// thrown away.
    ///
    /// # Errors
    ///
    /// The plugin refuses the configuration, faults, or asks for a command that there is not.
    pub fn configure(
        self: &Arc<Plugin>,
        config: &serde_json::Value,
        site: Site,
    ) -> Result<Arc<Transform>, ConfigureError> {
        self.configure_with(config, site, StateMap::new(self.spec.limits.state))
    }

    /// The same for a transform that takes the place of another while both run: it has the entries of its `state` map, bounded by the
    /// limit that was declared for this one.
    ///
    /// # Errors
    ///
    /// As [`Plugin::configure`].
    pub fn configure_after(
        self: &Arc<Plugin>,
        config: &serde_json::Value,
        site: Site,
        before: &Transform,
    ) -> Result<Arc<Transform>, ConfigureError> {
        self.configure_with(config, site, before.state.heir(self.spec.limits.state))
    }

    fn configure_with(
        self: &Arc<Plugin>,
        config: &serde_json::Value,
        site: Site,
        state: StateMap,
    ) -> Result<Arc<Transform>, ConfigureError> {
        let name = || self.spec.name.clone();
        let config = config.to_string();
        let site = Arc::new(site);
        let state = Arc::new(state);
        let fault = |fault| ConfigureError::Fault { plugin: name(), fault };
        let mut scratch = Starting::new(self, &site, &state, Rc::new(NoSessions)).map_err(fault)?;
        let description = scratch.describe().map_err(fault)?;
        let answer = scratch.configure(&config).map_err(fault)?;
        let raw = answer.map_err(|reason| ConfigureError::Refused { plugin: name(), reason: one_line(&reason) })?;
        let interest = interest(raw)
            .map_err(|command| ConfigureError::UnknownCommand { plugin: name(), command: one_line(&command) })?;
        Ok(Arc::new(Transform { plugin: Arc::clone(self), config, site, description, interest, state }))
    }

    /// What the plugin says of itself, without a configuration: for `sluice plugin inspect`.
    ///
    /// # Errors
    ///
    /// It faults, which it must not.
    pub fn describe(&self) -> Result<Description, Fault> {
        let site = Arc::new(Site { source: String::new(), position: 0 });
        let state = Arc::new(StateMap::new(self.spec.limits.state));
        Starting::new(self, &site, &state, Rc::new(NoSessions))?.describe()
    }
}

impl Transform {
    /// What it wants to be called for.
    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The plugin that it is made of.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// What the operator declared of its plugin.
    pub fn spec(&self) -> &Spec {
        &self.plugin.spec
    }

    /// Its place.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// An instance for one worker. Nothing runs until the first batch; what goes wrong then is a fault of that crossing.
    pub fn instantiate(self: &Arc<Transform>, sessions: Rc<dyn SessionDirectory>) -> Instance {
        Instance::new(Arc::clone(self), sessions)
    }

    /// Start an instance: instantiate and configure.
    pub(super) fn start(&self, sessions: Rc<dyn SessionDirectory>) -> Result<Live, Fault> {
        let mut starting = Starting::new(&self.plugin, &self.site, &self.state, sessions)?;
        match starting.configure(&self.config)? {
            Ok(_) => Ok(starting.finish()?),
            Err(reason) => Err(Fault::Configure(one_line(&reason))),
        }
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform")
            .field("plugin", &self.plugin.spec.name)
            .field("sha256", &hex(&self.plugin.sha256))
            .field("site", &self.site)
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

/// An instance that has not been configured yet. All of its steps share the limit `setup`.
struct Starting<'a> {
    plugin: &'a Plugin,
    store: Store<Data>,
    instance: wasmtime::component::Instance,
}

impl<'a> Starting<'a> {
    fn new(
        plugin: &'a Plugin,
        site: &Arc<Site>,
        state: &Arc<StateMap>,
        sessions: Rc<dyn SessionDirectory>,
    ) -> Result<Starting<'a>, Fault> {
        let capabilities = Capabilities::new(&plugin.shared, site, state, sessions);
        let limits = &plugin.spec.limits;
        let mut store = store::new(&plugin.engine, plugin.pulse.clone(), limits, capabilities);
        store::arm(&mut store, limits.setup);
        match plugin.pre.instantiate(&mut store) {
            Ok(instance) => Ok(Starting { plugin, store, instance }),
            Err(error) => Err(match fault(&store, plugin, Failure::Call(error)) {
                // It is not an answer that was invalid here.
                Fault::InvalidAnswer(reason) => Fault::Instantiate(reason),
                fault => fault,
            }),
        }
    }

    fn describe(&mut self) -> Result<Description, Fault> {
        let described = self
            .instance
            .get_typed_func(&mut self.store, self.plugin.contract.describe)
            .and_then(|describe: TypedFunc<(), lifecycle::Described>| describe.call(&mut self.store, ()));
        let (raw,) = self.checked(described)?;
        Ok(Description { name: one_line(&raw.name), version: one_line(&raw.version), summary: one_line(&raw.summary) })
    }

    fn configure(&mut self, config: &str) -> Result<Result<lifecycle::RawInterest, String>, Fault> {
        let configured = self.instance.get_typed_func(&mut self.store, self.plugin.contract.configure).and_then(
            |configure: TypedFunc<lifecycle::Config<'_>, lifecycle::Configured>| {
                configure.call(&mut self.store, (config,))
            },
        );
        Ok(self.checked(configured)?.0)
    }

    fn finish(mut self) -> Result<Live, Fault> {
        let handlers = Handlers::of(&self.instance, &mut self.store, &self.plugin.contract);
        let handlers = self.checked(handlers)?;
        Ok(Live { store: self.store, handlers })
    }

    fn checked<T>(&self, result: wasmtime::Result<T>) -> Result<T, Fault> {
        result.map_err(|error| fault(&self.store, self.plugin, Failure::Call(error)))
    }
}

/// What a failed call was, seen from the host.
pub(super) fn fault(store: &Store<Data>, plugin: &Plugin, failure: Failure) -> Fault {
    let data = store.data();
    let error = match failure {
        Failure::Call(error) => error,
        Failure::Answer(reason) => return Fault::InvalidAnswer(reason),
        Failure::TooLarge => return Fault::Memory(data.memory.limit()),
    };
    tracing::debug!(plugin = plugin.spec.name, error = ?error, "a call into a plugin failed");
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Fault::Deadline(data.deadline.budget()),
        Some(Trap::StackOverflow) => Fault::Stack,
        _ if data.memory.refused => Fault::Memory(data.memory.limit()),
        Some(trap) => {
            let text = trap.to_string();
            let reason = text.strip_prefix("wasm trap: ").unwrap_or(&text);
            Fault::Trap(reason.to_owned())
        }
        None => {
            let reason = one_line(&error.root_cause().to_string());
            // The only sign of an answer that was too large: its type is private to wasmtime.
            if reason.contains("fuel allocated for hostcalls has been exhausted") {
                Fault::Output(plugin.spec.limits.output)
            } else if error.is::<WasmBacktrace>() {
                // Wasm code was running: a function of the host refused what it was called for.
                Fault::Trap(reason)
            } else {
                Fault::InvalidAnswer(reason)
            }
        }
    }
}

fn interest(raw: lifecycle::RawInterest) -> Result<Interest, String> {
    let set = |names: &[String]| CommandSet::from_names(names.iter().map(String::as_str)).map_err(str::to_owned);
    let commands = raw.commands.as_deref().map_or(Ok(CommandSet::ALL), set)?;
    let whole = set(&raw.whole)?;
    let view = match raw.view {
        lifecycle::RawView::Command => View::Command,
        lifecycle::RawView::Keys => View::Keys,
        lifecycle::RawView::All => View::All,
    };
    Ok(Interest { commands, view, whole, key_positions: raw.key_positions || view == View::Keys })
}

/// A plugin's text as part of a message of the host: one line of at most a kilobyte.
fn one_line(text: &str) -> String {
    text.chars().take(1024).map(|character| if character.is_control() { ' ' } else { character }).collect()
}
