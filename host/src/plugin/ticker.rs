//! The one thread that makes time pass for wasm code: it advances the epoch of every engine once in
//! a tick.
//!
//! It sleeps for as long as no crossing happens, so an idle process is not woken a thousand times a
//! second. A crossing calls [`Pulse::beat`], which in the usual case is one relaxed load of a flag
//! that is set; while a crossing runs for longer than a tick, its deadline beats as well.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How long an epoch lasts: the precision of every deadline. A thousand wake-ups a second cost
/// about a third of a percent of a processor; a shorter tick would be below what the scheduler
/// keeps to.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a crossing after which the ticker goes to sleep.
const QUIET: u32 = 100;

/// How long it sleeps at most: should a wake-up ever be missed, a deadline is late by this, not
/// forever.
const NAP: Duration = Duration::from_millis(500);

/// The thread, and the engines that it serves.
#[derive(Debug)]
pub(super) struct Ticker {
    pulse: Pulse,
}

/// Tells the ticker that wasm code is running. The thread lives for as long as anybody has one of
/// these, so whoever can run wasm code can rely on its deadlines.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Running>);

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    /// A crossing happened since the last tick.
    active: AtomicBool,
    asleep: AtomicBool,
    stopped: AtomicBool,
    engines: Mutex<Vec<Weak>>,
}

struct Weak(EngineWeak);

impl std::fmt::Debug for Weak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Ticker {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("epoch-ticker".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run()
        })?;
        Ok(Self { pulse: Pulse(Arc::new(Running { shared, thread: thread.thread().clone() })) })
    }

    /// Advances this engine's epoch too, for as long as it lives.
    pub(super) fn add(&self, engine: &Engine) {
        self.pulse.0.shared.engines().push(Weak(engine.weak()));
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Pulse {
    /// Wasm code begins to run, or still runs.
    #[inline]
    pub(super) fn beat(&self) {
        let Running { shared, thread } = &*self.0;
        if !shared.active.load(Ordering::Relaxed) {
            shared.active.store(true, Ordering::SeqCst);
            if shared.asleep.load(Ordering::SeqCst) {
                thread.unpark();
            }
        }
    }
}

impl Shared {
    fn engines(&self) -> std::sync::MutexGuard<'_, Vec<Weak>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut quiet = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            if quiet < QUIET {
                thread::sleep(TICK);
            } else {
                self.asleep.store(true, Ordering::SeqCst);
                if !self.active.load(Ordering::SeqCst) {
                    thread::park_timeout(NAP);
                }
                self.asleep.store(false, Ordering::SeqCst);
            }
            self.engines().retain(|engine| {
                let engine = engine.0.upgrade();
                engine.inspect(Engine::increment_epoch).is_some()
            });
            let active = self.active.swap(false, Ordering::SeqCst);
            quiet = if active { 0 } else { quiet + 1 };
        }
    }
}

#[cfg(test)]
#[path = "ticker_test.rs"]
mod tests;
