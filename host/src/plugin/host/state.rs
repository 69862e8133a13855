//! `state`: the map that all instances of a transform share.

use std::sync::Arc;

use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::state::{self, Refusal};
use super::interface::Interface;
use crate::plugin::grants::Grant;
use crate::plugin::state as map;
use crate::plugin::state::StateMap;
use crate::plugin::versions::V0_1;

pub(super) const INTERFACE: Interface = Interface {
    name: "state",
    grant: Some(Grant::State),
    functions: &[
        ("get", V0_1),
        ("expires-in", V0_1),
        ("set", V0_1),
        ("delete", V0_1),
        ("compare-and-swap", V0_1),
        ("increment", V0_1),
        ("keys", V0_1),
    ],
};

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(to: &mut LinkerInstance<'_, T>, of: fn(&mut T) -> &mut State) -> wasmtime::Result<()> {
    state::add_to_linker_instance::<_, HasSelf<State>>(to, of)
}

pub(super) struct State {
    map: Arc<StateMap>,
}

impl State {
    pub(super) fn new(map: Arc<StateMap>) -> Self {
        Self { map }
    }
}

impl From<map::Refusal> for Refusal {
    fn from(refusal: map::Refusal) -> Self {
        match refusal {
            map::Refusal::Full => Self::Full,
            map::Refusal::NotANumber => Self::NotANumber,
        }
    }
}

impl state::Host for State {
    fn get(&mut self, key: Vec<u8>) -> Option<Vec<u8>> {
        self.map.get(&key)
    }

    fn expires_in(&mut self, key: Vec<u8>) -> Option<u64> {
        self.map.expires_in(&key)
    }

    fn set(&mut self, key: Vec<u8>, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<(), Refusal> {
        Ok(self.map.set(&key, value, ttl_ms)?)
    }

    fn delete(&mut self, key: Vec<u8>) -> bool {
        self.map.delete(&key)
    }

    fn compare_and_swap(
        &mut self,
        key: Vec<u8>,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        ttl_ms: Option<u64>,
    ) -> Result<bool, Refusal> {
        Ok(self.map.compare_and_swap(&key, expected.as_deref(), value, ttl_ms)?)
    }

    fn increment(&mut self, key: Vec<u8>, by: i64, ttl_ms: Option<u64>) -> Result<i64, Refusal> {
        Ok(self.map.increment(&key, by, ttl_ms)?)
    }

    fn keys(&mut self, prefix: Vec<u8>, after: Option<Vec<u8>>, limit: u32) -> Vec<Vec<u8>> {
        self.map.keys(&prefix, after.as_deref(), limit)
    }
}
