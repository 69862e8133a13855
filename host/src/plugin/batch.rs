//! The two batches that cross into a component, in the columns form: borrowed slices, nothing
//! copied.

use crate::resp::reply;

/// The bit of an argument's length that says that it is a key.
pub const KEY: u32 = 1 << 31;

/// The offset of an argument outside the view.
pub const NOT_SHOWN: u32 = u32::MAX;

/// The number of a command that is not in the table.
pub const UNKNOWN_COMMAND: u16 = u16::MAX;

/// Requests on their way into a transform. The columns are those of `requests-columns.handle`.
///
/// The caller keeps them consistent: the first four have one entry per request, the next two one
/// per argument, and the arguments lie within `bytes`.
#[derive(Clone, Copy, Debug)]
pub struct RequestBatch<'a> {
    /// Message IDs.
    pub ids: &'a [u64],
    /// The session of each request.
    pub sessions: &'a [u64],
    /// The position of each command in the table, or [`UNKNOWN_COMMAND`].
    pub commands: &'a [u16],
    /// How many arguments each request has, at least 1.
    pub arg_counts: &'a [u32],
    /// Where each argument begins in `bytes`, or [`NOT_SHOWN`].
    pub arg_offsets: &'a [u32],
    /// The length of each argument; with [`KEY`] set where it is a key and the interest asked.
    pub arg_lengths: &'a [u32],
    /// What the offsets point into.
    pub bytes: &'a [u8],
}

impl<'a> RequestBatch<'a> {
    /// The argument at a position in the argument columns; empty where it is outside the view.
    pub(super) fn argument(&self, at: usize) -> &'a [u8] {
        let offset = self.arg_offsets.get(at).copied().unwrap_or(NOT_SHOWN);
        let length = self.arg_lengths.get(at).copied().unwrap_or(0) & !KEY;
        if offset == NOT_SHOWN {
            return &[];
        }
        let start = offset as usize;
        start.checked_add(length as usize).and_then(|end| self.bytes.get(start..end)).unwrap_or(&[])
    }
}

/// Watched responses on their way into a transform. The columns are those of
/// `responses-columns.handle`.
#[derive(Clone, Copy, Debug)]
pub struct ResponseBatch<'a> {
    /// The message IDs of their requests.
    pub ids: &'a [u64],
    /// The sessions of their requests.
    pub sessions: &'a [u64],
    /// What the verdicts gave.
    pub tags: &'a [u64],
    /// The length of each frame.
    pub lengths: &'a [u32],
    /// The frames, one after the other.
    pub bytes: &'a [u8],
}

impl ResponseBatch<'_> {
    /// For each response, whether it is out-of-band data of RESP3.
    pub(super) fn pushes(&self) -> impl Iterator<Item = bool> {
        let mut bytes = self.bytes;
        self.lengths.iter().map(move |&length| {
            let (frame, rest) = bytes.split_at_checked(length as usize).unwrap_or((bytes, &[]));
            bytes = rest;
            reply::is_push(frame)
        })
    }
}
