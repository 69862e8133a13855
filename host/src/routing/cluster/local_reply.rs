//! What the proxy answers itself in front of a cluster that is hidden.

use bytes::Bytes;
use sluice_commands::{Args, CommandId, table};

use super::super::need::ConnectionNeed;
use super::super::session::{RequestInfo, QueuedRequest, Session};
use crate::chain::vector::Arguments;
use crate::cluster::{Slot, Target, VirtualAnswer, VirtualNode, refusal};
use crate::resp::encode;

/// What becomes of a request that does not go its target.
pub(super) enum Own {
    /// It is answered.
    Reply(Bytes),
    /// It goes to the owner of this slot.
    To(Slot),
}

const TRACKING: &str = "ERR CLIENT TRACKING is not supported in front of a cluster: its keys are at several servers";

/// What is answered without asking the cluster, or what else it is to be asked; `None`: the request goes its target.
pub(super) fn answer(session: &Session, held: &QueuedRequest) -> Option<Own> {
    if held.ticket.part > 0 {
        return None;
    }
    let command = held.info.command;
    let frame = match (&held.info.target, held.info.need) {
        (Target::Incomplete, _) => wrong_number(command),
        (Target::Refused, _) | (_, ConnectionNeed::Tracking) if !is_complete(held) => wrong_number(command),
        (Target::Refused, _) => refusal(command),
        (_, ConnectionNeed::Tracking) => encode::error(TRACKING),
        // There is nowhere to ask.
        (_, ConnectionNeed::Asking) => encode::OK.to_vec(),
        (Target::Anywhere, ConnectionNeed::Shared | ConnectionNeed::Nodes) if asks_for_nodes(command) => {
            let mut spans = Vec::new();
            let arguments = Arguments::of(&held.frame, &mut spans);
            match VirtualNode::new(session.found_at()).answer(command, &arguments, session.protocol) {
                VirtualAnswer::Frame(frame) => frame,
                VirtualAnswer::To(slot) => return Some(Own::To(slot)),
                VirtualAnswer::Nothing => return None,
            }
        }
        _ => return None,
    };
    Some(Own::Reply(frame.into()))
}

/// What a subscriber that speaks RESP2 is answered where a server would first look for the slot, in the server's words; `None`: the server
/// knows what it may say.
pub(super) fn out_of_mode(info: &RequestInfo) -> Option<Vec<u8>> {
    let keyed = matches!(info.target, Target::To(_) | Target::Parts(_) | Target::Apart);
    if info.need == ConnectionNeed::Listen || !keyed {
        return None;
    }
    let name = info.command.get().map_or("", |command| command.name());
    let allowed = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    Some(encode::error(&format!("ERR Can't execute '{name}': {allowed}")))
}

/// What must not be a part of a transaction, which is one node's: it asks for what is hidden, or concerns others.
pub(super) fn beyond_transactions(held: &QueuedRequest) -> Option<Vec<u8>> {
    let command = held.info.command;
    // What no server accepts is the server's to refuse.
    if !is_complete(held) || table().by_name("cluster") == Some(command) {
        return None;
    }
    match held.info.target {
        Target::Refused => return Some(refusal(command)),
        // It does not wait there, and speaks of the node that has the keys.
        _ if held.info.need == ConnectionNeed::Blocking => return None,
        Target::Primaries | Target::Nodes | Target::Scan | Target::RandomKey => {}
        Target::Anywhere if asks_for_nodes(command) || is_retold(command) => {}
        _ => return None,
    }
    let name = command.get().map_or("", |command| command.name()).replace('|', " ").to_uppercase();
    let reason = "concerns a whole cluster, and a transaction only one of its nodes";
    Some(encode::error(&format!("ERR {name} cannot be part of a transaction: it {reason}")))
}

/// Whether a request has as many arguments as its command takes.
fn is_complete(held: &QueuedRequest) -> bool {
    let mut spans = Vec::new();
    let count = Arguments::of(&held.frame, &mut spans).count();
    held.info.command.get().is_none_or(|command| command.accepts(count))
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
