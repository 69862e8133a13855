//! The topologies that Sluice is measured with.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::servers::Behind;

/// Looks at every command and forwards it.
pub(super) const INSPECT: &str = "Inspect: {}";
/// Rewrites every key.
pub(super) const KEY_PREFIX: &str = "KeyPrefix: { prefix: \"tenant-a:\" }";
/// Judges every command.
pub(super) const COMMAND_FILTER: &str = "CommandFilter: { deny: [shutdown] }";
/// Watches every response and passes it.
pub(super) const WATCH_ALL: &str = "WatchAll: {}";

/// No transform.
pub(super) const EMPTY: &[&str] = &[];
/// Transforms that look on.
pub(super) const INSPECT_3: &[&str] = &[INSPECT; 3];
/// Transforms that do something.
pub(super) const WORK_3: &[&str] = &[COMMAND_FILTER, KEY_PREFIX, WATCH_ALL];

/// The transforms of the chains above, and the components of those that do not come with the binary.
const PLUGINS: [(&str, Option<&str>); 4] = [
    ("Inspect", Some("inspect.wasm")),
    ("WatchAll", Some("watch_all.wasm")),
    ("KeyPrefix", None),
    ("CommandFilter", None),
];

/// A chain, behind each of some listeners.
pub(super) struct Topology<'a> {
    /// Where the components are.
    pub(super) components: &'a Path,
    /// The transforms.
    pub(super) chain: &'a [&'a str],
    /// What stands at the other end.
    pub(super) behind: Behind,
    /// Where that listens.
    pub(super) servers: &'a [SocketAddr],
    /// Where clients connect.
    pub(super) listen: &'a [SocketAddr],
    /// Where they could connect too, and would pass through no transform.
    pub(super) idle: &'a [SocketAddr],
    /// Whether nothing in it goes by the time: a run of its own takes many times as long as it should.
    pub(super) timeless: bool,
}

impl Topology<'_> {
    /// The file. It has one worker.
    pub(super) fn text(&self) -> Result<String> {
        let mut text = String::from("workers: 1\n");
        let used = |name: &str| self.chain.iter().any(|link| link.starts_with(name));
        let used: Vec<_> =
            PLUGINS.iter().filter(|(name, file)| used(name) && (self.timeless || file.is_some())).collect();
        if !used.is_empty() {
            text.push_str("plugins:\n");
        }
        let limits = if self.timeless { "limits: { crossing: 60s, setup: 60s }" } else { "" };
        for (name, file) in used {
            let component = file.map(|file| format!("component: {:?}, ", self.components.join(file)));
            writeln!(text, "  {name}: {{ {}{limits} }}", component.unwrap_or_default())?;
        }
        let sink = self.sink();
        text.push_str("sources:\n");
        let with_chain = self.listen.iter().map(|listen| (listen, self.chain));
        for (at, (listen, chain)) in with_chain.chain(self.idle.iter().map(|listen| (listen, EMPTY))).enumerate() {
            write!(text, "  - Valkey:\n      name: bench-{at}\n      listen_addr: \"{listen}\"\n      chain:\n")?;
            for link in chain.iter().copied().chain([&*sink]) {
                writeln!(text, "        - {link}")?;
            }
        }
        Ok(text)
    }

    fn sink(&self) -> String {
        let servers: Vec<_> = self.servers.iter().map(|server| format!("\"{server}\"")).collect();
        let servers = servers.join(", ");
        let timeless = |settings| if self.timeless { settings } else { "" };
        match self.behind {
            Behind::Server => {
                let settings = timeless(", connect_timeout: 60s, health_interval: 1h");
                format!("ValkeySinkSingle: {{ remote_address: {servers}{settings} }}")
            }
            Behind::Cluster if self.timeless => format!(
                "ValkeySinkCluster: {{ first_contact_points: [{servers}], connect_timeout: 60s, health_interval: 1h, \
                 refresh_interval: 1h }}"
            ),
            Behind::Cluster => {
                format!("ValkeySinkCluster: {{ first_contact_points: [{servers}], connect_timeout_ms: 3000 }}")
            }
        }
    }
}
