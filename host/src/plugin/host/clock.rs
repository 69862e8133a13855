//! `clock`: the time.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::HasSelf;

use super::interfaces::clock;
use super::{Capability, Grant};
use crate::plugin::versions::V0_1;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "clock",
    grant: Some(Grant::Clock),
    functions: &[("unix-ms", V0_1), ("monotonic-ns", V0_1)],
    link: |instance| clock::add_to_linker_instance::<_, HasSelf<Clock>>(instance, |data| &mut data.capabilities.clock),
};

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
