//! The way out: requests through the transforms, and what their verdicts do.
//!
//! A fault costs a whole crossing, and a crossing carries the requests of many sessions. So that nobody pays for his neighbour, the
//! requests of a crossing that failed cross again, each session's apart, into a new instance; what fails then is the session's own
//! doing, and `on_fault` is applied to it. (A host function that the failed crossing had called is called again for them.)

use bytes::Bytes;

use super::columns::Columns;
use super::trail::{Step, Trails};
use super::vector::{Answer, NewArgument, Outcome, Request, Vector};
use super::{Chain, Station};
use crate::ids::MessageIds;
use crate::plugin::{Action, Argument, Arguments, Fault, OnFault, Verdicts};

impl Chain {
    /// Carry a vector through all transforms. Requests that end on the way have an outcome afterwards.
    pub fn requests(&mut self, vector: &mut Vector, trails: &mut Trails, ids: &mut MessageIds) {
        self.columns.invalidate();
        for (position, station) in self.stations.iter_mut().enumerate() {
            self.columns.build(vector, &station.interest);
            if self.columns.positions.is_empty() {
                continue;
            }
            let verdicts = &mut self.verdicts;
            let changed = match station.instance.requests(&self.columns.batch(vector), verdicts) {
                Ok(()) if verdicts.is_empty() => false,
                Ok(()) => apply(&self.columns, verdicts, position, vector, trails, ids),
                Err(fault) => {
                    station.each_apart(position, fault, &self.columns, &mut self.part, verdicts, vector, trails, ids)
                }
            };
            if changed {
                self.columns.invalidate();
            }
        }
    }
}

impl Station {
    /// A crossing failed: let each session's requests cross by themselves.
    #[allow(clippy::too_many_arguments, reason = "the parts of a chain that a crossing needs, borrowed one by one")]
    fn each_apart(
        &mut self,
        position: usize,
        fault: Fault,
        all: &Columns,
        part: &mut Columns,
        verdicts: &mut Verdicts,
        vector: &mut Vector,
        trails: &mut Trails,
        ids: &mut MessageIds,
    ) -> bool {
        let sessions = all.distinct_sessions();
        if sessions.len() == 1 || matches!(fault, Fault::Suspended { .. }) {
            return self.apply_fault(&fault, all, vector);
        }
        // Fan out moves requests, so it is left to the end: positions stay those of `all` until then.
        let mut changed = false;
        let mut replacements = Vec::new();
        for session in sessions {
            part.build_part(vector, &self.interest, session, all);
            match self.instance.requests(&part.batch(vector), verdicts) {
                Ok(()) => changed |= apply_in_place(part, verdicts, position, vector, trails, &mut replacements),
                Err(fault) => changed |= self.apply_fault(&fault, part, vector),
            }
        }
        replacements.sort_by_key(|(at, _)| *at);
        vector.replace(replacements, ids);
        changed
    }

    fn apply_fault(&self, fault: &Fault, columns: &Columns, vector: &mut Vector) -> bool {
        let outcome = match self.on_fault {
            OnFault::Bypass => return false,
            OnFault::Reject => Outcome::Reply(self.rejection(fault)),
            OnFault::Close => Outcome::Close(Some(self.rejection(fault))),
        };
        for &at in &columns.positions {
            vector.end(at as usize, outcome.clone());
        }
        true
    }
}

/// Do what the verdicts say. Returns whether any request changed or ended.
fn apply(
    columns: &Columns,
    verdicts: &Verdicts,
    position: usize,
    vector: &mut Vector,
    trails: &mut Trails,
    ids: &mut MessageIds,
) -> bool {
    let mut replacements = Vec::new();
    let changed = apply_in_place(columns, verdicts, position, vector, trails, &mut replacements);
    vector.replace(replacements, ids);
    changed
}

/// As [`apply`], but for fan out, which is left in `replacements`.
fn apply_in_place(
    columns: &Columns,
    verdicts: &Verdicts,
    position: usize,
    vector: &mut Vector,
    trails: &mut Trails,
    replacements: &mut Vec<(usize, Vec<Request>)>,
) -> bool {
    let mut changed = false;
    for verdict in verdicts.iter() {
        let at = columns.positions[verdict.index as usize] as usize;
        if let Some(tag) = verdict.watch {
            let request = vector.request_mut(at);
            request.trail = trails.push(request.trail, Step::Watch { position, tag });
        }
        match verdict.action {
            Action::Forward => continue,
            Action::Rewrite(arguments) => {
                let new = vector.write(at, new_arguments(arguments));
                *vector.request_mut(at) = new;
            }
            Action::Reply(frame) => vector.end(at, Outcome::Reply(foreign(frame))),
            Action::Close(frame) => vector.end(at, Outcome::Close(frame.map(foreign))),
            Action::FanOut(requests) => {
                let trail = vector.request(at).trail;
                let new = requests
                    .clone()
                    .zip(trails.fan_out(trail, position, requests.len()))
                    .map(|(arguments, trail)| {
                        let mut request = vector.write(at, new_arguments(arguments));
                        request.trail = trail;
                        request
                    })
                    .collect();
                replacements.push((at, new));
            }
        }
        changed = true;
    }
    changed
}

fn foreign(frame: &[u8]) -> Answer {
    Answer { frame: Bytes::copy_from_slice(frame), foreign: true }
}

fn new_arguments<'a>(arguments: Arguments<'a>) -> impl Iterator<Item = NewArgument<'a>> + Clone {
    arguments.map(|argument| match argument {
        Argument::Original(at) => NewArgument::Original(at),
        Argument::Literal(bytes) => NewArgument::Literal(bytes),
    })
}
