//! The rows lane: natural types, for any language. Its answers are turned into the columns form
//! here.

use sluice_commands::{Command, CommandId};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentType, Instance, Lift, Lower, TypedFunc};

use super::super::batch::{KEY, RequestBatch, ResponseBatch};
use super::super::changes::Changes;
use super::super::contract::{Contract, Exports};
use super::super::contract_error::ContractError;
use super::super::failure::Failure;
use super::super::host::Data;
use super::super::shape::Lane;
use super::super::verdicts::{ActionKind, Verdicts, WATCHED};
use super::nodes::{self, Node};

/// The protocol (2 or 3) that a session speaks.
pub(super) type Protocol<'a> = &'a dyn Fn(u64) -> u8;

/// `requests-rows.handle`
type RequestParams<'a> = (&'a [Request<'a>],);
type RequestResult = (Vec<RawVerdict>,);

/// `responses-rows.handle`
type ResponseParams<'a> = (&'a [Response<'a>],);
type ResponseResult = (Vec<RawChange>,);

type Shown<'a> = Node<&'a [u8], &'a str>;
type Returned = Node<Vec<u8>, String>;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Request<'a> {
    id: u64,
    session: u64,
    command: &'a str,
    args: Vec<&'a [u8]>,
    keys: Vec<u32>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Response<'a> {
    id: u64,
    session: u64,
    tag: u64,
    reply: Vec<Shown<'a>>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct RawVerdict {
    index: u32,
    action: RawAction,
    watch: Option<u64>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum RawAction {
    #[component(name = "forward")]
    Forward,
    #[component(name = "rewrite")]
    Rewrite(Vec<Vec<u8>>),
    #[component(name = "reply")]
    Reply(Vec<Returned>),
    #[component(name = "fan-out")]
    FanOut(Vec<Vec<Vec<u8>>>),
    #[component(name = "close")]
    Close(Vec<Returned>),
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct RawChange {
    index: u32,
    reply: Vec<Returned>,
}

/// The handlers that a component of this lane exports: of requests, and of responses.
pub(super) fn exported(exports: &Exports<'_>) -> Result<[Option<ComponentExportIndex>; 2], ContractError> {
    let [requests, responses] = Lane::Rows.handlers();
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

    pub(super) fn requests(
        &self,
        store: &mut Store<Data>,
        batch: &RequestBatch<'_>,
        verdicts: &mut Verdicts,
        protocol: Protocol<'_>,
    ) -> Result<(), Failure> {
        let rows = request_rows(batch);
        let (raw,) = call(self.requests, store, &rows)?;
        for (at, verdict) in raw.into_iter().enumerate() {
            let session = batch.sessions.get(verdict.index as usize).copied();
            let protocol = session.map_or(3, protocol);
            append(verdicts, verdict, protocol)
                .map_err(|problem| Failure::Answer(format!("verdict {at} {problem}")))?;
        }
        Ok(())
    }

    pub(super) fn responses(
        &self,
        store: &mut Store<Data>,
        batch: &ResponseBatch<'_>,
        changes: &mut Changes,
        protocol: Protocol<'_>,
    ) -> Result<(), Failure> {
        let Some(handle) = self.responses else {
            return Ok(());
        };
        let limit = store.data().memory.limit();
        let rows = response_rows(batch, limit)?;
        let (raw,) = call(handle, store, &rows)?;
        for (at, change) in raw.into_iter().enumerate() {
            let session = batch.sessions.get(change.index as usize).copied();
            let protocol = session.map_or(3, protocol);
            let start = changes.bytes.len();
            nodes::encode_response(&change.reply, protocol, &mut changes.bytes)
                .map_err(|problem| Failure::Answer(format!("change {at} has a reply that {problem}")))?;
            changes.indices.push(change.index);
            changes.lengths.push(length(changes.bytes.len() - start)?);
        }
        Ok(())
    }
}

/// Calls with rows that live shorter than the handle's type says.
fn call<'a, Row, Return>(
    handle: TypedFunc<(&'a [Row],), (Vec<Return>,)>,
    store: &mut Store<Data>,
    rows: &'a [Row],
) -> Result<(Vec<Return>,), Failure>
where
    Row: Lower + 'a,
    Return: Lift,
{
    Ok(handle.call(store, (rows,))?)
}

fn request_rows<'a>(batch: &RequestBatch<'a>) -> Vec<Request<'a>> {
    let mut first = 0usize;
    let columns = batch.ids.iter().zip(batch.sessions).zip(batch.commands).zip(batch.arg_counts);
    columns
        .map(|(((&id, &session), &command), &count)| {
            let arguments = first..first.saturating_add(count as usize);
            first = arguments.end;
            let lengths = batch.arg_lengths.get(arguments.clone()).unwrap_or(&[]);
            Request {
                id,
                session,
                command: CommandId::from_index(command).and_then(CommandId::get).map_or("", Command::name),
                args: arguments.map(|at| batch.argument(at)).collect(),
                keys: (0..).zip(lengths).filter(|&(_, &length)| length & KEY != 0).map(|(at, _)| at).collect(),
            }
        })
        .collect()
}

/// The responses as nodes. The host's memory for them is bounded by what the component could hold.
fn response_rows<'a>(batch: &ResponseBatch<'a>, limit: usize) -> Result<Vec<Response<'a>>, Failure> {
    let mut bytes = batch.bytes;
    let mut left = limit / size_of::<Shown<'_>>();
    let columns = batch.ids.iter().zip(batch.sessions).zip(batch.tags).zip(batch.lengths);
    columns
        .map(|(((&id, &session), &tag), &length)| {
            let (frame, rest) = bytes.split_at_checked(length as usize).unwrap_or((bytes, &[]));
            bytes = rest;
            let reply = nodes::decode(frame, left).ok_or(Failure::TooLarge)?;
            left -= reply.len();
            Ok(Response { id, session, tag, reply })
        })
        .collect()
}

/// Appends a verdict to the columns; an error completes the sentence "verdict 3 …".
fn append(verdicts: &mut Verdicts, verdict: RawVerdict, protocol: u8) -> Result<(), String> {
    let kind = match verdict.action {
        RawAction::Forward => ActionKind::Forward,
        RawAction::Rewrite(arguments) => {
            append_request(verdicts, &arguments)?;
            ActionKind::Rewrite
        }
        RawAction::FanOut(requests) => {
            verdicts.numbers.push(number(requests.len())?);
            for arguments in &requests {
                append_request(verdicts, arguments)?;
            }
            ActionKind::FanOut
        }
        RawAction::Reply(nodes) => {
            append_frame(verdicts, &nodes, protocol)?;
            ActionKind::Reply
        }
        RawAction::Close(nodes) if nodes.is_empty() => {
            verdicts.numbers.push(0);
            ActionKind::Close
        }
        RawAction::Close(nodes) => {
            append_frame(verdicts, &nodes, protocol)?;
            ActionKind::Close
        }
    };
    let watched = if verdict.watch.is_some() { WATCHED } else { 0 };
    verdicts.indices.push(verdict.index);
    verdicts.kinds.push(kind.bits() | watched);
    verdicts.tags.push(verdict.watch.unwrap_or(0));
    Ok(())
}

fn append_request(verdicts: &mut Verdicts, arguments: &[Vec<u8>]) -> Result<(), String> {
    verdicts.numbers.push(number(arguments.len())?);
    for argument in arguments {
        verdicts.numbers.push(number(argument.len())?);
        verdicts.bytes.extend_from_slice(argument);
    }
    Ok(())
}

fn append_frame(verdicts: &mut Verdicts, nodes: &[Returned], protocol: u8) -> Result<(), String> {
    let start = verdicts.bytes.len();
    nodes::encode(nodes, protocol, &mut verdicts.bytes).map_err(|problem| format!("has a reply that {problem}"))?;
    verdicts.numbers.push(number(verdicts.bytes.len() - start)?);
    Ok(())
}

fn number(count: usize) -> Result<u32, String> {
    u32::try_from(count).map_err(|_| "is too large".to_owned())
}

fn length(bytes: usize) -> Result<u32, Failure> {
    number(bytes).map_err(Failure::Answer)
}
