//! `sessions`: who is behind a session.

use std::rc::Rc;

use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::sessions;
use super::interface::Interface;
use crate::plugin::grants::Grant;
use crate::plugin::versions::V0_1;

pub(super) const INTERFACE: Interface =
    Interface { name: "sessions", grant: Some(Grant::Sessions), functions: &[("get", V0_1)] };

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(
    to: &mut LinkerInstance<'_, T>,
    of: fn(&mut T) -> &mut Sessions,
) -> wasmtime::Result<()> {
    sessions::add_to_linker_instance::<_, HasSelf<Sessions>>(to, of)
}

/// Where an instance looks up the sessions of its worker.
pub trait SessionDirectory {
    /// What is known of a session at the moment; `None` once it has gone.
    fn session(&self, id: u64) -> Option<SessionInfo>;

    /// The protocol (2 or 3) that a session speaks; `None` once it has gone. Replies of a transform
    /// are checked against it.
    fn protocol(&self, id: u64) -> Option<u8> {
        self.session(id).map(|session| session.protocol)
    }
}

/// What is known of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionInfo {
    /// The client's address.
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

/// A directory without sessions: for an instance that serves none.
#[derive(Clone, Copy, Debug)]
pub struct NoSessions;

impl SessionDirectory for NoSessions {
    fn session(&self, _id: u64) -> Option<SessionInfo> {
        None
    }
}

pub(super) struct Sessions {
    directory: Rc<dyn SessionDirectory>,
}

impl Sessions {
    pub(super) fn new(directory: Rc<dyn SessionDirectory>) -> Self {
        Self { directory }
    }
}

impl sessions::Host for Sessions {
    fn get(&mut self, id: u64) -> Option<sessions::Session> {
        self.directory.session(id).map(|session| sessions::Session {
            peer: session.peer,
            source: session.source,
            user: session.user,
            tls_subject: session.tls_subject,
            database: session.database,
            protocol: session.protocol,
        })
    }
}
