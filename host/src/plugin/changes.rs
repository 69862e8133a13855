//! The changes of a crossing, checked: the responses that are to be replaced.

/// The responses of a batch that are to be replaced, in the columns form of the contract.
///
/// [`Instance::responses`](super::Instance::responses) fills it and checks it against the batch.
#[derive(Debug, Default)]
pub struct Changes {
    pub(super) indices: Vec<u32>,
    pub(super) lengths: Vec<u32>,
    pub(super) bytes: Vec<u8>,
}

impl Changes {
    /// No changes: every response is kept.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every response is kept.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// How many responses are replaced.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// The position in the batch of each replaced response, rising, and the frame that takes its
    /// place.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut bytes = self.bytes.as_slice();
        self.indices.iter().zip(&self.lengths).map_while(move |(&index, &length)| {
            let (frame, rest) = bytes.split_at_checked(length as usize)?;
            bytes = rest;
            Some((index, frame))
        })
    }

    pub(super) fn clear(&mut self) {
        self.indices.clear();
        self.lengths.clear();
        self.bytes.clear();
    }
}
