//! The way back: watched responses through the transforms, and fanned-out replies gathered.

use super::generation::Place;
use super::response_path::{ResponsePaths, Step};
use super::responses::{Kind, Responses};
use super::{Chain, Station};
use crate::plugin::{Changes, Fault, OnFault, Phase, ResponseBatch, Suspended};
use crate::traffic::By;

/// What stands in the array for a command that has more than one reply.
const NOT_ONE: &[u8] = b"-ERR a command with several replies cannot be fanned out\r\n";

/// The most bytes of responses that cross together, unless one alone is larger: a plugin's limits are for what it does, and not to
/// be used up by how much happened to arrive in a turn.
const CROSSING: usize = 1 << 20;

/// The columns of a batch of responses, and which responses they are.
#[derive(Debug, Default)]
pub(super) struct Batch {
    positions: Vec<usize>,
    ids: Vec<u64>,
    sessions: Vec<u64>,
    tags: Vec<u64>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Batch {
    fn clear(&mut self) {
        self.positions.clear();
        self.ids.clear();
        self.sessions.clear();
        self.tags.clear();
        self.lengths.clear();
        self.bytes.clear();
    }

    fn columns(&self) -> ResponseBatch<'_> {
        ResponseBatch {
            ids: &self.ids,
            sessions: &self.sessions,
            tags: &self.tags,
            lengths: &self.lengths,
            bytes: &self.bytes,
        }
    }

    fn add(&mut self, at: usize, tag: u64, responses: &Responses) {
        let response = &responses.list()[at];
        let bytes = responses.bytes(response);
        self.positions.push(at);
        self.ids.push(response.id.0);
        self.sessions.push(response.session.0);
        self.tags.push(tag);
        self.lengths.push(bytes.len() as u32);
        self.bytes.extend_from_slice(bytes);
    }

    /// The part of `all` that belongs to some sessions.
    fn build_part(&mut self, all: &Self, responses: &Responses, belongs: impl Fn(u64) -> bool) {
        self.clear();
        for (row, &at) in all.positions.iter().enumerate() {
            if belongs(all.sessions[row]) {
                self.add(at, all.tags[row], responses);
            }
        }
    }
}

impl Chain {
    /// Carry responses back through the transforms that wait for them. Afterwards the trails of those whose requests went through this
    /// chain hold only what concerns their sessions ([`Step::Silence`], [`Step::Log`]), and those that became a part of another one are
    /// [`Kind::Consumed`]. Those of another generation stay as they are.
    pub fn responses(&mut self, responses: &mut Responses, trails: &mut ResponsePaths) {
        for position in (0..self.stations.len()).rev() {
            let here = self.place(position);
            self.returns.clear();
            for at in 0..responses.list().len() {
                gather(at, &here, responses, trails);
                if let Some(tag) = take_watch(at, &here, responses, trails) {
                    let more = responses.bytes(&responses.list()[at]).len();
                    if self.returns.bytes.len() + more > CROSSING {
                        self.cross(position, responses, trails);
                    }
                    self.returns.add(at, tag, responses);
                }
            }
            self.cross(position, responses, trails);
        }
    }
}

impl Chain {
    /// Let the responses that were collected cross, if there are any.
    fn cross(&mut self, position: usize, responses: &mut Responses, trails: &mut ResponsePaths) {
        if !self.returns.positions.is_empty() {
            self.stations[position].borrow_mut().watched(&self.returns, &mut self.changes, responses, trails);
            self.returns.clear();
        }
    }
}

/// If the response at `at` is a part of what the transform `here` fanned out, put it to the others.
fn gather(at: usize, here: &Place, responses: &mut Responses, trails: &mut ResponsePaths) {
    let response = &responses.list()[at];
    let Some(Step::Gather { place, group }) = trails.peek(response.trail) else { return };
    if place != here {
        return;
    }
    let group = *group;
    trails.pop(response.trail);
    let gathered = match response.kind {
        // It would not be one element of the array.
        Kind::Several => trails.gather(group, NOT_ONE),
        _ => trails.gather(group, responses.bytes(response)),
    };
    match gathered {
        None => responses.list_mut()[at].kind = Kind::Consumed,
        Some((array, below)) => {
            responses.replace(at, &array);
            responses.list_mut()[at].trail = below;
        }
    }
}

/// If the transform `here` watches the response at `at`, take that step off its trail and give the tag.
fn take_watch(at: usize, here: &Place, responses: &mut Responses, trails: &mut ResponsePaths) -> Option<u64> {
    let response = &mut responses.list_mut()[at];
    let Some(Step::Watch { place, tag }) = trails.peek(response.trail) else { return None };
    if place != here {
        return None;
    }
    let tag = *tag;
    let (_, below) = trails.pop(response.trail)?;
    response.trail = below;
    (response.kind != Kind::Several).then_some(tag)
}

impl Station {
    fn watched(&mut self, batch: &Batch, changes: &mut Changes, responses: &mut Responses, trails: &mut ResponsePaths) {
        match self.instance.suspended(Phase::Responses, &batch.sessions) {
            None => self.watched_together(batch, changes, responses, trails),
            Some(suspended) => self.watched_without(&suspended, batch, changes, responses, trails),
        }
    }

    /// As for requests: those of suspended sessions do not cross, the others' do.
    #[cold]
    fn watched_without(
        &mut self,
        suspended: &Suspended,
        batch: &Batch,
        changes: &mut Changes,
        responses: &mut Responses,
        trails: &mut ResponsePaths,
    ) {
        let mut part = Batch::default();
        part.build_part(batch, responses, |session| suspended.contains(session));
        if let Some(observer) = &self.observer {
            observer.responses(&part.columns(), Err(suspended.fault()));
        }
        self.apply_return_fault(suspended.fault(), &part, responses, trails);
        part.build_part(batch, responses, |session| !suspended.contains(session));
        if !part.positions.is_empty() {
            self.watched_together(&part, changes, responses, trails);
        }
    }

    /// One crossing.
    fn return_once(&mut self, batch: &Batch, changes: &mut Changes) -> Result<(), Fault> {
        let answer = self.instance.responses(&batch.columns(), changes);
        if let Some(observer) = &self.observer {
            observer.responses(&batch.columns(), answer.as_ref().map(|()| &*changes));
        }
        answer
    }

    fn watched_together(
        &mut self,
        batch: &Batch,
        changes: &mut Changes,
        responses: &mut Responses,
        trails: &mut ResponsePaths,
    ) {
        match self.return_once(batch, changes) {
            Ok(()) => apply(batch, changes, responses),
            Err(fault) => self.watched_apart(&fault, batch, changes, responses, trails),
        }
    }

    /// A crossing failed: let each session's responses cross by themselves.
    #[cold]
    fn watched_apart(
        &mut self,
        fault: &Fault,
        batch: &Batch,
        changes: &mut Changes,
        responses: &mut Responses,
        trails: &mut ResponsePaths,
    ) {
        let mut sessions = batch.sessions.clone();
        sessions.sort_unstable();
        sessions.dedup();
        if sessions.len() == 1 || matches!(fault, Fault::Suspended { .. }) {
            return self.apply_return_fault(fault, batch, responses, trails);
        }
        let mut part = Batch::default();
        for session in sessions {
            part.build_part(batch, responses, |other| other == session);
            match self.return_once(&part, changes) {
                Ok(()) => apply(&part, changes, responses),
                Err(fault) => self.apply_return_fault(&fault, &part, responses, trails),
            }
        }
    }

    fn apply_return_fault(&self, fault: &Fault, batch: &Batch, responses: &mut Responses, trails: &mut ResponsePaths) {
        if self.on_fault == OnFault::Bypass {
            return;
        }
        let rejection = self.rejection(fault);
        for &at in &batch.positions {
            if responses.list()[at].kind == Kind::Unasked && self.on_fault == OnFault::Reject {
                // An error would be taken for the reply to something else.
                responses.list_mut()[at].kind = Kind::Consumed;
                continue;
            }
            responses.replace(at, &rejection.frame);
            let response = &mut responses.list_mut()[at];
            // It is the proxy that says so, and an error is the same in every protocol.
            response.foreign = rejection.foreign;
            trails.answered_by(response.trail, By::Proxy);
            if self.on_fault == OnFault::Close {
                response.kind = Kind::Last;
            }
        }
    }
}

fn apply(batch: &Batch, changes: &Changes, responses: &mut Responses) {
    for (index, frame) in changes.iter() {
        responses.replace(batch.positions[index as usize], frame);
    }
}
