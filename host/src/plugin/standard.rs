//! The standard plugins: components that ship within this binary, each with a declaration that fits
//! it.

use std::time::Duration;

use super::grants::{Grant, Grants};
use super::spec::{Component, Limits, OnFault, Spec, Wasi};

include!(concat!(env!("OUT_DIR"), "/standard_components.rs"));

/// A component within this binary.
#[derive(Debug)]
pub struct Standard {
    /// The plugin's name, such as `KeyPrefix`.
    pub name: &'static str,
    /// The component; empty in a binary that was built before its plugins were.
    pub bytes: &'static [u8],
    grants: &'static [Grant],
    /// In bytes.
    memory: usize,
    /// In bytes.
    state: usize,
    /// The time that one crossing may compute.
    crossing: Duration,
}

const fn standard(name: &'static str, bytes: &'static [u8]) -> Standard {
    Standard { name, bytes, grants: &[], memory: 16 << 20, state: 1 << 20, crossing: Duration::from_millis(5) }
}

static ALL: [Standard; 4] = [
    standard("KeyPrefix", KEY_PREFIX),
    standard("CommandFilter", COMMAND_FILTER),
    Standard { grants: &[Grant::Clock, Grant::Sessions], ..standard("RequestLogger", REQUEST_LOGGER) },
    Standard {
        grants: &[Grant::Clock, Grant::State, Grant::Random, Grant::Sessions],
        memory: 64 << 20,
        state: 256 << 20,
        // Some of what it answers takes as long as there are keys: KEYS, DBSIZE, FLUSHALL.
        crossing: Duration::from_secs(1),
        ..standard("MemoryStore", MEMORY_STORE)
    },
];

/// All of them.
pub fn all() -> &'static [Standard] {
    &ALL
}

/// The standard plugin with this name.
pub fn find(name: &str) -> Option<&'static Standard> {
    ALL.iter().find(|standard| standard.name == name)
}

impl Standard {
    /// Its declaration where the operator makes none.
    pub fn spec(&'static self) -> Spec {
        Spec {
            name: self.name.to_owned(),
            component: Component::Standard { name: self.name, bytes: self.bytes },
            sha256: None,
            grants: self.grants.iter().copied().collect::<Grants>(),
            limits: Limits { memory: self.memory, state: self.state, crossing: self.crossing, ..Limits::default() },
            on_fault: OnFault::default(),
            wasi: Wasi::None,
        }
    }
}
