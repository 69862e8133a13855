//! What goes with a wasmtime store: its bounds, and what the host functions need to know of it.

use std::time::Duration;

use cpu_time::ThreadTime;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};

use super::spec::Limits;
use super::ticker::Pulse;

/// Core instances, memories and tables that one component may have. The largest toolchains make
/// some thirty.
const INSTANCES: usize = 200;
const MEMORIES: usize = 50;
const TABLES: usize = 50;

/// Live component-model handles: transforms have no resources; a WASI stub has a handful.
const HANDLES: usize = 1000;

/// The data of a store: what bounds it, and the `capabilities` that host functions work on.
pub(super) struct Data<C> {
    pub(super) memory: Memory,
    pub(super) deadline: Deadline,
    pub(super) capabilities: C,
    pulse: Pulse,
}

/// A store with every bound in force.
pub(super) fn new<C: 'static>(engine: &Engine, pulse: Pulse, limits: &Limits, capabilities: C) -> Store<Data<C>> {
    let data = Data { memory: Memory::new(limits.memory), deadline: Deadline::default(), capabilities, pulse };
    let mut store = Store::new(engine, data);
    store.limiter(|data| &mut data.memory);
    store.set_hostcall_fuel(limits.output);
    store.set_max_component_handles(HANDLES);
    store.epoch_deadline_callback(|mut context| {
        let data = context.data_mut();
        data.pulse.beat();
        Ok(data.deadline.tick())
    });
    store
}

/// Gives the wasm code that is called next so much time.
#[inline]
pub(super) fn arm<C>(store: &mut Store<Data<C>>, budget: Duration) {
    let data = store.data_mut();
    data.pulse.beat();
    data.deadline = Deadline { budget, since: None };
    data.memory.refused = false;
    store.set_epoch_deadline(1);
}

/// The processor time that a call may use.
///
/// Reading the thread's clock is a system call, too dear for each crossing. So it is first read
/// when a call is still running at the next tick, and from then on at each tick. Counting processor
/// time rather than time means that a plugin does not fault because the machine is busy with
/// something else.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    budget: Duration,
    since: Option<ThreadTime>,
}

impl Deadline {
    fn tick(&mut self) -> UpdateDeadline {
        let since = self.since.get_or_insert_with(ThreadTime::now);
        if since.elapsed() < self.budget { UpdateDeadline::Continue(1) } else { UpdateDeadline::Interrupt }
    }

    /// The budget of the call.
    pub(super) fn budget(&self) -> Duration {
        self.budget
    }
}

/// Sums the bytes of all memories and tables.
#[derive(Debug)]
pub(super) struct Memory {
    limit: usize,
    used: usize,
    /// What was added last, to be taken back if the growth fails after all.
    last: usize,
    /// Whether growth was refused since the call began.
    pub(super) refused: bool,
}

impl Memory {
    fn new(limit: usize) -> Self {
        Self { limit, used: 0, last: 0, refused: false }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes of all memories and tables.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize, size: usize) -> bool {
        let more = desired.saturating_sub(current).saturating_mul(size);
        let used = self.used.saturating_add(more);
        if used > self.limit {
            self.refused = true;
            return false;
        }
        self.used = used;
        self.last = more;
        true
    }

    fn take_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 1))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, size_of::<usize>()))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }

    fn tables(&self) -> usize {
        TABLES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut memory = Memory::new(1 << 20);
        assert!(memory.memory_growing(0, 512 << 10, None).unwrap());
        assert!(memory.table_growing(0, 32 << 10, None).unwrap());
        assert!(!memory.refused);
        assert!(!memory.memory_growing(0, 512 << 10, None).unwrap());
        assert!(memory.refused);
        assert!(memory.memory_growing(512 << 10, 768 << 10, None).unwrap());
    }

    #[test]
    fn growth_that_fails_is_not_counted() {
        let mut memory = Memory::new(100);
        for _ in 0..10 {
            assert!(memory.memory_growing(0, 60, None).unwrap());
            memory.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        }
        // Told twice, it gives back once.
        memory.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(memory.memory_growing(0, 100, None).unwrap());
        assert!(!memory.memory_growing(0, 1, None).unwrap());
    }
}
