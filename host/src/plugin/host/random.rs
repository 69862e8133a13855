//! `random`: randomness that cannot be guessed.

use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::random;
use super::interface::Interface;
use crate::plugin::grants::Grant;
use crate::plugin::versions::V0_1;

pub(super) const INTERFACE: Interface =
    Interface { name: "random", grant: Some(Grant::Random), functions: &[("bits", V0_1), ("bytes", V0_1)] };

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(to: &mut LinkerInstance<'_, T>, of: fn(&mut T) -> &mut Random) -> wasmtime::Result<()> {
    random::add_to_linker_instance::<_, HasSelf<Random>>(to, of)
}

/// The most bytes that one call gives.
const MOST: u32 = 64 << 10;

/// Without the system's randomness a call traps: a guessable answer would be worse than none.
pub(super) struct Random;

impl random::Host for Random {
    fn bits(&mut self) -> wasmtime::Result<u64> {
        Ok(getrandom::u64()?)
    }

    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(MOST) as usize];
        getrandom::fill(&mut bytes)?;
        Ok(bytes)
    }
}
