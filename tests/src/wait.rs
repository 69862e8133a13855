//! Waiting for a condition, which is never sleeping for as long as it usually takes.

use std::time::{Duration, Instant};

/// How long a condition may take that should hold within milliseconds: generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(20);

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until `probe` gives a value, and returns it.
///
/// # Panics
///
/// If that takes longer than `limit`; the message says `what` was waited for.
#[track_caller]
pub fn wait_until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} in vain until {what}");
        std::thread::sleep(PAUSE);
    }
}
