//! What the proxy answers itself in front of a cluster that is hidden.

use std::net::SocketAddr;

use bytes::Bytes;
use sluice_commands::{Args, CommandId, ConnectionNeed, table};

use super::super::request::{QueuedRequest, RequestInfo};
use super::route::ClusterRoute;
use crate::chain::vector::Arguments;
use crate::cluster::{Slot, Target, VirtualAnswer, VirtualNode, refusal};
use crate::ids::{Sequence, SessionId};
use crate::resp::{Protocol, encode};

/// What becomes of a request that does not go its way.
pub(super) enum Local {
    /// It is answered.
    Reply(Bytes),
    /// It goes to the owner of this slot.
    To(Slot),
}

/// What is known of the client that a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) id: SessionId,
    pub(super) protocol: Protocol,
    /// Where it has found the proxy.
    pub(super) found_at: Option<SocketAddr>,
    /// Its first request that is not answered.
    pub(super) head: Sequence,
}

impl Client {
    /// Whether it may only speak of its subscriptions, as subscribers of RESP2 may.
    pub(super) fn is_modal(self, route: &ClusterRoute) -> bool {
        self.protocol == Protocol::Resp2 && route.is_listening()
    }
}

const TRACKING: &str = "ERR CLIENT TRACKING is not supported in front of a cluster: its keys are at several servers";

/// What is answered without asking the cluster, or what else it is asked; `None`: the request goes
/// its way.
pub(super) fn answer(request: &QueuedRequest, client: Client) -> Option<Local> {
    if request.ticket.part > 0 {
        return None;
    }
    let command = request.info.command;
    let frame = match (&request.info.target, request.info.need) {
        (Target::Incomplete, _) => wrong_number(command),
        (Target::Refused, _) | (_, ConnectionNeed::Tracking) if !is_complete(request) => wrong_number(command),
        (Target::Refused, _) => refusal(command),
        (_, ConnectionNeed::Tracking) => encode::error(TRACKING),
        // There is nowhere to ask.
        (_, ConnectionNeed::Asking) => encode::OK.to_vec(),
        (Target::Anywhere, ConnectionNeed::Shared) if asks_for_nodes(command) => {
            let mut spans = Vec::new();
            let arguments = Arguments::of(&request.frame, &mut spans);
            match VirtualNode::new(client.found_at).answer(command, &arguments, client.protocol) {
                VirtualAnswer::Frame(frame) => frame,
                VirtualAnswer::To(slot) => return Some(Local::To(slot)),
                VirtualAnswer::Nothing => return None,
            }
        }
        _ => return None,
    };
    Some(Local::Reply(frame.into()))
}

/// What a subscriber that speaks RESP2 is answered where a server would first look for the slot, in
/// the server's words; `None`: the server knows what it may say.
pub(super) fn out_of_mode(info: &RequestInfo) -> Option<Vec<u8>> {
    let keyed = matches!(info.target, Target::To(_) | Target::Parts(_) | Target::Apart);
    if info.need == ConnectionNeed::Listen || !keyed {
        return None;
    }
    let name = info.command.get().map_or("", |command| command.name());
    let allowed = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    Some(encode::error(&format!("ERR Can't execute '{name}': {allowed}")))
}

/// What must not be a part of a transaction, which is one node's: it asks for what is hidden, or
/// concerns others.
pub(super) fn beyond_transactions(request: &QueuedRequest) -> Option<Vec<u8>> {
    let command = request.info.command;
    // What no server accepts is the server's to refuse.
    if !is_complete(request) || table().by_name("cluster") == Some(command) {
        return None;
    }
    match request.info.target {
        Target::Refused => return Some(refusal(command)),
        // It does not wait there, and speaks of the node that has the keys.
        _ if request.info.need == ConnectionNeed::Blocking => return None,
        Target::Primaries | Target::Nodes | Target::Named(_) | Target::Scan | Target::RandomKey => {}
        Target::Anywhere if asks_for_nodes(command) || is_retold(command) => {}
        _ => return None,
    }
    let name = command.get().map_or("", |command| command.name()).replace('|', " ").to_uppercase();
    let reason = "concerns a whole cluster, and a transaction only one of its nodes";
    Some(encode::error(&format!("ERR {name} cannot be part of a transaction: it {reason}")))
}

/// Whether a request has as many arguments as its command takes.
fn is_complete(request: &QueuedRequest) -> bool {
    let mut spans = Vec::new();
    let count = Arguments::of(&request.frame, &mut spans).count();
    request.info.command.get().is_none_or(|command| command.accepts(count))
}

/// Whether a command asks for what is hidden.
fn asks_for_nodes(command: CommandId) -> bool {
    command
        .get()
        .is_some_and(|command| matches!(command.name(), "role" | "cluster") || command.name().starts_with("cluster|"))
}

/// Whether the reply of a node has to be put into other words.
pub(super) fn is_retold(command: CommandId) -> bool {
    table().by_name("info") == Some(command)
}

fn wrong_number(command: CommandId) -> Vec<u8> {
    let name = command.get().map_or("", |command| command.name());
    encode::error(&format!("ERR wrong number of arguments for '{name}' command"))
}
