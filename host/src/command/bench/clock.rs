//! Times a crossing on a machine that does other things too.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use sluice::plugin::Fault;

/// How long a sample takes: long enough for the clock, short enough to fall between two
/// interruptions.
const SAMPLE: Duration = Duration::from_millis(2);

/// How long all samples of a size take.
const ALL: Duration = Duration::from_millis(150);

/// The fewest samples, however long each takes.
const FEWEST: usize = 3;

/// Nanoseconds of a crossing, in the fastest of many samples: what disturbs a sample only makes it
/// slower.
pub(super) fn fastest(mut cross: impl FnMut() -> Result<(), Fault>) -> anyhow::Result<f64> {
    let mut times = |count: u32| -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for _ in 0..count {
            cross().map_err(|fault| anyhow!("the component {fault}"))?;
        }
        Ok(begun.elapsed())
    };
    // The first ones make the instance, and fill caches.
    times(2)?;
    let mut count = 1;
    while times(count)? < SAMPLE && count < 1 << 20 {
        count *= 2;
    }
    let begun = Instant::now();
    let mut best = Duration::MAX;
    for sample in 0.. {
        if sample >= FEWEST && begun.elapsed() > ALL {
            break;
        }
        best = best.min(times(count)?);
    }
    Ok(best.as_secs_f64() * 1e9 / f64::from(count))
}
