//! The sessions that a component is made to believe in.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::plugin::{SessionDirectory, SessionInfo};

/// The sessions that there are.
pub(super) struct Sessions(RefCell<BTreeMap<u64, SessionInfo>>);

impl Sessions {
    pub(super) fn new(sessions: BTreeMap<u64, SessionInfo>) -> Self {
        Self(RefCell::new(sessions))
    }

    /// The protocol that a session speaks.
    pub(super) fn protocol_of(&self, id: u64) -> u8 {
        self.protocol(id).unwrap_or(2)
    }

    /// Ends a session.
    pub(super) fn close(&self, id: u64) {
        self.0.borrow_mut().remove(&id);
    }
}

impl SessionDirectory for Sessions {
    fn session(&self, id: u64) -> Option<SessionInfo> {
        self.0.borrow().get(&id).cloned()
    }
}
