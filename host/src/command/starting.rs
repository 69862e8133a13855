//! What an instance takes that is started.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use sluice::plugin::{NoSessions, Transform};

/// The cost of an instance.
pub(super) struct Starting {
    /// The median time to instantiate and configure one.
    pub(super) time: Duration,
    /// Bytes of all its memories and tables, once it is configured.
    pub(super) memory: usize,
}

impl Starting {
    /// How many instances are started.
    pub(super) const COUNT: usize = 21;

    /// Measure it.
    pub(super) fn of(transform: &Arc<Transform>) -> anyhow::Result<Self> {
        let mut times = Vec::with_capacity(Self::COUNT);
        let mut memory = 0;
        for _ in 0..Self::COUNT {
            let mut instance = transform.instantiate(Rc::new(NoSessions));
            let begun = Instant::now();
            instance.prepare().map_err(|fault| anyhow!("the component {fault}"))?;
            times.push(begun.elapsed());
            memory = instance.memory().unwrap_or_default();
        }
        times.sort();
        Ok(Self { time: times[Self::COUNT / 2], memory })
    }
}
