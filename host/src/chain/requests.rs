//! The way out: requests through the transforms, and what their verdicts do.
//!
//! A fault costs a whole crossing, and a crossing carries the requests of many sessions. So that nobody pays for his neighbour, the
//! requests of a crossing that failed cross again, each session's apart, into a new instance; what fails then is the session's own
//! doing, and `on_fault` is applied to it. (A host function that the failed crossing had called is called again for them.) A
//! session that does it again and again is suspended: its requests do not cross, and those of the others cross together as ever.

use bytes::Bytes;

use super::columns::Columns;
use super::generation::{Generation, Place};
use super::response_path::{ResponsePaths, Step};
use super::vector::{Answer, NewArgument, Outcome, Request, Vector};
use super::{Chain, Station};
use crate::ids::MessageIds;
use crate::plugin::{Action, Argument, Arguments, Fault, OnFault, Phase, Suspended, Verdicts};

impl Chain {
    /// Carry a vector through all transforms. Requests that end on the way have an outcome afterwards.
    pub fn requests(&mut self, vector: &mut Vector, trails: &mut ResponsePaths, ids: &mut MessageIds) {
        self.columns.invalidate();
        for (position, station) in self.stations.iter().enumerate() {
            let station = &mut *station.borrow_mut();
            self.columns.build(vector, &station.interest);
            if self.columns.positions.is_empty() {
                continue;
            }
            let generation = &self.generation;
            let mut passage = Passage { generation, position, verdicts: &mut self.verdicts, vector, trails, ids };
            let changed = match station.instance.suspended(Phase::Requests, self.columns.sessions()) {
                None => station.cross(&self.columns, &mut self.part, &mut passage),
                Some(suspended) => station.cross_without(&suspended, &self.columns, &mut self.part, &mut passage),
            };
            if changed {
                self.columns.invalidate();
            }
        }
    }
}

/// What a crossing works on: a vector that has come to a transform.
struct Passage<'a> {
    /// The chain.
    generation: &'a Generation,
    /// The transform's position in it.
    position: usize,
    verdicts: &'a mut Verdicts,
    vector: &'a mut Vector,
    trails: &'a mut ResponsePaths,
    ids: &'a mut MessageIds,
}

impl Station {
    /// Let requests cross together. Returns whether any of them changed or ended.
    #[inline]
    fn cross(&mut self, columns: &Columns, part: &mut Columns, passage: &mut Passage<'_>) -> bool {
        match self.cross_once(columns, passage.vector, passage.verdicts) {
            Ok(()) if passage.verdicts.is_empty() => false,
            Ok(()) => passage.apply(columns),
            Err(fault) => self.each_apart(&fault, columns, part, passage),
        }
    }

    /// One crossing.
    #[inline]
    fn cross_once(&mut self, columns: &Columns, vector: &Vector, verdicts: &mut Verdicts) -> Result<(), Fault> {
        let batch = columns.batch(vector);
        let answer = self.instance.requests(&batch, verdicts);
        if let Some(observer) = &self.observer {
            observer.requests(&batch, answer.as_ref().map(|()| &*verdicts));
        }
        answer
    }

    /// Some sessions may not cross: their requests are treated as if they had, and failed. The others cross together.
    #[cold]
    fn cross_without(
        &mut self,
        suspended: &Suspended,
        all: &Columns,
        part: &mut Columns,
        passage: &mut Passage<'_>,
    ) -> bool {
        part.build_part(passage.vector, &self.interest, all, |session| suspended.contains(session));
        if let Some(observer) = &self.observer {
            observer.requests(&part.batch(passage.vector), Err(suspended.fault()));
        }
        let mut changed = self.apply_fault(suspended.fault(), part, passage.vector);
        let mut rest = Columns::default();
        rest.build_part(passage.vector, &self.interest, all, |session| !suspended.contains(session));
        if !rest.positions.is_empty() {
            changed |= self.cross(&rest, part, passage);
        }
        changed
    }

    /// A crossing failed: let each session's requests cross by themselves.
    #[cold]
    fn each_apart(&mut self, fault: &Fault, all: &Columns, part: &mut Columns, passage: &mut Passage<'_>) -> bool {
        let sessions = all.distinct_sessions();
        if sessions.len() == 1 || matches!(fault, Fault::Suspended { .. }) {
            return self.apply_fault(fault, all, passage.vector);
        }
        // Fan out moves requests, so it is left to the end: positions stay those of `all` until then.
        let mut changed = false;
        let mut replacements = Vec::new();
        for session in sessions {
            part.build_part(passage.vector, &self.interest, all, |other| other == session);
            match self.cross_once(part, passage.vector, passage.verdicts) {
                Ok(()) => changed |= passage.apply_in_place(part, &mut replacements),
                Err(fault) => changed |= self.apply_fault(&fault, part, passage.vector),
            }
        }
        replacements.sort_by_key(|(at, _)| *at);
        passage.vector.replace(replacements, passage.ids);
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

impl Passage<'_> {
    /// Do what the verdicts say. Returns whether any request changed or ended.
    fn apply(&mut self, columns: &Columns) -> bool {
        let mut replacements = Vec::new();
        let changed = self.apply_in_place(columns, &mut replacements);
        self.vector.replace(replacements, self.ids);
        changed
    }

    /// As [`Passage::apply`], but for fan out, which is left in `replacements`.
    fn apply_in_place(&mut self, columns: &Columns, replacements: &mut Vec<(usize, Vec<Request>)>) -> bool {
        let Passage { generation, position, verdicts, vector, trails, .. } = self;
        let place = || Place { generation: generation.clone(), position: *position };
        let mut changed = false;
        for verdict in verdicts.iter() {
            let at = columns.positions[verdict.index as usize] as usize;
            if let Some(tag) = verdict.watch {
                let request = vector.request_mut(at);
                request.trail = trails.push(request.trail, Step::Watch { place: place(), tag });
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
                        .zip(trails.fan_out(trail, place(), requests.len()))
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
