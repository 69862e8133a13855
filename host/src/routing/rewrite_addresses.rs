//! Replies that name the nodes of a cluster, with the addresses of proxies in their place.

use bytes::Bytes;

use super::flow::Flow;
use super::session_state::StateChange;
use crate::chain::Kind;
use crate::cluster::Rewrite;
use crate::upstream::{Payload, Ticket};

/// The replies to the requests of `ticket` as the client sees them; `None`: as they are.
pub(super) fn rewritten(
    rewrite: &Rewrite,
    flow: &Flow,
    ticket: &Ticket,
    replies: &Payload<'_>,
    kind: Kind,
) -> Option<Bytes> {
    let replies = replies.bytes();
    let several = ticket.count > 1 || kind != Kind::Single;
    let rewritten = match flow.change_of(ticket.sequence) {
        Some(StateChange::Nodes(form)) => rewrite.reply(*form, replies),
        Some(StateChange::Exec(changes)) => {
            let nodes = changes.iter().filter_map(|(at, change)| match change {
                StateChange::Nodes(form) => Some((*at, *form)),
                _ => None,
            });
            rewrite.results(&nodes.collect::<Vec<_>>(), replies)
        }
        _ => None,
    };
    rewritten.or_else(|| rewrite.errors(replies, several)).map(Bytes::from)
}
