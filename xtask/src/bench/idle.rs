//! What a session costs that does nothing.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::peer::Peer;
use super::usage;
use crate::resp::Connection;

/// Sessions whose cost is measured.
pub(super) const SESSIONS: usize = 2_000;
/// Sessions before them, so that what a proxy allocates once is not counted.
const FIRST: usize = 100;
/// Memory that is given back late is not counted either.
const SETTLE: Duration = Duration::from_millis(500);

/// Resident bytes of the proxy for each session that has asked once and is silent since.
pub(super) fn bytes_per_session(peer: &Peer) -> Result<u64> {
    let open = |count: usize| -> Result<Vec<Connection>> {
        let one = || {
            let mut connection = Connection::open(peer.address)?;
            connection.ask(&["GET", "idle"])?;
            Ok(connection)
        };
        (0..count).map(|_| one()).collect()
    };
    let _first = open(FIRST)?;
    sleep(SETTLE);
    let before = usage::resident_bytes(peer.daemon.pid())?;
    let _sessions = open(SESSIONS)?;
    sleep(SETTLE);
    let after = usage::resident_bytes(peer.daemon.pid())?;
    Ok(after.saturating_sub(before) / SESSIONS as u64)
}
