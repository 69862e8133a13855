//! From a declaration to a plugin that can be configured: read, check, compile.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::InstancePre;

use super::cache::hex;
use super::contract::Contract;
use super::contract_error::ContractError;
use super::engine;
use super::file_kind;
use super::host::{self, Data, Shared};
use super::imports;
use super::lanes;
use super::names::Names;
use super::runtime::Runtime;
use super::shape::{Lane, Phases, Shape};
use super::spec::{Component, Spec};
use super::ticker::Pulse;
use super::versions::ContractVersion;

/// A plugin that could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}`: {problem}")]
pub struct LoadError {
    /// The name by which it was declared.
    pub plugin: String,
    /// What is wrong.
    pub problem: LoadProblem,
}

/// What is wrong with a plugin. Each is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    /// The file cannot be read.
    #[error("cannot read the component {component}: {error}")]
    Read {
        /// The file.
        component: String,
        /// Why not.
        error: std::io::Error,
    },
    /// This binary was built without its standard plugins.
    #[error("it is not in this binary; `cargo xtask build` builds the standard plugins and then the binary with them")]
    NotBuilt,
    /// The component is not the one that the pin names.
    #[error("the component {component} has the SHA-256 {found}, but the topology pins {expected}")]
    Pin {
        /// The file.
        component: String,
        /// The digest of what was found.
        found: String,
        /// The digest that was declared.
        expected: String,
    },
    /// The file is not a component at all.
    #[error("{component} {problem}")]
    NotAComponent {
        /// The file.
        component: String,
        /// What it is instead.
        problem: &'static str,
    },
    /// The file is too large to be a component.
    #[error(
        "the component {component} has {found} bytes; at most {LARGEST} are read. Build it without debug information, or \
         strip it (`wasm-tools strip`)"
    )]
    TooLarge {
        /// The file.
        component: String,
        /// How many bytes it has.
        found: u64,
    },
    /// The file is a component, but a broken one, or one that needs features that the sandbox does
    /// not offer.
    #[error(
        "{component} is not a valid component: {reason}. It is damaged, or was built with a feature of WebAssembly that the \
         sandbox does not offer (threads, garbage collection, exceptions, tail calls, 64-bit memories): build it again, without"
    )]
    Invalid {
        /// The file.
        component: String,
        /// The compiler's reason.
        reason: String,
    },
    /// It is a component, but does not keep the contract.
    #[error("the component {component} {error}")]
    Contract {
        /// The file.
        component: String,
        /// How it breaks the contract.
        error: Box<ContractError>,
    },
    /// A limit is out of its range.
    #[error("the limit `{limit}` is {found}; {expected}")]
    Limit {
        /// The limit's name in the topology.
        limit: &'static str,
        /// What was declared, in bytes.
        found: usize,
        /// What would be possible.
        expected: String,
    },
    /// The engine could not be set up on this machine.
    #[error("cannot set up the sandbox: {0}")]
    Engine(String),
}

/// A plugin: compiled, checked against its grants, ready to be configured for a place in a chain.
#[derive(Clone)]
pub struct Plugin {
    pub(super) spec: Spec,
    pub(super) sha256: [u8; 32],
    pub(super) engine: Engine,
    pub(super) pulse: Pulse,
    pub(super) pre: InstancePre<Data>,
    pub(super) contract: Contract,
    pub(super) shared: Arc<Shared>,
}

impl Runtime {
    /// Reads, checks and compiles a plugin. Compiling takes from 20 ms (Rust) to some seconds
    /// (Python); finding it in the compile cache less than one.
    ///
    /// # Errors
    ///
    /// One sentence that names the plugin and what is wrong: see [`LoadError`].
    pub fn load(&self, spec: &Spec) -> Result<Arc<Plugin>, LoadError> {
        let loaded = load(self, spec).map_err(|problem| LoadError { plugin: spec.name.clone(), problem });
        loaded.map(Arc::new)
    }

    /// Keeps the compiled form of this plugin's component no longer: it will hardly be loaded
    /// again.
    pub fn forget(&self, plugin: &Plugin) {
        self.forget_compiled(&plugin.engine, plugin.sha256());
    }
}

impl Plugin {
    /// The same plugin as if it had just been loaded: its instances have written no log lines and
    /// have no metrics yet.
    pub fn afresh(&self) -> Arc<Self> {
        let shared = Arc::new(Shared::new(&self.spec, Arc::default()));
        Arc::new(Self { shared, ..self.clone() })
    }

    /// What it was loaded from.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The SHA-256 of its component.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The version of the contract that it was made for.
    pub fn contract(&self) -> ContractVersion {
        self.contract.shape.version
    }

    /// The first 12 hexadecimal digits of that, for logs and metrics.
    pub fn short_sha256(&self) -> String {
        let mut digits = hex(&self.sha256);
        digits.truncate(12);
        digits
    }

    /// The form in which batches cross into it.
    pub fn lane(&self) -> Lane {
        self.contract.shape.lane
    }

    /// The full names of the interfaces that it imports, such as `sluice:transform/clock@0.2.0`, in
    /// the component's order.
    pub fn imports(&self) -> Vec<String> {
        let ty = self.pre.component().component_type();
        ty.imports(&self.engine).map(|(name, _)| name.to_owned()).collect()
    }

    /// The handlers that it has.
    pub fn phases(&self) -> Phases {
        self.contract.shape.phases
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("spec", &self.spec)
            .field("sha256", &hex(&self.sha256))
            .field("lane", &self.contract.shape.lane)
            .field("phases", &self.contract.shape.phases)
            .finish_non_exhaustive()
    }
}

fn load(runtime: &Runtime, spec: &Spec) -> Result<Plugin, LoadProblem> {
    check_limits(spec)?;
    let origin = match &spec.component {
        Component::Path(path) => path.display().to_string(),
        Component::Standard { name, .. } => format!("of the standard plugin {name}"),
    };
    let read;
    let bytes = match &spec.component {
        Component::Path(path) => {
            read = read_file(path, &origin)?;
            read.as_slice()
        }
        Component::Standard { bytes: [], .. } => return Err(LoadProblem::NotBuilt),
        Component::Standard { bytes, .. } => bytes,
    };
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    if let Some(expected) = spec.sha256
        && expected != sha256
    {
        return Err(LoadProblem::Pin { component: origin, found: hex(&sha256), expected: hex(&expected) });
    }
    if let Some(problem) = file_kind::other_than_a_component(bytes) {
        return Err(LoadProblem::NotAComponent { component: origin, problem });
    }
    let engine =
        runtime.engine(spec.limits.stack).map_err(|error| LoadProblem::Engine(error.root_cause().to_string()))?;
    let invalid = |error: wasmtime::Error| LoadProblem::Invalid {
        component: origin.clone(),
        reason: error.root_cause().to_string(),
    };
    let broken = |error| LoadProblem::Contract { component: origin.clone(), error: Box::new(error) };
    // What can be told from names is told first.
    let names = Names::of(bytes).map_err(|reason| LoadProblem::Invalid { component: origin.clone(), reason })?;
    let shape = Shape::of(&names).map_err(broken)?;
    imports::check_grants(&names, spec.grants, spec.wasi).map_err(broken)?;
    let component = runtime.compile(&engine, bytes).map_err(invalid)?;
    let contract = lanes::contract(&component, &engine, shape).map_err(broken)?;
    imports::check(&component, &engine).map_err(broken)?;
    let linked = host::linker(&engine, &component, spec).and_then(|linker| linker.instantiate_pre(&component));
    let pre = linked.map_err(|error| match imports::other_type(&component, &engine, &error) {
        Some(other) => broken(other),
        None => LoadProblem::Invalid { component: origin.clone(), reason: format!("{error:#}") },
    })?;
    Ok(Plugin {
        spec: spec.clone(),
        sha256,
        engine,
        pulse: runtime.pulse(),
        pre,
        contract,
        shared: Arc::new(Shared::new(spec, runtime.kinds())),
    })
}

/// The most bytes that a component may have. Those that bring an interpreter along have some 20 MB.
const LARGEST: u64 = 256 << 20;

fn read_file(path: &Path, origin: &str) -> Result<Vec<u8>, LoadProblem> {
    let component = || origin.to_owned();
    let unreadable = |error| LoadProblem::Read { component: component(), error };
    // Before it is opened: opening a pipe waits for whoever is to write into it.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(LoadProblem::NotAComponent { component: component(), problem: "is not a regular file" });
    }
    let file = File::open(path).map_err(unreadable)?;
    let found = metadata.len();
    if found > LARGEST {
        return Err(LoadProblem::TooLarge { component: component(), found });
    }
    let mut bytes = Vec::new();
    // No more than that, even if it grows, or is not a file that has a length.
    file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn check_limits(spec: &Spec) -> Result<(), LoadProblem> {
    if !engine::STACK.contains(&spec.limits.stack) {
        return Err(LoadProblem::Limit {
            limit: "stack",
            found: spec.limits.stack,
            expected: format!("{} to {} bytes are possible", engine::STACK.start(), engine::STACK.end()),
        });
    }
    Ok(())
}
