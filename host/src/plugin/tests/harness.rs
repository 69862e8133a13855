//! What the tests share: a runtime, plugins on disk, and batches that own their columns.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::guest::Guest;
use crate::plugin::{
    Action, Argument, Arguments, Changes, ConfigureError, Fault, Instance, LoadError, NoSessions, Plugin, RequestBatch,
    ResponseBatch, Runtime, RuntimeOptions, SessionDirectory, SessionInfo, Site, Spec, Transform, UNKNOWN_COMMAND,
    Verdicts,
};

/// A directory that goes with its test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Scratch {
        static UNIQUE: AtomicU32 = AtomicU32::new(0);
        let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("sluice-plugin-{}-{unique}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn runtime() -> Runtime {
    Runtime::new(RuntimeOptions::default()).unwrap()
}

pub(super) fn site() -> Site {
    Site { source: "source".to_owned(), position: 0 }
}

pub(super) fn load_bytes(bytes: &[u8], change: impl FnOnce(&mut Spec)) -> Result<Arc<Plugin>, LoadError> {
    let scratch = Scratch::new();
    let mut spec = Spec::from_path("Tested", scratch.write("guest.wasm", bytes));
    change(&mut spec);
    runtime().load(&spec)
}

pub(super) fn load(guest: &Guest, change: impl FnOnce(&mut Spec)) -> Result<Arc<Plugin>, LoadError> {
    load_bytes(&guest.build(), change)
}

pub(super) fn transform(guest: &Guest, change: impl FnOnce(&mut Spec)) -> Result<Arc<Transform>, ConfigureError> {
    load(guest, change).unwrap().configure(&json!({}), site())
}

pub(super) fn instance(guest: &Guest) -> Instance {
    instance_with(guest, |_| ())
}

pub(super) fn instance_with(guest: &Guest, change: impl FnOnce(&mut Spec)) -> Instance {
    transform(guest, change).unwrap().instantiate(Rc::new(NoSessions))
}

/// Every session speaks this protocol.
pub(super) struct Speaks(pub(super) u8);

impl SessionDirectory for Speaks {
    fn session(&self, id: u64) -> Option<SessionInfo> {
        Some(SessionInfo {
            peer: format!("127.0.0.1:{id}"),
            source: "source".to_owned(),
            user: "default".to_owned(),
            tls_subject: None,
            database: 7,
            protocol: self.0,
        })
    }
}

/// A batch of requests that owns its columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    pub(super) ids: Vec<u64>,
    pub(super) sessions: Vec<u64>,
    pub(super) commands: Vec<u16>,
    pub(super) arg_counts: Vec<u32>,
    pub(super) arg_offsets: Vec<u32>,
    pub(super) arg_lengths: Vec<u32>,
    pub(super) bytes: Vec<u8>,
}

impl Requests {
    /// Requests of one session each: session n sends request n.
    pub(super) fn of(requests: &[&[&[u8]]]) -> Requests {
        let mut batch = Requests::default();
        for (session, arguments) in (1..).zip(requests) {
            batch.push(session, arguments);
        }
        batch
    }

    pub(super) fn push(&mut self, session: u64, arguments: &[&[u8]]) {
        self.ids.push(self.ids.len() as u64 + 1);
        self.sessions.push(session);
        self.commands.push(UNKNOWN_COMMAND);
        self.arg_counts.push(arguments.len() as u32);
        for argument in arguments {
            self.arg_offsets.push(self.bytes.len() as u32);
            self.arg_lengths.push(argument.len() as u32);
            self.bytes.extend_from_slice(argument);
        }
    }

    pub(super) fn batch(&self) -> RequestBatch<'_> {
        RequestBatch {
            ids: &self.ids,
            sessions: &self.sessions,
            commands: &self.commands,
            arg_counts: &self.arg_counts,
            arg_offsets: &self.arg_offsets,
            arg_lengths: &self.arg_lengths,
            bytes: &self.bytes,
        }
    }
}

/// One `GET k`.
pub(super) fn one_request() -> Requests {
    Requests::of(&[&[b"GET", b"k"]])
}

/// Let requests cross and give the verdicts as text.
pub(super) fn cross(instance: &mut Instance, requests: &Requests) -> Result<Vec<String>, Fault> {
    let mut verdicts = Verdicts::new();
    instance.requests(&requests.batch(), &mut verdicts)?;
    Ok(shown(&verdicts))
}

/// Verdicts as text: `1: rewrite $0 "x" watched 7`.
pub(super) fn shown(verdicts: &Verdicts) -> Vec<String> {
    let each = verdicts.iter().map(|verdict| {
        let action = match verdict.action {
            Action::Forward => "forward".to_owned(),
            Action::Rewrite(arguments) => format!("rewrite{}", arguments_shown(arguments)),
            Action::Reply(frame) => format!("reply {}", frame.escape_ascii()),
            Action::FanOut(requests) => {
                let each: Vec<_> = requests.map(|arguments| arguments_shown(arguments).trim().to_owned()).collect();
                format!("fan out [{}]", each.join(", "))
            }
            Action::Close(None) => "close".to_owned(),
            Action::Close(Some(frame)) => format!("close {}", frame.escape_ascii()),
        };
        let watched = verdict.watch.map_or(String::new(), |tag| format!(" watched {tag}"));
        format!("{}: {action}{watched}", verdict.index)
    });
    each.collect()
}

fn arguments_shown(arguments: Arguments<'_>) -> String {
    let shown = arguments.map(|argument| match argument {
        Argument::Original(at) => format!(" ${at}"),
        Argument::Literal(bytes) => format!(" {:?}", bytes.escape_ascii().to_string()),
    });
    shown.collect()
}

/// Let responses of sessions 1, 2, … cross and give the changes.
pub(super) fn cross_back(instance: &mut Instance, frames: &[&[u8]]) -> Result<Vec<(u32, Vec<u8>)>, Fault> {
    let ids: Vec<u64> = (1..=frames.len() as u64).collect();
    let tags: Vec<u64> = ids.iter().map(|id| id * 10).collect();
    let lengths: Vec<u32> = frames.iter().map(|frame| frame.len() as u32).collect();
    let bytes = frames.concat();
    let batch = ResponseBatch { ids: &ids, sessions: &ids, tags: &tags, lengths: &lengths, bytes: &bytes };
    let mut changes = Changes::new();
    instance.responses(&batch, &mut changes)?;
    Ok(changes.iter().map(|(index, frame)| (index, frame.to_vec())).collect())
}
