//! The runtime: what the plugins of a process share.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::engine;
use super::host::metrics::Kinds;
use super::ticker::{Pulse, Ticker};

/// How a runtime is set up.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RuntimeOptions {
    /// Where compiled components are kept; `None` compiles each time. The directory is made if it
    /// does not exist, and must not be writable by others.
    pub cache_dir: Option<PathBuf>,
}

impl RuntimeOptions {
    /// Keeps compiled components in this directory.
    #[must_use]
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }
}

/// Why a runtime could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The compile cache's directory is of no use.
    #[error("the directory {} cannot keep compiled components: {error}", dir.display())]
    Cache {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        error: std::io::Error,
    },
    /// The thread that makes time pass could not be started.
    #[error("cannot start the thread that ends overlong crossings: {0}")]
    Ticker(std::io::Error),
}

/// What the plugins of a process share: the compiler, the compile cache and the clock. One per
/// process; clones are the same one.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Option<Cache>,
    ticker: Ticker,
    /// By bytes of stack.
    engines: Mutex<HashMap<usize, Engine>>,
    kinds: Arc<Kinds>,
}

impl Runtime {
    /// Sets up a runtime.
    ///
    /// # Errors
    ///
    /// See [`RuntimeError`].
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let cache = options
            .cache_dir
            .map(|dir| Cache::open(dir.clone()).map_err(|error| RuntimeError::Cache { dir, error }))
            .transpose()?;
        Ok(Self {
            shared: Arc::new(Shared {
                cache,
                ticker: Ticker::start().map_err(RuntimeError::Ticker)?,
                engines: Mutex::default(),
                kinds: Arc::default(),
            }),
        })
    }

    /// The engine whose wasm code may use so many bytes of stack.
    pub(super) fn engine(&self, stack: usize) -> wasmtime::Result<Engine> {
        let mut engines = self.shared.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&stack) {
            return Ok(engine.clone());
        }
        let engine = engine::new(stack)?;
        self.shared.ticker.add(&engine);
        engines.insert(stack, engine.clone());
        Ok(engine)
    }

    pub(super) fn compile(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        match &self.shared.cache {
            Some(cache) => cache.component(engine, bytes),
            None => Component::from_binary(engine, bytes),
        }
    }

    /// Keeps the compiled form of a component no longer.
    pub(super) fn forget_compiled(&self, engine: &Engine, sha256: &[u8; 32]) {
        if let Some(cache) = &self.shared.cache {
            cache.forget(engine, sha256);
        }
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.shared.ticker.pulse()
    }

    pub(super) fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.shared.kinds)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("cache", &self.shared.cache).finish_non_exhaustive()
    }
}
