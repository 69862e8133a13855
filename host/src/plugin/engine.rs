//! How wasmtime is set up: every option in one place, each with its reason.

use std::num::NonZeroUsize;

use wasmtime::{Config, Engine, OptLevel};

/// The least and the most stack, in bytes, that wasm code may be given. A worker's thread has 2
/// MiB, of which the host keeps half for itself.
pub(super) const STACK: std::ops::RangeInclusive<usize> = 64 << 10..=1 << 20;

/// Frames of a backtrace: enough to see where a trap came from, few enough to be cheap when a stack
/// overflowed.
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);

/// An engine whose wasm code may use so many bytes of stack. wasmtime knows stacks per engine only.
///
/// Instances are allocated on demand, not from a pool: a pool must fix the size of the largest
/// memory and table beforehand, which either refuses the components of garbage-collected languages
/// or reserves for every plugin what only those need. An instance is made once per worker and place
/// in a chain, and again after a fault, so what a pool saves (some 10 µs) is never on the way of a
/// healthy request; crossings cost the same.
pub(super) fn new(stack: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        // Time: every loop and call asks whether the epoch has reached the deadline.
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES))
        // Crossings are plain calls: no component-model tasks, hence no bookkeeping for them.
        .concurrency_support(false)
        // What no transform needs is not there to be attacked. (The cargo features stay on.)
        .gc_support(false)
        .wasm_threads(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false);
    Engine::new(&config)
}
