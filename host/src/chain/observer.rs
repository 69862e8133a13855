//! Looking on: what crosses into a transform, and what it answers.

use crate::plugin::{Changes, Fault, RequestBatch, ResponseBatch, Verdicts};

/// Is told of every crossing of a transform, before its answer takes effect: what tests of transforms look with.
///
/// Frames of suspended sessions, which do not cross, are told of with [`Fault::Suspended`]. After a fault of a crossing that several
/// sessions shared, each session's frames cross again by themselves, and are told of again: the last word on a frame counts.
pub trait Observer {
    /// Requests have crossed.
    fn requests(&self, batch: &RequestBatch<'_>, answer: Result<&Verdicts, &Fault>);

    /// Watched responses have crossed.
    fn responses(&self, batch: &ResponseBatch<'_>, answer: Result<&Changes, &Fault>);
}
