//! The two lanes: how a batch crosses into a component and its answer comes back in the one form
//! that the host uses.

mod columns;
pub(super) mod lifecycle;
mod nodes;
mod rows;

use wasmtime::component::{Component, Instance};
use wasmtime::{Engine, Store};

use super::batch::{RequestBatch, ResponseBatch};
use super::changes::Changes;
use super::contract::{Contract, Exports};
use super::contract_error::ContractError;
use super::failure::Failure;
use super::host::Data;
use super::shape::{Lane, Shape};
use super::verdicts::Verdicts;

/// Finds the functions of a component of this shape.
pub(super) fn contract(component: &Component, engine: &Engine, shape: Shape) -> Result<Contract, ContractError> {
    let exports = Exports::of(component, engine);
    let describe = exports.function::<(), lifecycle::Described>("lifecycle", "describe")?;
    let configure = exports.function::<lifecycle::Config<'static>, lifecycle::Configured>("lifecycle", "configure")?;
    let [requests, responses] = match shape.lane {
        Lane::Columns => columns::exported(&exports)?,
        Lane::Rows => rows::exported(&exports)?,
    };
    // Its shape says that they are there.
    let (Some(describe), Some(configure), Some(requests)) = (describe, configure, requests) else {
        return Err(ContractError::NoHandler { version: shape.version });
    };
    Ok(Contract { shape, describe, configure, requests, responses })
}

/// The functions of an instance that batches cross into.
pub(super) enum Handlers {
    Columns(columns::Handlers),
    Rows(rows::Handlers),
}

impl Handlers {
    /// Finds them in an instance.
    pub(super) fn of(instance: &Instance, store: &mut Store<Data>, contract: &Contract) -> wasmtime::Result<Self> {
        Ok(match contract.shape.lane {
            Lane::Columns => Self::Columns(columns::Handlers::of(instance, store, contract)?),
            Lane::Rows => Self::Rows(rows::Handlers::of(instance, store, contract)?),
        })
    }

    /// Lets a batch of requests cross. The verdicts are as the component gave them: unchecked.
    pub(super) fn requests(
        &self,
        store: &mut Store<Data>,
        batch: &RequestBatch<'_>,
        verdicts: &mut Verdicts,
        protocol: rows::Protocol<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Columns(handlers) => handlers.requests(store, batch, verdicts),
            Self::Rows(handlers) => handlers.requests(store, batch, verdicts, protocol),
        }
    }

    /// Lets a batch of responses cross. The changes are as the component gave them: unchecked.
    pub(super) fn responses(
        &self,
        store: &mut Store<Data>,
        batch: &ResponseBatch<'_>,
        changes: &mut Changes,
        protocol: rows::Protocol<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Columns(handlers) => handlers.responses(store, batch, changes),
            Self::Rows(handlers) => handlers.responses(store, batch, changes, protocol),
        }
    }
}
