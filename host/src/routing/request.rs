//! A request as routing sees it: what is known of it, and one that waits.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::{Args, CommandId, ConnectionNeed};

use super::cluster::retry::Retry;
use super::session_state::{SessionState, StateChange};
use crate::chain::Frame;
use crate::chain::vector::Arguments;
use crate::cluster::{Slot, Target};
use crate::upstream::{Cluster, Expect, Identity, ServerCommands, Ticket};

/// What routing knows of a request. Found once, when the request leaves the chain.
#[derive(Clone, Debug)]
pub(super) struct RequestInfo {
    pub(super) command: CommandId,
    pub(super) need: ConnectionNeed,
    /// What it asks to change.
    pub(super) change: Option<StateChange>,
    pub(super) expect: Expect,
    /// Where in a cluster it goes.
    pub(super) target: Target,
    /// Whether it has several keys, which may be at two nodes while their slot moves.
    pub(super) several: bool,
}

/// A request that waits for a reply, or for a connection of its own.
#[derive(Debug)]
pub(super) struct QueuedRequest {
    pub(super) ticket: Ticket,
    pub(super) frame: Bytes,
    pub(super) info: RequestInfo,
    /// What has come of it so far, where it was sent before: in a cluster.
    pub(super) retry: Option<Box<Retry>>,
}

/// A request that has just come out of the chain.
pub(crate) struct Outgoing<'a> {
    pub(super) ticket: Ticket,
    pub(super) command: CommandId,
    pub(super) arguments: Arguments<'a>,
    /// What it asks to change, where its arguments do not say so.
    pub(super) change: Option<StateChange>,
    /// The servers that it goes to, each with a request of its own; none: wherever its command does.
    pub(super) servers: Vec<(Arc<str>, Bytes)>,
    pub(super) frame: Frame,
    /// Where a frame that is not apart lies.
    pub(super) arena: &'a [u8],
}

/// How an exclusive connection is set up for a request.
pub(super) struct Setup {
    /// Who the connection is to the server.
    pub(super) identity: Rc<Identity>,
    /// Whether the connection is used even if the server refuses the handshake.
    pub(super) ignore_handshake_errors: bool,
    /// Whether the connection is for this request alone.
    pub(super) once: bool,
}

impl RequestInfo {
    /// What is known of a request to one server. `strange`: what happens where neither the table nor
    /// the server has named its command.
    pub(super) fn new(
        command: CommandId,
        arguments: &Arguments<'_>,
        commands: &ServerCommands,
        strange: impl FnOnce(),
    ) -> Self {
        let mut target = Target::Anywhere;
        let mut need = command.need_with(arguments);
        if need == ConnectionNeed::Unknown {
            let name = arguments.get(0).unwrap_or_default();
            match commands.find(name).filter(|_| command == CommandId::UNKNOWN) {
                Some(module) => (need, target) = (module.need, module.target(arguments)),
                None => strange(),
            }
            if need != ConnectionNeed::Blocking && commands.may_share(name) {
                need = ConnectionNeed::Shared;
            }
        }
        let change = StateChange::of(command, need, arguments);
        let expect = Expect::of(command, need, arguments.count());
        Self { command, need, change, expect, target, several: false }
    }

    /// What is known of a request to a cluster.
    pub(super) fn in_cluster(command: CommandId, arguments: &Arguments<'_>, cluster: &Cluster) -> Self {
        let info = Self::new(command, arguments, cluster.commands(), || cluster.is_strange());
        if command == CommandId::UNKNOWN {
            return info;
        }
        let mut keys = Vec::new();
        let target = match Target::straight(command, arguments) {
            Some(slot) => Target::To(slot),
            None => Target::of(command, arguments, &mut keys),
        };
        Self { target, several: keys.len() > 1, ..info }
    }

    /// Has it ask for this change, if there is one, instead of what its arguments ask for.
    pub(super) fn ask_for(&mut self, change: Option<StateChange>) {
        if change.is_some() {
            self.change = change;
        }
    }

    /// The slot that it may go to straight; `None`: it takes a closer look.
    pub(super) fn slot(&self) -> Option<Slot> {
        match self.target {
            Target::To(slot) if self.need == ConnectionNeed::Shared && !self.several => Some(slot),
            _ => None,
        }
    }

    /// How an exclusive connection is set up for it. `beginning`: who a new session is.
    pub(super) fn setup(&self, state: &SessionState, beginning: &Rc<Identity>) -> Setup {
        let own = &state.identity;
        let introduces = self.change.as_ref().is_some_and(StateChange::introduces);
        match (introduces, self.need == ConnectionNeed::Urgent) {
            // But for the protocol, in which its reply is told.
            (true, _) => Setup {
                identity: Rc::new(Identity { protocol: own.protocol, ..(**beginning).clone() }),
                ignore_handshake_errors: true,
                once: true,
            },
            // A busy server selects no database, and it would not matter.
            (_, true) => Setup {
                identity: Rc::new(Identity { database: 0, ..(**own).clone() }),
                ignore_handshake_errors: false,
                once: true,
            },
            _ => Setup { identity: own.clone(), ignore_handshake_errors: false, once: false },
        }
    }
}

impl QueuedRequest {
    /// Keeps a request that has just come out of the chain.
    pub(super) fn new(request: &Outgoing<'_>, info: RequestInfo) -> Self {
        let frame = match &request.frame {
            Frame::Arena(range) => Bytes::copy_from_slice(request.arena.get(range.clone()).unwrap_or_default()),
            Frame::Large(bytes) => bytes.clone(),
        };
        Self { ticket: request.ticket, frame, info, retry: None }
    }

    /// Its place, and which part of a request it is.
    pub(super) fn place(&self) -> (u64, u16) {
        (self.ticket.sequence, self.ticket.part)
    }
}
