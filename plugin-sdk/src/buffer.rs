//! Buffers that are used again for every batch, and do not stay large because one batch was.

/// What a buffer may keep between two batches, in bytes.
pub(crate) const KEPT: usize = 256 * 1024;

/// Empty a buffer; give its memory back if it has grown beyond [`KEPT`].
#[inline]
pub(crate) fn reset<T>(buffer: &mut Vec<T>) {
    buffer.clear();
    if buffer.capacity() > KEPT / size_of::<T>() {
        buffer.shrink_to(KEPT / size_of::<T>());
    }
}
