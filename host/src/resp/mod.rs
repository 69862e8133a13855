//! The wire: where frames of RESP2 and RESP3 begin and end, and how they are written.
//!
//! Finding the end of a frame is the hot path of a proxy, so it is done here by two small scanners that look at headers
//! only and can go on where they stopped. Values inside of frames are the business of the `redis-protocol` crate, which is
//! also the oracle that the scanners are tested against.
//!
//! | file | idea |
//! | --- | --- |
//! | `number` | the decimal numbers of headers |
//! | `request` | where a request ends, and its arguments |
//! | `inline` | requests typed by hand |
//! | `reply` | where a reply ends |
//! | `encode` | writing requests and replies |
//! | `downgrade` | RESP3 values for a client that speaks RESP2 |
//! | `escapes` | bytes as text that people read and write |
//! | `error` | what a peer did wrong, in the server's words |

pub mod downgrade;
pub mod encode;
mod error;
pub mod escapes;
pub mod inline;
mod number;
pub mod reply;
pub mod request;

pub use error::ProtocolError;

/// The longest line that a header or an inline request may be, in bytes. As in the server (`PROTO_INLINE_MAX_SIZE`).
pub const MAX_LINE: usize = 64 * 1024;

/// The longest bulk string, in bytes. As in the server (`proto-max-bulk-len`).
pub const MAX_BULK: usize = 512 * 1024 * 1024;

/// The most arguments that a request may have.
pub const MAX_ARGUMENTS: usize = 1024 * 1024;

/// A part of a frame: where it begins, counted from the frame's first byte, and its length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Bytes from the beginning of the frame.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The bytes that this span covers in `frame`; empty where it reaches beyond it.
    pub fn of(self, frame: &[u8]) -> &[u8] {
        let start = self.start as usize;
        frame.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// What a scanner found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scan {
    /// A whole frame, this many bytes long.
    Complete(usize),
    /// The frame goes on: there is nothing to learn before this many of its bytes are there.
    Incomplete(usize),
}

/// The protocol that a session speaks.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// RESP2: what every client speaks until it says HELLO 3.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

impl Protocol {
    /// The one that HELLO asks for with this argument, if it is one.
    pub fn of_version(version: &[u8]) -> Option<Self> {
        match version {
            b"2" => Some(Self::Resp2),
            b"3" => Some(Self::Resp3),
            _ => None,
        }
    }
}
