//! What the connection that a command needs means for routing.

use sluice_commands::ConnectionNeed;

/// Whether a command must not run on a connection that sessions share. What ends something that
/// never began may.
pub(super) fn is_exclusive(need: ConnectionNeed) -> bool {
    use ConnectionNeed as Need;
    !matches!(need, Need::Shared | Need::Quit | Need::ClientReply | Need::Exec | Need::Discard | Need::Unwatch)
}

/// Whether the server takes a command that it does not know for a web browser that was lured into
/// sending it, and closes the connection.
pub(super) fn is_from_a_browser(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}
