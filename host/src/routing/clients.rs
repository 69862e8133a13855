//! The IDs that clients are told, and the clients that they mean.
//!
//! A server would tell the ID of the connection that a request runs on, which may be one that
//! sessions share, or the next session's. So the proxy gives every session an ID of its own, the
//! same on all its connections, and reads it where a client uses it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::upstream::ServerIds;

/// The clients of all workers of a proxy, by the IDs that they are told. IDs rise from 1 and are
/// never used again.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    last: AtomicU64,
    known: Mutex<HashMap<u64, Arc<Client>>>,
}

/// One client.
pub(crate) struct Client {
    /// The ID that it is told.
    pub(super) id: u64,
    /// What servers know it by.
    pub(super) servers: Arc<ServerIds>,
    hang_up: Box<dyn Fn() + Send + Sync>,
}

impl Clients {
    /// A new client, which `hang_up` disconnects.
    pub(crate) fn add(&self, hang_up: Box<dyn Fn() + Send + Sync>) -> Arc<Client> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client { id, servers: Arc::default(), hang_up });
        self.lock().insert(id, client.clone());
        client
    }

    /// The client that was told this ID; `None`: it has gone, or none was.
    pub(super) fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.lock().get(&id).cloned()
    }

    /// A client has gone.
    pub(super) fn remove(&self, client: &Client) {
        self.lock().remove(&client.id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Client>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Disconnects it.
    pub(super) fn hang_up(&self) {
        (self.hang_up)();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.id)
    }
}
