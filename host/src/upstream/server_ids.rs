//! The IDs that servers know the exclusive connections of a session by.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the servers call a session: one ID for each exclusive connection that it has. Any worker may
/// read it.
#[derive(Debug, Default)]
pub struct ServerIds(Mutex<Vec<(Box<str>, i64)>>);

impl ServerIds {
    /// The servers, each with the ID that it knows the session by.
    pub fn all(&self) -> Vec<(Box<str>, i64)> {
        self.lock().clone()
    }

    /// This server knows the session by this ID.
    pub(super) fn add(&self, server: &str, id: i64) {
        self.lock().push((server.into(), id));
    }

    /// It does no longer.
    pub(super) fn remove(&self, server: &str, id: i64) {
        self.lock().retain(|(of, known)| **of != *server || *known != id);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Box<str>, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
