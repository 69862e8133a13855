//! `lifecycle`: the part of the contract that both lanes share.

use wasmtime::component::{ComponentType, Lift};

/// `lifecycle.describe`
pub(in super::super) type Described = (RawDescription,);

/// `lifecycle.configure`
pub(in super::super) type Config<'a> = (&'a str,);
pub(in super::super) type Configured = (Result<RawInterest, String>,);

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in super::super) struct RawDescription {
    pub(in super::super) name: String,
    pub(in super::super) version: String,
    pub(in super::super) summary: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in super::super) struct RawInterest {
    pub(in super::super) commands: Option<Vec<String>>,
    pub(in super::super) view: RawView,
    pub(in super::super) whole: Vec<String>,
    #[component(name = "key-positions")]
    pub(in super::super) key_positions: bool,
}

#[derive(Clone, ComponentType, Copy, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "the component makes these, through the derived `Lift`")]
pub(in super::super) enum RawView {
    #[component(name = "command")]
    Command,
    #[component(name = "keys")]
    Keys,
    #[component(name = "all")]
    All,
}
