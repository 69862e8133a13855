//! Batches to measure with, laid out as a chain would for a transform with a given interest.

use sluice::plugin::{Interest, KEY, NOT_SHOWN, RequestBatch, ResponseBatch, View};
use sluice_commands::{CommandId, key_positions, lookup};

/// Requests, each of a session of its own.
#[derive(Default)]
pub(super) struct Requests {
    ids: Vec<u64>,
    commands: Vec<u16>,
    arg_counts: Vec<u32>,
    arg_offsets: Vec<u32>,
    arg_lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Requests {
    /// So many, of these lines in turn.
    pub(super) fn new(lines: &[Vec<Vec<u8>>], interest: &Interest, count: usize) -> Self {
        let mut requests = Self::default();
        for (id, line) in (1..).zip(lines.iter().cycle().take(count)) {
            requests.push(id, line, interest);
        }
        requests
    }

    fn push(&mut self, id: u64, line: &[Vec<u8>], interest: &Interest) {
        let command = command(line);
        let mut keys = Vec::new();
        if interest.key_positions {
            key_positions(command, line, &mut keys);
        }
        let view = if interest.whole.contains(command.index()) { View::All } else { interest.view };
        self.ids.push(id);
        self.commands.push(command.index());
        self.arg_counts.push(line.len() as u32);
        for (position, argument) in (0..).zip(line) {
            let is_key = keys.contains(&position);
            let shown = position == 0 || view == View::All || (view == View::Keys && is_key);
            self.arg_offsets.push(if shown { self.bytes.len() as u32 } else { NOT_SHOWN });
            self.arg_lengths.push(argument.len() as u32 | if is_key { KEY } else { 0 });
            if shown {
                self.bytes.extend_from_slice(argument);
            }
        }
    }

    pub(super) fn batch(&self) -> RequestBatch<'_> {
        RequestBatch {
            ids: &self.ids,
            sessions: &self.ids,
            commands: &self.commands,
            arg_counts: &self.arg_counts,
            arg_offsets: &self.arg_offsets,
            arg_lengths: &self.arg_lengths,
            bytes: &self.bytes,
        }
    }
}

/// Responses to watched requests.
pub(super) struct Responses {
    ids: Vec<u64>,
    tags: Vec<u64>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Responses {
    /// So many of this frame, with these tags in turn.
    pub(super) fn new(tags: &[u64], frame: &[u8], count: usize) -> Self {
        Self {
            ids: (1..).take(count).collect(),
            tags: tags.iter().copied().cycle().take(count).collect(),
            lengths: vec![frame.len() as u32; count],
            bytes: frame.repeat(count),
        }
    }

    pub(super) fn batch(&self) -> ResponseBatch<'_> {
        ResponseBatch {
            ids: &self.ids,
            sessions: &self.ids,
            tags: &self.tags,
            lengths: &self.lengths,
            bytes: &self.bytes,
        }
    }
}

/// Whether a request would cross into a transform with this interest.
pub(super) fn crosses(interest: &Interest, line: &[Vec<u8>]) -> bool {
    interest.commands.contains(command(line).index())
}

fn command(line: &[Vec<u8>]) -> CommandId {
    lookup(line.first().map_or(&[], Vec::as_slice), || line.get(1).map(Vec::as_slice))
}
