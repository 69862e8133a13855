//! The sandbox: everything that touches wasmtime lives in this room, and the rest of the host sees a narrow door.
//!
//! ```text
//! Spec ──Runtime::load──► Plugin ──configure──► Transform ──instantiate──► Instance ──requests/responses──► Verdicts/Changes
//! what the operator       compiled, checked      one place    one per         one store;                     checked answers
//! declared                against its grants     in a chain   worker          a crossing per call
//! ```
//!
//! A plugin is hostile until proven otherwise. Its imports are checked against its grants by name before
//! anything is compiled, its memory, time, stack and output are bounded, and nothing that it returns
//! leaves this room before it has been checked against the batch that it answers. A fault costs the
//! store, never the worker: the next crossing begins with a new one. What keeps faulting is suspended:
//! the session that does it (`fault_ledger`), and the plugin only if it fails for many sessions.

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

pub use self::batch::{KEY, NOT_SHOWN, RequestBatch, ResponseBatch, UNKNOWN_COMMAND};
pub use self::changes::Changes;
pub use self::contract_error::{ContractError, Needs, UnknownImport};
pub use self::fault::Fault;
pub use self::grants::{Grant, Grants, UnknownGrant};
pub use self::host::log::TARGET as LOG_TARGET;
pub use self::host::sessions::{NoSessions, SessionDirectory, SessionInfo};
pub use self::instance::{Instance, Phase, Suspended};
pub use self::interest::{CommandSet, Interest, View};
pub use self::load::{LoadError, LoadProblem, Plugin};
pub use self::runtime::{Runtime, RuntimeError, RuntimeOptions};
pub use self::shape::{Lane, Phases};
pub use self::site::Site;
pub use self::spec::{Component, Limits, OnFault, Spec, Wasi};
pub use self::start::Description;
pub use self::transform::{ConfigureError, Transform};
pub use self::verdicts::{Action, Argument, Arguments, Requests, Verdict, Verdicts};
pub use self::versions::ContractVersion;
