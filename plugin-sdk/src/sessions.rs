//! Who is behind a session. Needs the grant `sessions`.

use crate::{SessionId, host};

/// What the host knows of a session at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The client's address, such as `127.0.0.1:50012`.
    pub peer: String,
    /// The name of the source that it connected to.
    pub source: String,
    /// The user that it has authenticated as; `default` until then.
    pub user: String,
    /// The subject of its TLS certificate, where it showed one.
    pub tls_subject: Option<String>,
    /// The database that it has selected.
    pub database: u32,
    /// The protocol that it speaks: 2 or 3.
    pub protocol: u8,
}

/// The session with this ID; `None` once it has gone.
#[must_use]
pub fn get(id: SessionId) -> Option<Session> {
    host::sessions::get(id.get())
}
