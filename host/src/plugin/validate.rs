//! Nothing that a plugin returns is trusted: an answer is checked here against the batch that it
//! answers.
//!
//! The checks make three promises to the rest of the host: an accepted answer can be read to its
//! end without a surprise; every reply in it is exactly one complete frame; and what it makes the
//! host send is bounded by what came in and the plugin's limit `output`, however often it refers to
//! an argument.

use crate::resp::reply::frame_length;

use super::batch::{KEY, RequestBatch};
use super::changes::Changes;
use super::verdicts::{ARGUMENT_OF_ORIGINAL, ActionKind, Verdicts, WATCHED};

/// The most arguments that a server accepts in one request; one more and it closes the connection,
/// which others share.
const MAX_ARGUMENTS: u32 = 1 << 20;

/// The longest argument that a server accepts by default (`proto-max-bulk-len`), in bytes.
const MAX_ARGUMENT_BYTES: u32 = 512 << 20;

/// What a request or an argument costs beyond its bytes, so that a swarm of empty ones is bounded
/// as well.
const REQUEST_COST: u64 = 64;
const ARGUMENT_COST: u64 = 16;

/// Why an answer is invalid; completes the sentence "returned an invalid answer: …".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("{indices} indices, but {kinds} kinds and {tags} tags")]
    Columns { indices: usize, kinds: usize, tags: usize },
    #[error("{indices} indices, but {lengths} lengths")]
    ChangeColumns { indices: usize, lengths: usize },
    #[error("verdict {at} is on index {index}, which does not rise")]
    Order { at: usize, index: u32 },
    #[error("verdict {at} is on index {index}, but the batch has {batch}")]
    Index { at: usize, index: u32, batch: usize },
    #[error("verdict {at} has the unknown kind {kind:#04x}")]
    Kind { at: usize, kind: u8 },
    #[error("verdict {at} watches a response that there will not be")]
    Watch { at: usize },
    #[error("verdict {at} watches a response, but the component has no handler for responses")]
    Unwatchable { at: usize },
    #[error("verdict {at} needs more numbers than there are")]
    Numbers { at: usize },
    #[error("verdict {at} needs more bytes than there are")]
    Bytes { at: usize },
    #[error("{numbers} numbers and {bytes} bytes belong to no verdict")]
    Leftover { numbers: usize, bytes: usize },
    #[error("verdict {at} has a request of {count} arguments; 1 to {MAX_ARGUMENTS} are possible")]
    Arguments { at: usize, count: u32 },
    #[error("verdict {at} has an argument of {length} bytes; {MAX_ARGUMENT_BYTES} are possible")]
    Argument { at: usize, length: u32 },
    #[error("verdict {at} refers to argument {argument} of a request that has {count}")]
    Original { at: usize, argument: u32, count: u32 },
    #[error("verdict {at} fans out to no request")]
    NoRequests { at: usize },
    #[error("verdict {at} has a frame that {problem}")]
    Frame { at: usize, problem: FrameProblem },
    #[error("its requests exceed those that it was given by more than {0} bytes")]
    Expansion(usize),
}

/// What is wrong with a frame; completes the sentence "a frame that …".
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum FrameProblem {
    #[error("is not RESP")]
    NotResp,
    #[error("is not complete")]
    Incomplete,
    #[error("is followed by {0} more bytes")]
    Trailing(usize),
    #[error("has a CR or LF within a line")]
    LineBreak,
    #[error("contains out-of-band data, which is no reply")]
    Push,
    /// A push was to be replaced, and what takes its place is none.
    #[error("is not a push, as what it replaces")]
    NotPush,
}

/// What an answer is checked against, beside its batch.
pub(super) struct Bounds {
    /// The limit `output`, in bytes.
    pub(super) output: usize,
    /// Whether the component has a handler for responses.
    pub(super) responses: bool,
}

/// Checks verdicts against the batch of requests that they answer.
pub(super) fn verdicts(verdicts: &Verdicts, batch: &RequestBatch<'_>, bounds: &Bounds) -> Result<(), Invalid> {
    let Verdicts { indices, kinds, tags, numbers, bytes } = verdicts;
    if indices.len() != kinds.len() || indices.len() != tags.len() {
        return Err(Invalid::Columns { indices: indices.len(), kinds: kinds.len(), tags: tags.len() });
    }
    let mut rest = Rest { numbers, bytes };
    let mut cost = 0;
    let mut original = Original::default();
    for (at, (&index, &bits)) in indices.iter().zip(kinds).enumerate() {
        rising(indices, at, index, batch.ids.len())?;
        let watched = bits & WATCHED != 0;
        let kind = ActionKind::from_bits(bits & !WATCHED).ok_or(Invalid::Kind { at, kind: bits })?;
        if watched && !kind.may_watch() {
            return Err(Invalid::Watch { at });
        }
        if watched && !bounds.responses {
            return Err(Invalid::Unwatchable { at });
        }
        match kind {
            ActionKind::Forward => {}
            ActionKind::Rewrite => {
                original.seek(batch, index as usize);
                cost += rest.request(at, batch, &original)?;
            }
            ActionKind::FanOut => {
                original.seek(batch, index as usize);
                let count = rest.number(at)?;
                if count == 0 {
                    return Err(Invalid::NoRequests { at });
                }
                for _ in 0..count {
                    cost += rest.request(at, batch, &original)?;
                }
            }
            ActionKind::Reply => rest.frame(at, false)?,
            ActionKind::Close => rest.frame(at, true)?,
        }
    }
    if !rest.numbers.is_empty() || !rest.bytes.is_empty() {
        return Err(Invalid::Leftover { numbers: rest.numbers.len(), bytes: rest.bytes.len() });
    }
    if cost > bounds.output as u64 && cost > cost_of(batch) + bounds.output as u64 {
        return Err(Invalid::Expansion(bounds.output));
    }
    Ok(())
}

/// Checks changes against the batch of responses that they answer: for each, whether it is a push,
/// which nothing but a push may replace.
pub(super) fn changes(
    changes: &Changes,
    mut pushes: impl Iterator<Item = bool>,
    responses: usize,
) -> Result<(), Invalid> {
    let Changes { indices, lengths, bytes } = changes;
    if indices.len() != lengths.len() {
        return Err(Invalid::ChangeColumns { indices: indices.len(), lengths: lengths.len() });
    }
    let mut bytes = bytes.as_slice();
    let mut next = 0;
    for (at, (&index, &length)) in indices.iter().zip(lengths).enumerate() {
        rising(indices, at, index, responses)?;
        let (frame, rest) = bytes.split_at_checked(length as usize).ok_or(Invalid::Bytes { at })?;
        let push = pushes.nth(index as usize - next).unwrap_or(false);
        next = index as usize + 1;
        response(frame, push).map_err(|problem| Invalid::Frame { at, problem })?;
        bytes = rest;
    }
    if !bytes.is_empty() {
        return Err(Invalid::Leftover { numbers: 0, bytes: bytes.len() });
    }
    Ok(())
}

/// Checks that bytes are exactly one complete reply. What only RESP3 knows becomes its counterpart
/// where the session speaks RESP2.
pub(super) fn reply(frame: &[u8]) -> Result<(), FrameProblem> {
    match frame_length(frame) {
        Err(_) => return Err(FrameProblem::NotResp),
        Ok(None) => return Err(FrameProblem::Incomplete),
        Ok(Some(length)) if length == frame.len() => {}
        Ok(Some(length)) => return Err(FrameProblem::Trailing(frame.len().saturating_sub(length))),
    }
    elements(frame)
}

/// As [`reply`], for what takes the place of a response, which may have been a push.
fn response(frame: &[u8], push: bool) -> Result<(), FrameProblem> {
    if !push {
        return reply(frame);
    }
    let Some(plain) = frame.strip_prefix(b">").map(|rest| [b"*", rest].concat()) else {
        return Err(FrameProblem::NotPush);
    };
    reply(&plain)
}

/// Checks every element of a whole frame.
fn elements(frame: &[u8]) -> Result<(), FrameProblem> {
    let mut rest = frame;
    while let Some((&kind, after)) = rest.split_first() {
        if kind == b'>' {
            return Err(FrameProblem::Push);
        }
        let end = after.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(FrameProblem::Incomplete)?;
        let (line, tail) = after.split_at(end);
        let tail = tail.strip_prefix(b"\r\n").ok_or(FrameProblem::LineBreak)?;
        rest = match kind {
            b'$' | b'=' | b'!' => skip_bulk(line, tail)?,
            _ => tail,
        };
    }
    Ok(())
}

/// What follows the bytes of a bulk string whose length is `line`; a null one (`$-1`) has none.
fn skip_bulk<'a>(line: &[u8], tail: &'a [u8]) -> Result<&'a [u8], FrameProblem> {
    if line == b"-1" {
        return Ok(tail);
    }
    let length: usize =
        std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok()).ok_or(FrameProblem::NotResp)?;
    length.checked_add(2).and_then(|skipped| tail.get(skipped..)).ok_or(FrameProblem::Incomplete)
}

fn rising(indices: &[u32], at: usize, index: u32, batch: usize) -> Result<(), Invalid> {
    if index as usize >= batch {
        return Err(Invalid::Index { at, index, batch });
    }
    match at.checked_sub(1).and_then(|before| indices.get(before)) {
        Some(&before) if before >= index => Err(Invalid::Order { at, index }),
        _ => Ok(()),
    }
}

/// What the requests of a batch cost by the measure that is applied to those that replace them.
fn cost_of(batch: &RequestBatch<'_>) -> u64 {
    let lengths: u64 = batch.arg_lengths.iter().map(|&length| u64::from(length & !KEY) + ARGUMENT_COST).sum();
    lengths + batch.ids.len() as u64 * REQUEST_COST
}

/// The arguments of the request that a verdict is on. Verdicts come in the order of requests, so it
/// only moves on.
#[derive(Default)]
struct Original {
    request: usize,
    first: usize,
    count: u32,
}

impl Original {
    fn seek(&mut self, batch: &RequestBatch<'_>, request: usize) {
        let passed = batch.arg_counts.get(self.request..request).unwrap_or(&[]);
        self.first += passed.iter().map(|&count| count as usize).sum::<usize>();
        self.request = request;
        self.count = batch.arg_counts.get(request).copied().unwrap_or(0);
    }

    fn length(&self, batch: &RequestBatch<'_>, argument: u32) -> u64 {
        let length = batch.arg_lengths.get(self.first + argument as usize);
        u64::from(length.copied().unwrap_or(0) & !KEY)
    }
}

/// The numbers and bytes that no verdict has taken yet.
struct Rest<'a> {
    numbers: &'a [u32],
    bytes: &'a [u8],
}

impl Rest<'_> {
    fn number(&mut self, at: usize) -> Result<u32, Invalid> {
        let (&number, rest) = self.numbers.split_first().ok_or(Invalid::Numbers { at })?;
        self.numbers = rest;
        Ok(number)
    }

    /// Takes a request; gives what it costs.
    fn request(&mut self, at: usize, batch: &RequestBatch<'_>, original: &Original) -> Result<u64, Invalid> {
        let count = self.number(at)?;
        if count == 0 || count > MAX_ARGUMENTS {
            return Err(Invalid::Arguments { at, count });
        }
        let (arguments, rest) = self.numbers.split_at_checked(count as usize).ok_or(Invalid::Numbers { at })?;
        self.numbers = rest;
        let mut literal = 0;
        let mut cost = REQUEST_COST + u64::from(count) * ARGUMENT_COST;
        for &number in arguments {
            let argument = number & !ARGUMENT_OF_ORIGINAL;
            if argument == number {
                if number > MAX_ARGUMENT_BYTES {
                    return Err(Invalid::Argument { at, length: number });
                }
                literal += u64::from(number);
            } else if argument < original.count {
                cost += original.length(batch, argument);
            } else {
                return Err(Invalid::Original { at, argument, count: original.count });
            }
        }
        let (_, rest) = usize::try_from(literal)
            .ok()
            .and_then(|literal| self.bytes.split_at_checked(literal))
            .ok_or(Invalid::Bytes { at })?;
        self.bytes = rest;
        Ok(cost + literal)
    }

    /// Takes the frame of a verdict on the request at `index`.
    fn frame(&mut self, at: usize, may_be_empty: bool) -> Result<(), Invalid> {
        let length = self.number(at)?;
        let (frame, rest) = self.bytes.split_at_checked(length as usize).ok_or(Invalid::Bytes { at })?;
        self.bytes = rest;
        if frame.is_empty() && may_be_empty {
            return Ok(());
        }
        reply(frame).map_err(|problem| Invalid::Frame { at, problem })
    }
}

#[cfg(test)]
#[path = "validate_test.rs"]
mod tests;
