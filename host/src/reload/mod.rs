//! Components that change while they run: looked after, loaded, and put in the place of those that
//! run.
//!
//! A thread looks at the files several times a second. One that has changed is read, compiled and
//! configured for all of its places, as at the start and away from the workers; only when all of
//! that has succeeded do the workers swap their chains. What fails is reported and changes nothing.

mod file;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use metrics::{Counter, counter};
use sha2::{Digest, Sha256};

use crate::plugin::{Component, Runtime, Transform};
use crate::topology::Topology;
use crate::worker::{ChainPlan, Swapper};
use file::{Look, Watched};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Looks after the components of a running proxy, in a thread of its own. Dropping it ends that,
/// though perhaps not at once.
#[derive(Debug)]
pub struct Watcher {
    _end: Sender<()>,
}

impl Watcher {
    /// Looks after every component that stands in a file and in a chain. `chains` are those that
    /// the proxy was started with.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn start(topology: &Topology, runtime: Runtime, chains: Vec<ChainPlan>, swapper: Swapper) -> io::Result<Self> {
        let candidates = candidates(topology, &chains);
        let mut reload = Reload {
            file: Watched::known(&topology.file),
            text: fs::read(&topology.file).unwrap_or_default(),
            topology: topology.clone(),
            runtime,
            chains,
            swapper,
            candidates,
        };
        let (end, ended) = channel();
        std::thread::Builder::new().name("reload".to_owned()).spawn(move || reload.run(&ended))?;
        Ok(Self { _end: end })
    }
}

/// A plugin whose component may change.
struct Candidate {
    name: String,
    file: Watched,
    /// Of the component that runs.
    sha256: [u8; 32],
    /// Whether what is in the file is not what runs.
    failed: bool,
    /// Whether it has been reloaded.
    reloaded: bool,
    reloads: Counter,
    failures: Counter,
}

/// The plugins that run and whose components are files.
fn candidates(topology: &Topology, chains: &[ChainPlan]) -> Vec<Candidate> {
    let in_use = |name: &str| Some(transform_of(name, chains)?.plugin().sha256());
    let candidate = |plugin: &crate::topology::Plugin| {
        let name = plugin.spec.name.clone();
        let Component::Path(path) = &plugin.spec.component else { return None };
        Some(Candidate {
            // Since it was loaded it may have changed already.
            file: Watched::unknown(path),
            sha256: *in_use(&name)?,
            failed: false,
            reloaded: false,
            reloads: counter!("sluice_transform_reloads_total", "plugin" => name.clone()),
            failures: counter!("sluice_transform_reload_failures_total", "plugin" => name.clone()),
            name,
        })
    };
    topology.plugins.iter().filter_map(candidate).collect()
}

/// A transform of this plugin.
fn transform_of<'a>(name: &str, chains: &'a [ChainPlan]) -> Option<&'a Transform> {
    let link = chains.iter().flat_map(|chain| &chain.links).find(|link| &*link.name == name)?;
    Some(&link.transform)
}

struct Reload {
    topology: Topology,
    /// The topology's own file.
    file: Watched,
    /// What stands in it, as far as the operator has been told.
    text: Vec<u8>,
    runtime: Runtime,
    /// What runs.
    chains: Vec<ChainPlan>,
    swapper: Swapper,
    candidates: Vec<Candidate>,
}

impl Reload {
    fn run(&mut self, ended: &Receiver<()>) {
        for Candidate { name, file, .. } in &self.candidates {
            tracing::info!(plugin = name, component = %file.path().display(), "looking after the component");
        }
        if self.candidates.is_empty() {
            tracing::warn!("nothing to look after: no chain has a plugin whose component is a file");
        }
        while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        if self.file.look(now) == Look::Changed {
            self.look_at_topology();
        }
        for at in 0..self.candidates.len() {
            match self.candidates[at].file.look(now) {
                Look::Same => {}
                Look::Changed if is(self.candidates[at].file.path(), &self.candidates[at].sha256) => {
                    let candidate = &mut self.candidates[at];
                    if std::mem::take(&mut candidate.failed) {
                        tracing::info!(plugin = candidate.name, "the component is again the one that runs");
                    }
                }
                // It cannot be loaded when it is missing, and the error says so.
                Look::Changed | Look::Missing => self.reload(at),
            }
        }
    }

    fn look_at_topology(&mut self) {
        let path = self.file.path();
        if let Ok(text) = fs::read(path)
            && text != self.text
        {
            tracing::warn!(topology = %path.display(), "the topology has changed, which takes effect at the next start only");
            self.text = text;
        }
    }

    /// Puts the component that is in the file now in the place of the one that runs.
    fn reload(&mut self, at: usize) {
        let begun = Instant::now();
        let candidate = &mut self.candidates[at];
        let name = candidate.name.as_str();
        let (plugin, chains) = match self.topology.renew(&self.runtime, name, &self.chains) {
            Ok(renewed) => renewed,
            Err(error) => {
                candidate.failed = true;
                candidate.failures.increment(1);
                let error = error.to_string().replace('\n', "; ");
                return tracing::error!(
                    plugin = name,
                    "the component was not reloaded, and the one before it goes on: {error}"
                );
            }
        };
        if !self.swapper.swap(chains.clone()) {
            return tracing::debug!(plugin = name, "the component was not reloaded: the proxy is about to end");
        }
        if let (Some(was), Some(is)) = (transform_of(name, &self.chains), transform_of(name, &chains)) {
            let took_ms = begun.elapsed().as_millis();
            tracing::info!(plugin = name, was = %Version(was), is = %Version(is), took_ms, "the component was reloaded");
            // The one that the proxy was started with may be wanted again; those in between would
            // only fill the cache.
            if std::mem::replace(&mut candidate.reloaded, true) {
                self.runtime.forget(was.plugin());
            }
        }
        (candidate.sha256, candidate.failed) = (*plugin.sha256(), false);
        candidate.reloads.increment(1);
        for chain in chains {
            self.chains.iter_mut().filter(|old| old.source == chain.source).for_each(|old| old.clone_from(&chain));
        }
    }
}

/// Whether a file has this SHA-256.
fn is(path: &Path, sha256: &[u8; 32]) -> bool {
    fs::read(path).is_ok_and(|bytes| Sha256::digest(bytes)[..] == sha256[..])
}

/// Which component a transform is of: `1.2.0 (9f86d081884c)`.
struct Version<'a>(&'a Transform);

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.description().version, self.0.plugin().short_sha256())
    }
}
