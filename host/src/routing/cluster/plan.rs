//! What becomes of a request to a cluster: decided once, when nothing before it holds it back.

use bytes::Bytes;

use sluice_commands::ConnectionNeed;

use super::super::need::is_exclusive;
use super::super::request::QueuedRequest;
use super::super::session_state::StateChange;
use super::local_reply::{self, Client, Local};
use super::node_lease::LeaseFor;
use super::route::ClusterRoute;
use super::transaction::CROSS_SLOT;
use crate::cluster::Target;
use crate::upstream::{Expect, Subscription};

/// What becomes of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Plan {
    /// It waits in its queue.
    Wait,
    /// It cannot be sent now: it is retried in a while.
    Later,
    /// The proxy answers it.
    Reply(Bytes),
    /// It begins a transaction.
    Begin,
    /// It is a part of the transaction that has begun.
    Join,
    /// It goes alone, on this exclusive connection.
    Exclusive(LeaseFor),
    /// It goes alone, on an exclusive connection to each of several nodes.
    Each,
    /// It goes in parts to several nodes, and their replies become one.
    FanOut,
    /// It goes to one node, on the connection that sessions share.
    Shared,
}

/// Decides what becomes of a request. Its target is found here where only the proxy knows it.
pub(super) fn plan(request: &mut QueuedRequest, route: &ClusterRoute, client: Client) -> Plan {
    if request.retry.is_none() && route.must_wait(request, client.head) {
        return Plan::Wait;
    }
    if route.transaction.is_some() {
        return Plan::Join;
    }
    match local_reply::answer(request, client) {
        Some(Local::Reply(frame)) => return Plan::Reply(frame),
        Some(Local::To(slot)) => request.info.target = Target::To(slot),
        None => {}
    }
    if route.must_subscribe_first(request, client.protocol) {
        return Plan::Later;
    }
    if client.is_modal(route) {
        if let Some(frame) = local_reply::out_of_mode(&request.info) {
            return Plan::Reply(frame.into());
        }
        if !is_from_all_shards(request) {
            // A subscriber may say little; the server knows what.
            return Plan::Exclusive(LeaseFor::Listening);
        }
    }
    if request.info.need == ConnectionNeed::Shared && route.keeps_connection_for(request, client.id) {
        return Plan::Exclusive(LeaseFor::Any);
    }
    by_need(request, route)
}

/// What becomes of a request by what its command does to its connection.
fn by_need(request: &QueuedRequest, route: &ClusterRoute) -> Plan {
    use ConnectionNeed as Need;
    let target = &request.info.target;
    let everywhere = matches!(target, Target::Primaries | Target::Nodes);
    match request.info.need {
        Need::Multi => Plan::Begin,
        Need::Exec | Need::Discard | Need::Unwatch if route.is_watching() => Plan::Exclusive(LeaseFor::Watching),
        Need::Watch if route.is_watching() && *target != route.watched.map_or(Target::Anywhere, Target::To) => {
            Plan::Reply(Bytes::from_static(CROSS_SLOT))
        }
        Need::Listen if is_from_all_shards(request) && !route.listeners_of_shards().is_empty() => Plan::Each,
        Need::Blocking | Need::Urgent if everywhere => Plan::Each,
        // It is said to all of them, on the connections that sessions share.
        Need::Momentary if everywhere => shared(request),
        need if is_exclusive(need) => Plan::Exclusive(place(request)),
        _ => shared(request),
    }
}

/// On the connections that sessions share: to one node, or in parts to several.
fn shared(request: &QueuedRequest) -> Plan {
    let whole = request.ticket.part == 0;
    match &request.info.target {
        Target::Parts(_) | Target::Primaries | Target::Nodes | Target::Named(_) | Target::Scan | Target::RandomKey
            if whole =>
        {
            Plan::FanOut
        }
        Target::Anywhere if whole && local_reply::is_retold(request.info.command) => Plan::FanOut,
        _ => Plan::Shared,
    }
}

/// Which exclusive connection a request is for.
fn place(request: &QueuedRequest) -> LeaseFor {
    match (request.info.need, &request.info.change) {
        (ConnectionNeed::Listen, _) | (_, Some(StateChange::Reset)) => LeaseFor::Listening,
        (ConnectionNeed::Watch, _) => LeaseFor::Watching,
        _ => LeaseFor::Any,
    }
}

/// Whether it ends the subscriptions to all channels of shards, wherever they are.
fn is_from_all_shards(request: &QueuedRequest) -> bool {
    request.info.expect == Expect::AllConfirmations(Subscription::Shard)
}
