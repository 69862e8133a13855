//! What transforms may learn of sessions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::chain::Effect;
use crate::ids::SessionId;
use crate::net::Peer;
use crate::plugin::{SessionDirectory, SessionInfo};
use crate::resp::Protocol;

/// The sessions of a worker, as their transforms see them. Apart from the sessions themselves, because a transform asks while the
/// turn has those in its hands.
#[derive(Debug, Default)]
pub(super) struct Directory {
    entries: RefCell<HashMap<SessionId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    source: Arc<str>,
    tls_subject: Option<Arc<str>>,
    /// `None`: the default user.
    user: Option<Arc<str>>,
    database: u32,
    protocol: Protocol,
}

impl Directory {
    pub(super) fn add(&self, session: SessionId, source: Arc<str>, peer: Peer, tls_subject: Option<Arc<str>>) {
        let entry = Entry { peer, source, tls_subject, user: None, database: 0, protocol: Protocol::Resp2 };
        self.entries.borrow_mut().insert(session, entry);
    }

    pub(super) fn remove(&self, session: SessionId) {
        self.entries.borrow_mut().remove(&session);
    }

    /// A reply has said what became of a session.
    pub(super) fn settle(&self, session: SessionId, effect: &Effect) {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&session) else { return };
        match effect {
            Effect::Hello(protocol, user) => {
                entry.protocol = protocol.unwrap_or(entry.protocol);
                if user.is_some() {
                    entry.user.clone_from(user);
                }
            }
            Effect::Auth(user) => entry.user = Some(user.clone()),
            Effect::Select(database) => entry.database = *database,
            Effect::Reset => {
                (entry.user, entry.database, entry.protocol) = (None, 0, Protocol::Resp2);
            }
            Effect::Silence => {}
        }
    }
}

impl SessionDirectory for Directory {
    fn session(&self, id: u64) -> Option<SessionInfo> {
        let entries = self.entries.borrow();
        let entry = entries.get(&SessionId(id))?;
        Some(SessionInfo {
            peer: entry.peer.to_string(),
            source: entry.source.to_string(),
            user: entry.user.as_deref().unwrap_or("default").to_owned(),
            tls_subject: entry.tls_subject.as_deref().map(str::to_owned),
            database: entry.database,
            protocol: match entry.protocol {
                Protocol::Resp2 => 2,
                Protocol::Resp3 => 3,
            },
        })
    }
}
