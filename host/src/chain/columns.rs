//! A vector's requests as the columns that cross into a transform.

use sluice_commands::key_positions;

use super::vector::{Request, Vector};
use crate::plugin::{Interest, KEY, NOT_SHOWN, RequestBatch, View};

/// The columns of the requests that one transform wants to see, and which requests they are.
///
/// They are kept from one transform to the next: as long as nothing in the vector has changed and the next transform wants the same,
/// they are not built again. Where every argument is shown and no request is large, `bytes` is the vector's arena itself.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The position in the vector of each request of the batch.
    pub(super) positions: Vec<u32>,
    ids: Vec<u64>,
    sessions: Vec<u64>,
    commands: Vec<u16>,
    counts: Vec<u32>,
    offsets: Vec<u32>,
    lengths: Vec<u32>,
    /// The shown arguments, where they had to be gathered.
    bytes: Vec<u8>,
    /// Whether `offsets` point into the arena (from this offset on) instead.
    direct: Option<u32>,
    keys: Vec<u32>,
    /// For whom they were built; `None` once the vector has changed.
    built_for: Option<Interest>,
}

impl Columns {
    /// The vector has changed: what was built is no longer true.
    pub(super) fn invalidate(&mut self) {
        self.built_for = None;
    }

    /// Build the columns for `interest`, unless they are there.
    pub(super) fn build(&mut self, vector: &Vector, interest: &Interest) {
        if self.built_for.as_ref() == Some(interest) {
            return;
        }
        self.clear();
        let mut all_in_arena = true;
        let mut first = usize::MAX;
        for run in vector.runs() {
            for at in run.requests.clone() {
                let request = vector.request(at as usize);
                if vector.outcome(request).is_some() || !interest.commands.contains(request.command.index()) {
                    continue;
                }
                self.positions.push(at);
                self.ids.push(request.id.0);
                self.sessions.push(run.session.0);
                self.commands.push(request.command.index());
                match vector.place(request) {
                    Some(place) => first = first.min(place.start),
                    None => all_in_arena = false,
                }
            }
        }
        if interest.view == View::All && all_in_arena {
            self.point_into_arena(vector, first.min(vector.arena().len()), interest.key_positions);
        } else {
            self.gather(vector, interest);
        }
        self.built_for = Some(interest.clone());
    }

    /// Build the columns of some sessions' requests out of those that `all` has.
    pub(super) fn build_part(
        &mut self,
        vector: &Vector,
        interest: &Interest,
        all: &Self,
        belongs: impl Fn(u64) -> bool,
    ) {
        self.clear();
        for (row, &at) in all.positions.iter().enumerate() {
            if belongs(all.sessions[row]) {
                self.positions.push(at);
                self.ids.push(all.ids[row]);
                self.sessions.push(all.sessions[row]);
                self.commands.push(all.commands[row]);
            }
        }
        self.gather(vector, interest);
    }

    /// The session of each request of the batch.
    pub(super) fn sessions(&self) -> &[u64] {
        &self.sessions
    }

    /// The sessions of the batch, each once.
    pub(super) fn distinct_sessions(&self) -> Vec<u64> {
        let mut sessions = self.sessions.clone();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// What crosses.
    pub(super) fn batch<'a>(&'a self, vector: &'a Vector) -> RequestBatch<'a> {
        RequestBatch {
            ids: &self.ids,
            sessions: &self.sessions,
            commands: &self.commands,
            arg_counts: &self.counts,
            arg_offsets: &self.offsets,
            arg_lengths: &self.lengths,
            bytes: match self.direct {
                Some(first) => &vector.arena().bytes()[first as usize..],
                None => &self.bytes,
            },
        }
    }

    fn clear(&mut self) {
        self.built_for = None;
        self.positions.clear();
        self.ids.clear();
        self.sessions.clear();
        self.commands.clear();
        self.counts.clear();
        self.offsets.clear();
        self.lengths.clear();
        self.bytes.clear();
        self.direct = None;
    }

    fn point_into_arena(&mut self, vector: &Vector, first: usize, key_positions: bool) {
        self.direct = Some(first as u32);
        for &at in &self.positions {
            let request = vector.request(at as usize);
            let spans = vector.spans(request);
            let start = vector.place(request).map_or(0, |place| (place.start - first) as u32);
            let column = self.lengths.len();
            self.counts.push(spans.len() as u32);
            for span in spans {
                self.offsets.push(start + span.start);
                self.lengths.push(span.len);
            }
            if key_positions {
                mark_keys(vector, request, &mut self.keys, &mut self.lengths[column..]);
            }
        }
    }

    fn gather(&mut self, vector: &Vector, interest: &Interest) {
        for &at in &self.positions {
            let request = vector.request(at as usize);
            let column = self.lengths.len();
            let frame = vector.bytes(request);
            let spans = vector.spans(request);
            self.counts.push(spans.len() as u32);
            self.lengths.extend(spans.iter().map(|span| span.len));
            if interest.key_positions || interest.view == View::Keys {
                mark_keys(vector, request, &mut self.keys, &mut self.lengths[column..]);
            }
            let whole = interest.whole.contains(request.command.index());
            let view = if whole { View::All } else { interest.view };
            for (index, span) in spans.iter().enumerate() {
                let shown = match view {
                    View::Command => index == 0,
                    View::Keys => index == 0 || self.lengths[column + index] & KEY != 0,
                    View::All => true,
                };
                if shown {
                    self.offsets.push(self.bytes.len() as u32);
                    self.bytes.extend_from_slice(span.of(frame));
                } else {
                    self.offsets.push(NOT_SHOWN);
                }
            }
        }
    }
}

fn mark_keys(vector: &Vector, request: &Request, keys: &mut Vec<u32>, lengths: &mut [u32]) {
    key_positions(request.command, &vector.arguments(request), keys);
    for &key in keys.iter() {
        if let Some(length) = lengths.get_mut(key as usize) {
            *length |= KEY;
        }
    }
}
