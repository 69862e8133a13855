//! Randomness that cannot be guessed. Needs the grant `random`.

use crate::host;

/// 64 random bits.
#[must_use]
pub fn bits() -> u64 {
    host::random::bits()
}

/// Random bytes; at most 64 KiB.
#[must_use]
pub fn bytes(count: u32) -> Vec<u8> {
    host::random::bytes(count)
}
