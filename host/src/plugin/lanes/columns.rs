//! The columns lane: the hot path. A batch crosses as one copy per column; an empty answer costs no
//! allocation.
//!
//! The answer is lifted into vectors rather than read in place: wasmtime lets the component free
//! its answer before the call returns, so a view of its memory would show what its allocator left
//! there.

use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentType, Instance, Lift, TypedFunc};

use super::super::batch::{RequestBatch, ResponseBatch};
use super::super::changes::Changes;
use super::super::contract::{Contract, Exports};
use super::super::contract_error::ContractError;
use super::super::failure::Failure;
use super::super::host::Data;
use super::super::shape::Lane;
use super::super::verdicts::Verdicts;

/// `requests-columns.handle`
type RequestParams<'a> = (&'a [u64], &'a [u64], &'a [u16], &'a [u32], &'a [u32], &'a [u32], &'a [u8]);
type RequestResult = (RawVerdicts,);

/// `responses-columns.handle`
type ResponseParams<'a> = (&'a [u64], &'a [u64], &'a [u64], &'a [u32], &'a [u8]);
type ResponseResult = (RawChanges,);

#[derive(ComponentType, Lift)]
#[component(record)]
struct RawVerdicts {
    indices: Vec<u32>,
    kinds: Vec<u8>,
    tags: Vec<u64>,
    numbers: Vec<u32>,
    bytes: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct RawChanges {
    indices: Vec<u32>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

/// The handlers that a component of this lane exports: of requests, and of responses.
pub(super) fn exported(exports: &Exports<'_>) -> Result<[Option<ComponentExportIndex>; 2], ContractError> {
    let [requests, responses] = Lane::Columns.handlers();
    Ok([
        exports.function::<RequestParams<'static>, RequestResult>(requests, "handle")?,
        exports.function::<ResponseParams<'static>, ResponseResult>(responses, "handle")?,
    ])
}

/// The handlers of an instance.
pub(in super::super) struct Handlers {
    requests: TypedFunc<RequestParams<'static>, RequestResult>,
    responses: Option<TypedFunc<ResponseParams<'static>, ResponseResult>>,
}

impl Handlers {
    pub(super) fn of(instance: &Instance, store: &mut Store<Data>, contract: &Contract) -> wasmtime::Result<Self> {
        let responses = contract.responses.as_ref();
        Ok(Self {
            requests: instance.get_typed_func(&mut *store, contract.requests)?,
            responses: responses.map(|responses| instance.get_typed_func(store, responses)).transpose()?,
        })
    }

    #[inline]
    pub(super) fn requests<'a>(
        &self,
        store: &mut Store<Data>,
        batch: &RequestBatch<'a>,
        verdicts: &mut Verdicts,
    ) -> Result<(), Failure> {
        let handle: TypedFunc<RequestParams<'a>, RequestResult> = self.requests;
        let (raw,) = handle.call(
            store,
            (
                batch.ids,
                batch.sessions,
                batch.commands,
                batch.arg_counts,
                batch.arg_offsets,
                batch.arg_lengths,
                batch.bytes,
            ),
        )?;
        *verdicts =
            Verdicts { indices: raw.indices, kinds: raw.kinds, tags: raw.tags, numbers: raw.numbers, bytes: raw.bytes };
        Ok(())
    }

    #[inline]
    pub(super) fn responses<'a>(
        &self,
        store: &mut Store<Data>,
        batch: &ResponseBatch<'a>,
        changes: &mut Changes,
    ) -> Result<(), Failure> {
        let Some(handle) = self.responses else {
            return Ok(());
        };
        let handle: TypedFunc<ResponseParams<'a>, ResponseResult> = handle;
        let (raw,) = handle.call(store, (batch.ids, batch.sessions, batch.tags, batch.lengths, batch.bytes))?;
        *changes = Changes { indices: raw.indices, lengths: raw.lengths, bytes: raw.bytes };
        Ok(())
    }
}
