//! `clock`: the time.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::clock;
use super::interface::Interface;
use crate::plugin::grants::Grant;
use crate::plugin::versions::V0_1;

pub(super) const INTERFACE: Interface =
    Interface { name: "clock", grant: Some(Grant::Clock), functions: &[("unix-ms", V0_1), ("monotonic-ns", V0_1)] };

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(to: &mut LinkerInstance<'_, T>, of: fn(&mut T) -> &mut Clock) -> wasmtime::Result<()> {
    clock::add_to_linker_instance::<_, HasSelf<Clock>>(to, of)
}

pub(super) struct Clock;

impl clock::Host for Clock {
    fn unix_ms(&mut self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ns(&mut self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
