//! What transforms may learn of sessions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::SessionId;
use crate::net::Peer;
use crate::plugin::{SessionDirectory, SessionInfo};
use crate::resp::Protocol;
use crate::routing::SharedState;

/// The sessions of a worker, as their transforms see them. Apart from the sessions themselves,
/// because a transform asks while the turn has those in its hands.
#[derive(Debug, Default)]
pub(super) struct Directory {
    entries: RefCell<HashMap<SessionId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    source: Arc<str>,
    tls_subject: Option<Arc<str>>,
    /// Who it is to the server: routing keeps it.
    state: SharedState,
}

impl Directory {
    pub(super) fn add(
        &self,
        session: SessionId,
        source: Arc<str>,
        peer: Peer,
        tls_subject: Option<Arc<str>>,
        state: SharedState,
    ) {
        self.entries.borrow_mut().insert(session, Entry { peer, source, tls_subject, state });
    }

    pub(super) fn remove(&self, session: SessionId) {
        self.entries.borrow_mut().remove(&session);
    }
}

impl SessionDirectory for Directory {
    fn session(&self, id: u64) -> Option<SessionInfo> {
        let entries = self.entries.borrow();
        let entry = entries.get(&SessionId(id))?;
        let state = entry.state.borrow();
        Some(SessionInfo {
            peer: entry.peer.to_string(),
            source: entry.source.to_string(),
            user: state.user(),
            tls_subject: entry.tls_subject.as_deref().map(str::to_owned),
            database: state.next().database,
            protocol: match state.next().protocol {
                Protocol::Resp2 => 2,
                Protocol::Resp3 => 3,
            },
        })
    }
}
