//! The two lanes: how a batch crosses into a component and its answer comes back in the one form that the host uses.

pub(super) mod columns;
pub(super) mod lifecycle;
mod nodes;
pub(super) mod rows;

use wasmtime::Store;
use wasmtime::component::{Instance, TypedFunc};

use super::batch::{RequestBatch, ResponseBatch};
use super::changes::Changes;
use super::contract::{Contract, Lane};
use super::host::Data;
use super::verdicts::Verdicts;

/// The protocol (2 or 3) that a session speaks.
pub(super) type Protocol<'a> = &'a dyn Fn(u64) -> u8;

/// The functions of an instance that batches cross into.
pub(super) enum Handlers {
    Columns(columns::Handlers),
    Rows(rows::Handlers),
}

/// Why a crossing gave no answer.
pub(super) enum Failure {
    /// The call failed.
    Call(wasmtime::Error),
    /// What it returned cannot be put into the host's form.
    Answer(String),
    /// The batch would need more memory than the instance may have.
    TooLarge,
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Failure {
        Failure::Call(error)
    }
}

impl Handlers {
    /// Find them in an instance.
    pub(super) fn of(instance: &Instance, store: &mut Store<Data>, contract: &Contract) -> wasmtime::Result<Handlers> {
        Ok(match contract.shape.lane {
            Lane::Columns => Handlers::Columns(columns::Handlers::of(instance, store, contract)?),
            Lane::Rows => Handlers::Rows(rows::Handlers::of(instance, store, contract)?),
        })
    }

    /// Let a batch of requests cross. The verdicts are as the component gave them: unchecked.
    pub(super) fn requests(
        &self,
        store: &mut Store<Data>,
        batch: &RequestBatch<'_>,
        verdicts: &mut Verdicts,
        protocol: Protocol<'_>,
    ) -> Result<(), Failure> {
        match self {
            Handlers::Columns(handlers) => handlers.requests(store, batch, verdicts),
            Handlers::Rows(handlers) => handlers.requests(store, batch, verdicts, protocol),
        }
    }

    /// Let a batch of responses cross. The changes are as the component gave them: unchecked.
    pub(super) fn responses(
        &self,
        store: &mut Store<Data>,
        batch: &ResponseBatch<'_>,
        changes: &mut Changes,
        protocol: Protocol<'_>,
    ) -> Result<(), Failure> {
        match self {
            Handlers::Columns(handlers) => handlers.responses(store, batch, changes),
            Handlers::Rows(handlers) => handlers.responses(store, batch, changes, protocol),
        }
    }
}

/// A function of an instance by the place that loading found for it.
fn typed<Params, Return>(
    instance: &Instance,
    store: &mut Store<Data>,
    index: &wasmtime::component::ComponentExportIndex,
) -> wasmtime::Result<TypedFunc<Params, Return>>
where
    Params: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    Return: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    instance.get_typed_func(store, index)
}
