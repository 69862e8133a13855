//! A map from bytes to bytes that all instances of a transform at its place in the chain share, on every worker. It lives as long as the
//! process, and its size is bounded. Needs the grant `state`.

use std::fmt;
use std::time::Duration;

use crate::host;

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would exceed the plugin's limit `state`. Nothing was changed.
    Full,
    /// The value to be incremented is not a decimal 64-bit integer, or would leave its range.
    NotANumber,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Full => "the limit `state` is reached",
            Refusal::NotANumber => "the value is not a decimal 64-bit integer, or would leave its range",
        })
    }
}

impl std::error::Error for Refusal {}

/// The outcome of a write.
pub type Result<T> = std::result::Result<T, Refusal>;

/// Whole milliseconds, rounded up, so that nothing that is to live dies at once.
fn millis(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// The value of a key.
#[must_use]
pub fn get(key: &[u8]) -> Option<Vec<u8>> {
    host::state::get(key)
}

/// When a key expires; `None` where there is no such key or it does not expire.
#[must_use]
pub fn expires_in(key: &[u8]) -> Option<Duration> {
    host::state::expires_in(key).map(Duration::from_millis)
}

/// Set a key, to expire after a time, or never.
///
/// # Errors
///
/// [`Refusal::Full`].
pub fn set(key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<()> {
    host::state::set(key, value, millis(ttl))
}

/// Remove a key; says whether it was there.
pub fn delete(key: &[u8]) -> bool {
    host::state::delete(key)
}

/// Set or remove (`value` is `None`) a key only if its value is still the expected one (`None`: only if there is no such key). Says whether
/// it did.
///
/// # Errors
///
/// [`Refusal::Full`].
pub fn compare_and_swap(
    key: &[u8],
    expected: Option<&[u8]>,
    value: Option<&[u8]>,
    ttl: Option<Duration>,
) -> Result<bool> {
    host::state::compare_and_swap(key, expected, value, millis(ttl))
}

/// Add to a number held as decimal text, and give the sum. A key that is not there counts as 0 and gets `ttl`; one that is there keeps its
/// expiry.
///
/// # Errors
///
/// See [`Refusal`].
pub fn increment(key: &[u8], by: i64, ttl: Option<Duration>) -> Result<i64> {
    host::state::increment(key, by, millis(ttl))
}

/// Up to `limit` (at most 1,000) keys that begin with `prefix` and sort after `after`, in byte order.
#[must_use]
pub fn keys(prefix: &[u8], after: Option<&[u8]>, limit: u32) -> Vec<Vec<u8>> {
    host::state::keys(prefix, after, limit)
}
