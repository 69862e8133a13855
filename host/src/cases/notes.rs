//! What crosses while a case runs, written down.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::sessions::Sessions;
use super::verdict::{Action, Given};
use super::words::{Words, quote};
use crate::chain::Observer;
use crate::ids::MessageId;
use crate::plugin::{self, Argument, Arguments, Changes, Fault, KEY, NOT_SHOWN, RequestBatch, ResponseBatch, Verdicts};
use crate::resp::downgrade;

/// Notes of the crossings of one step.
pub(super) struct Notes {
    sessions: Rc<Sessions>,
    /// The requests as they were sent, by message ID.
    sent: RefCell<HashMap<u64, Words>>,
    seen: RefCell<HashMap<u64, Seen>>,
    returned: RefCell<HashMap<u64, Option<Fault>>>,
    has_started: Cell<bool>,
}

/// A request that has crossed.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// As the component saw it.
    pub(super) view: String,
    pub(super) became: Result<Given, Fault>,
}

impl Notes {
    pub(super) fn new(sessions: &Rc<Sessions>) -> Self {
        Self {
            sessions: sessions.clone(),
            sent: RefCell::default(),
            seen: RefCell::default(),
            returned: RefCell::default(),
            has_started: Cell::new(false),
        }
    }

    /// A new page.
    pub(super) fn clear(&self) {
        self.sent.borrow_mut().clear();
        self.seen.borrow_mut().clear();
        self.returned.borrow_mut().clear();
    }

    /// This request is about to be sent.
    pub(super) fn sends(&self, id: MessageId, words: &Words) {
        self.sent.borrow_mut().insert(id.0, words.clone());
    }

    /// What became of a request; `None`: it did not cross.
    pub(super) fn seen(&self, id: MessageId) -> Option<Seen> {
        self.seen.borrow().get(&id.0).cloned()
    }

    /// The fault that the crossing of a response has cost since this was last asked.
    pub(super) fn take_return_fault(&self, id: MessageId) -> Option<Fault> {
        self.returned.borrow_mut().remove(&id.0).flatten()
    }

    /// Whether there has been any crossing: before the first one, no instance was started.
    pub(super) fn has_started(&self) -> bool {
        self.has_started.get()
    }

    fn given(&self, verdict: &plugin::Verdict<'_>, original: Option<&Words>, protocol: u8) -> Given {
        let words = |arguments: Arguments<'_>| {
            let word = |argument| match argument {
                Argument::Literal(bytes) => bytes.to_vec(),
                Argument::Original(at) => {
                    original.and_then(|words| words.0.get(at as usize)).cloned().unwrap_or_default()
                }
            };
            Words(arguments.map(word).collect())
        };
        // As the client would get it.
        let frame = |frame: &[u8]| match protocol {
            3.. => frame.to_vec(),
            _ => downgrade::to_resp2(frame).unwrap_or_else(|| frame.to_vec()),
        };
        let action = match verdict.action.clone() {
            plugin::Action::Forward => Action::Forward,
            plugin::Action::Rewrite(arguments) => Action::Rewrite(words(arguments)),
            plugin::Action::Reply(reply) => Action::Reply(frame(reply)),
            plugin::Action::FanOut(requests) => Action::FanOut(requests.map(words).collect()),
            plugin::Action::Close(last) => Action::Close(last.map(frame)),
        };
        Given { action, watch: verdict.watch }
    }
}

impl Observer for Notes {
    fn requests(&self, batch: &RequestBatch<'_>, answer: Result<&Verdicts, &Fault>) {
        self.has_started.set(true);
        let mut seen = self.seen.borrow_mut();
        let mut first = 0;
        for ((&id, &count), _) in batch.ids.iter().zip(batch.arg_counts).zip(batch.sessions) {
            let end = first + count as usize;
            let became = match answer {
                Ok(_) => Ok(Given { action: Action::Forward, watch: None }),
                Err(fault) => Err(fault.clone()),
            };
            seen.insert(id, Seen { view: view(batch, first..end), became });
            first = end;
        }
        let sent = self.sent.borrow();
        for verdict in answer.into_iter().flat_map(Verdicts::iter) {
            let at = verdict.index as usize;
            let (Some(id), Some(session)) = (batch.ids.get(at), batch.sessions.get(at)) else { continue };
            if let Some(seen) = seen.get_mut(id) {
                seen.became = Ok(self.given(&verdict, sent.get(id), self.sessions.protocol_of(*session)));
            }
        }
    }

    fn responses(&self, batch: &ResponseBatch<'_>, answer: Result<&Changes, &Fault>) {
        self.has_started.set(true);
        let mut returned = self.returned.borrow_mut();
        returned.extend(batch.ids.iter().map(|id| (*id, answer.err().cloned())));
    }
}

/// A request as the component sees it: arguments outside of its view are only sizes to it.
fn view(batch: &RequestBatch<'_>, columns: std::ops::Range<usize>) -> String {
    let mut words = Vec::with_capacity(columns.len());
    let mut keys = Vec::new();
    for (position, column) in columns.enumerate() {
        let (offset, length) = (batch.arg_offsets[column], batch.arg_lengths[column]);
        let (start, size) = (offset as usize, (length & !KEY) as usize);
        words.push(match batch.bytes.get(start..start.saturating_add(size)) {
            Some(bytes) if offset != NOT_SHOWN => quote(bytes),
            _ => format!("<{size} bytes>"),
        });
        if length & KEY != 0 {
            keys.push(position.to_string());
        }
    }
    let line = words.join(" ");
    match keys.as_slice() {
        [] => line,
        [key] => format!("{line}  (argument {key} is a key)"),
        keys => format!("{line}  (arguments {} are keys)", keys.join(", ")),
    }
}
