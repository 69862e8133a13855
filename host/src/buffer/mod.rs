//! Bytes on their way in ([`Arena`]) and on their way out ([`Outbox`]).

mod arena;
mod outbox;

pub use arena::Arena;
pub use outbox::{Flush, Outbox};

/// Frames of this many bytes and more are kept apart and passed on without a copy; smaller ones are copied to where they are
/// written together. 32 KiB takes about a microsecond to copy: the price of one system call.
pub const LARGE: usize = 32 * 1024;
