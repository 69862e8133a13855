//! The sandbox: everything that touches wasmtime lives in this room, and the rest of the host sees
//! a narrow door.
//!
//! ```text
//! Spec ──Runtime::load──► Plugin ──configure──► Transform ──instantiate──► Instance ──requests/responses──► Verdicts/Changes
//! what the operator       compiled, checked      one place    one per         one store;                     checked answers
//! declared                against its grants     in a chain   worker          a crossing per call
//! ```
//!
//! A plugin is hostile until proven otherwise. Its imports are checked against its grants by name
//! before anything is compiled, its memory, time, stack and output are bounded, and nothing that it
//! returns leaves this room before it has been checked against the batch that it answers. A fault
//! costs the store, never the worker: the next crossing begins with a new one. What keeps faulting
//! is suspended: the session that does it (`fault_ledger`), and the plugin only if it fails for
//! many sessions.

mod batch;
mod breaker;
mod cache;
mod changes;
mod contract;
mod contract_error;
mod engine;
mod failure;
mod fault;
mod fault_ledger;
mod file_kind;
mod grants;
mod host;
mod imports;
mod instance;
mod interest;
mod lanes;
mod load;
mod meter;
mod names;
mod one_line;
mod runtime;
mod shape;
mod site;
mod spec;
pub mod standard;
mod start;
mod state;
mod store;
mod ticker;
mod transform;
mod validate;
mod verdicts;
mod versions;

#[cfg(test)]
pub(crate) mod tests;

pub use batch::{KEY, NOT_SHOWN, RequestBatch, ResponseBatch, UNKNOWN_COMMAND};
pub use changes::Changes;
pub use contract_error::{ContractError, Needs, UnknownImport};
pub use fault::Fault;
pub use grants::{Grant, Grants, UnknownGrant};
pub use host::log::TARGET as LOG_TARGET;
pub use host::sessions::{NoSessions, SessionDirectory, SessionInfo};
pub use instance::{Instance, Phase, Suspended};
pub use interest::{CommandSet, Interest, View};
pub use load::{LoadError, LoadProblem, Plugin};
pub use runtime::{Runtime, RuntimeError, RuntimeOptions};
pub use shape::{Lane, Phases};
pub use site::Site;
pub use spec::{Component, Limits, OnFault, Spec, Wasi};
pub use start::Description;
pub use transform::{ConfigureError, Transform};
pub use verdicts::{Action, Argument, Arguments, Requests, Verdict, Verdicts};
pub use versions::ContractVersion;
