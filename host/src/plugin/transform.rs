//! A plugin with a configuration, at one place in a chain.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::cache::hex;
use super::fault::Fault;
use super::host::sessions::{NoSessions, SessionDirectory};
use super::interest::{CommandSet, Interest, View};
use super::lanes::lifecycle;
use super::load::Plugin;
use super::one_line::one_line;
use super::site::Site;
use super::spec::Spec;
use super::start::{Description, Live, Starting};
use super::state::StateMap;

/// A plugin that did not accept its place.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It refused its configuration; the sentence is the plugin's own, cut to a line of at most a
    /// kilobyte.
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

/// A plugin with a configuration that it accepted, at one place in a chain. Every worker makes an
/// [`Instance`](super::Instance) of it.
pub struct Transform {
    plugin: Arc<Plugin>,
    config: String,
    site: Arc<Site>,
    description: Description,
    interest: Interest,
    state: Arc<StateMap>,
}

impl Plugin {
    /// Gives the plugin a configuration and a place in a chain. Runs `describe` and `configure` in
    /// an instance that is then thrown away.
    ///
    /// # Errors
    ///
    /// The plugin refuses the configuration, faults, or asks for a command that there is not.
    pub fn configure(
        self: &Arc<Self>,
        config: &serde_json::Value,
        site: Site,
    ) -> Result<Arc<Transform>, ConfigureError> {
        self.configure_with(config, site, StateMap::new(self.spec.limits.state))
    }

    /// The same for a transform that takes the place of another while both run: it has the entries
    /// of the other's `state` map, bounded by the limit that was declared for this one.
    ///
    /// # Errors
    ///
    /// As [`Plugin::configure`].
    pub fn configure_after(
        self: &Arc<Self>,
        config: &serde_json::Value,
        site: Site,
        before: &Transform,
    ) -> Result<Arc<Transform>, ConfigureError> {
        self.configure_with(config, site, before.state.heir(self.spec.limits.state))
    }

    fn configure_with(
        self: &Arc<Self>,
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

    /// Starts an instance: instantiates and configures it.
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
