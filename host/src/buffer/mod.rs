//! Bytes on their way in ([`Arena`]) and on their way out ([`Outbox`]).

mod arena;
mod outbox;

pub use arena::Arena;
pub use outbox::{Flush, LARGE, Outbox};
