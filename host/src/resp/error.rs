//! What a peer did wrong, in the server's words.

/// A violation of the protocol. Its text is what the server answers before it closes the connection, without the leading
/// `ERR`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProtocolError {
    /// The number after `*` is not one, or too large.
    #[error("Protocol error: invalid multibulk length")]
    MultibulkLength,
    /// The number after `$` is not one, or too large.
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    /// An argument that does not begin with `$`.
    #[error("Protocol error: expected '$', got '{}'", printable(*.0))]
    ExpectedBulk(u8),
    /// A `*` whose number does not end within 64 KiB.
    #[error("Protocol error: too big mbulk count string")]
    MultibulkLine,
    /// A `$` whose number does not end within 64 KiB.
    #[error("Protocol error: too big bulk count string")]
    BulkLine,
    /// An inline request longer than 64 KiB.
    #[error("Protocol error: too big inline request")]
    InlineLine,
    /// An inline request with a quote that is not closed.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A line or a bulk string that is not followed by CR LF. The server takes it; a proxy must not, because a server that read
    /// it otherwise would then see other frames than the proxy.
    #[error("Protocol error: expected CR LF at the end of a line or bulk string")]
    ExpectedCrLf,
    /// A frame beyond the limit of its listener, in bytes.
    #[error("Protocol error: request larger than {0} bytes")]
    TooLarge(usize),
    /// A reply that begins with a byte that no type has.
    #[error("Protocol error: no reply type begins with '{}'", printable(*.0))]
    ReplyType(u8),
    /// A reply with a length that is not a number, or too large.
    #[error("Protocol error: invalid length in a reply")]
    ReplyLength,
}

/// As the server shows it: what would break the line is a space. What is not ASCII would not be one byte here.
fn printable(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        1..=0x7f => char::from(byte),
        _ => '?',
    }
}
