//! Requests that go to several nodes: taken apart, and put together when all parts are answered.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::ResponsePolicy;

use super::super::need::ConnectionNeed;
use super::super::deliver::Delivery;
use super::super::session::{RequestInfo, QueuedRequest, Route};
use super::super::sink::Sink;
use super::listen::{self, OWN};
use super::send::share;
use super::{ClusterRoute, lease};
use crate::chain::vector::Arguments;
use crate::cluster::{Cursor, Leg, Merge, Part, Slot, Target, VirtualNode, merge_rule, random_key};
use crate::ids::{SessionId, TrailId};
use crate::resp::reply;
use crate::upstream::{Cluster, Expect, Opening, Payload, Receiver, Ticket};
use crate::upstream::{ClusterNode, NodeView};

/// A request that was taken apart.
#[derive(Debug)]
pub(super) struct FanOut {
    /// The whole of it.
    whole: Ticket,
    how: How,
    parts: Vec<Portion>,
    /// How many parts are not answered.
    left: usize,
}

/// A part of it.
#[derive(Debug)]
struct Portion {
    place: Place,
    /// Empty before it is there.
    reply: Bytes,
    /// Whether its node is none any more, so that there will be no reply.
    gone: bool,
}

/// The reply where the only node that was asked is gone.
const GONE: &[u8] = b"-CLUSTERDOWN the node that was asked has left the cluster; ask again\r\n";

/// Where a part goes.
#[derive(Clone, Debug)]
enum Place {
    /// To whoever serves the slot, which stands for its shard.
    Slot(Slot),
    /// To one node.
    Node(Arc<str>),
}

/// How the replies become one.
#[derive(Debug)]
enum How {
    /// As the elements for keys.
    ByKey(Vec<Part>),
    /// As a rule says.
    By(Merge<'static>),
    /// SCAN: with the cursor of the whole cluster.
    Scan(Leg),
    /// RANDOMKEY: in pairs with those to DBSIZE.
    RandomKey,
    /// INFO: as that of the one node that there seems to be.
    Info(VirtualNode),
    /// SUNSUBSCRIBE from everything: one behind the other.
    Confirmations,
}

/// A request whose parts are all answered.
struct Gathered {
    whole: Ticket,
    reply: Vec<u8>,
    /// Whether the reply is several frames.
    several: bool,
    /// Whether a node has been scanned to its end.
    ends: bool,
}

/// Take a request apart, and send its parts.
pub(super) fn take_apart(
    id: SessionId,
    cluster: &Cluster,
    view: &Rc<NodeView>,
    held: QueuedRequest,
    delivery: &mut Delivery<'_>,
) {
    let Some(session) = delivery.sessions.get(id) else { return };
    let Route::Cluster(route) = &mut session.route else { return };
    let home = route.target(&held, view, id);
    let QueuedRequest { ticket, frame, info, .. } = held;
    let mut spans = Vec::new();
    let arguments = Arguments::of(&frame, &mut spans);
    let (command, several) = (info.command, info.several);
    let node = |at: u16| view.nodes().get(usize::from(at)).map(|node| Place::Node(node.address.clone()));
    let shards = || view.shards().iter().copied().map(Place::Slot);
    let (how, parts): (How, Vec<(Place, Bytes)>) = match info.target {
        Target::Parts(parts) => {
            let part = |part: &Part| {
                let mut frame = Vec::new();
                part.encode(&arguments, &mut frame);
                (Place::Slot(part.slot), Bytes::from(frame))
            };
            let frames = parts.iter().map(part).collect();
            let how = match merge_rule(command, &arguments) {
                // A list of replies is one for each key.
                Merge::By(ResponsePolicy::Default) => How::ByKey(parts),
                rule => How::By(rule),
            };
            (how, frames)
        }
        Target::Scan => {
            let leg = match Cursor::parse(arguments.get(1).unwrap_or_default()).map(|cursor| cursor.leg(view.map())) {
                Some(Some(leg)) => leg,
                other => {
                    let frame = if other.is_none() { Cursor::INVALID } else { Cursor::END };
                    return delivery.put_together(&ticket, Bytes::from_static(frame));
                }
            };
            let mut frame = Vec::new();
            leg.encode(&arguments, &mut frame);
            let part = node(leg.node as u16).map(|place| (place, frame.into()));
            (How::Scan(leg), part.into_iter().collect())
        }
        Target::RandomKey => {
            let pair = |place: Place| [(place.clone(), frame.clone()), (place, Bytes::from_static(DBSIZE))];
            (How::RandomKey, shards().flat_map(pair).collect())
        }
        Target::Nodes => {
            let all = (0..view.nodes().len()).filter_map(|at| node(at as u16));
            (How::By(merge_rule(command, &arguments)), all.map(|place| (place, frame.clone())).collect())
        }
        Target::Anywhere => {
            let part = home.and_then(node).map(|place| (place, frame.clone()));
            (How::Info(VirtualNode::new(session.found_at())), part.into_iter().collect())
        }
        _ => (How::By(merge_rule(command, &arguments)), shards().map(|place| (place, frame.clone())).collect()),
    };
    let (portions, frames): (Vec<Portion>, Vec<Bytes>) =
        parts.into_iter().map(|(place, frame)| (Portion { place, reply: Bytes::new(), gone: false }, frame)).unzip();
    let ways: Vec<Target> = portions.iter().map(|portion| portion.place.target()).collect();
    let Some(session) = delivery.sessions.get(id) else { return };
    let Route::Cluster(route) = &mut session.route else { return };
    let fan_out = FanOut { whole: ticket, how, left: portions.len(), parts: portions };
    route.fan_outs.insert(ticket.sequence, fan_out);
    session.changes.extend(info.change.map(|change| (ticket.sequence, change)));
    for (at, (frame, target)) in frames.into_iter().zip(ways).enumerate() {
        let ticket = Ticket { trail: TrailId::NONE, part: at as u16 + 1, ..ticket };
        let several = matches!(target, Target::To(_)) && several;
        let info = RequestInfo { command, need: ConnectionNeed::Shared, change: None, expect: Expect::One, target, several };
        // What cannot go now is among those that are tried again.
        let _ = share(id, cluster, view, QueuedRequest { ticket, frame, info, retry: None }, delivery);
    }
}

const DBSIZE: &[u8] = b"*1\r\n$6\r\nDBSIZE\r\n";

/// Send a request on a private connection to each of several nodes; returned is one that has to wait.
///
/// It goes alone, as any that needs a private connection.
pub(super) fn send_to_each(
    id: SessionId,
    cluster: &Cluster,
    view: &Rc<NodeView>,
    held: QueuedRequest,
    delivery: &mut Delivery<'_>,
    granted: Option<&Rc<ClusterNode>>,
) -> Option<QueuedRequest> {
    let now = delivery.now;
    let session = delivery.sessions.get(id)?;
    if session.order.head() != held.ticket.sequence {
        return Some(held);
    }
    let Route::Cluster(route) = &mut session.route else { return None };
    let listens = held.info.need == ConnectionNeed::Listen;
    let mut leases = route.listeners_of_shards();
    if !listens {
        leases.clear();
        let asked = view.primaries().iter().filter_map(|&node| view.nodes().get(usize::from(node)));
        for node in asked {
            let Route::Cluster(route) = &mut session.route else { return None };
            let at = match route.tenure_at(node) {
                Some(at) => at,
                None => {
                    let Some(lease) = lease::borrow(session, cluster, node, &held.info, Opening::Request, granted)
                    else {
                        return Some(held);
                    };
                    let Route::Cluster(route) = &mut session.route else { return None };
                    route.leases.push(lease);
                    route.leases.len() - 1
                }
            };
            leases.push(at);
        }
    }
    let Route::Cluster(route) = &mut session.route else { return None };
    let QueuedRequest { ticket, frame, info: RequestInfo { command, need, expect, .. }, retry } = held;
    if let Some(retry) = retry {
        route.tried(*retry);
    }
    let how = if listens { How::Confirmations } else { How::By(merge_rule(command, &[frame.as_ref()][..])) };
    let portion = |&at: &usize| {
        let place = Place::Node(route.leases[at].node.address.clone());
        Portion { place, reply: Bytes::new(), gone: false }
    };
    let parts: Vec<Portion> = leases.iter().map(portion).collect();
    let fan_out = FanOut { whole: ticket, how, left: parts.len(), parts };
    route.fan_outs.insert(ticket.sequence, fan_out);
    session.barrier = session.barrier.max(ticket.sequence + 1);
    let mut failed = Vec::new();
    for (part, at) in (1..).zip(leases) {
        let Some(lease) = route.leases.get_mut(at) else { continue };
        let ticket = Ticket { trail: TrailId::NONE, part, ..ticket };
        let _ = lease.lease.sent(ticket.sequence, need, None);
        let sent = lease.lease.connection.borrow_mut().send_bytes(ticket, frame.clone(), expect, now);
        failed.extend(sent.err().map(|failure| (ticket, failure)));
    }
    failed.into_iter().for_each(|(ticket, failure)| delivery.failed(&ticket, failure));
    None
}

impl Place {
    fn target(&self) -> Target {
        match self {
            Self::Slot(slot) => Target::To(*slot),
            Self::Node(_) => Target::Anywhere,
        }
    }
}

impl FanOut {
    /// What must happen to the response to the whole.
    pub(super) fn trail(self) -> TrailId {
        self.whole.trail
    }
}

impl ClusterRoute {
    /// Where a part of a request goes that was taken apart.
    pub(super) fn way_of_part(&self, ticket: &Ticket) -> Option<Target> {
        Some(self.portion(ticket)?.place.target())
    }

    /// The node that a part of a request is for, where it is for one node; `None` where that is no node any more.
    pub(super) fn of_part(&self, ticket: &Ticket, view: &NodeView) -> Option<u16> {
        match &self.portion(ticket)?.place {
            Place::Node(address) => view.at(address),
            Place::Slot(_) => None,
        }
    }

    fn portion(&self, ticket: &Ticket) -> Option<&Portion> {
        self.fan_outs.get(&ticket.sequence)?.parts.get(usize::from(ticket.part).checked_sub(1)?)
    }

    /// Whether a part of a request is for a node that is none any more.
    pub(super) fn is_gone(&self, ticket: &Ticket, view: &NodeView) -> bool {
        let portion = self.portion(ticket);
        portion.is_some_and(|portion| matches!(&portion.place, Place::Node(address) if view.at(address).is_none()))
    }

    /// A part is answered; where its node is none any more, with nothing. Returns the whole request with its answer, when that was the last one.
    fn gather(&mut self, ticket: &Ticket, reply: Bytes) -> Option<Gathered> {
        let fan_out = self.fan_outs.get_mut(&ticket.sequence)?;
        let portion = fan_out.parts.get_mut(usize::from(ticket.part).checked_sub(1)?)?;
        if portion.gone || !portion.reply.is_empty() {
            return None;
        }
        portion.gone = reply.is_empty();
        portion.reply = reply;
        fan_out.left -= 1;
        if fan_out.left > 0 {
            return None;
        }
        let FanOut { whole, how, parts, .. } = self.fan_outs.remove(&ticket.sequence)?;
        let replies: Vec<&[u8]> = parts.iter().filter(|part| !part.gone).map(|portion| &*portion.reply).collect();
        let first = || replies.first().copied().unwrap_or(GONE);
        let several = matches!(how, How::Confirmations);
        let ends = matches!(how, How::Scan(_)) && Leg::is_last(first());
        let reply = match how {
            How::ByKey(parts) => Merge::ByKey(&parts).merge(&replies),
            How::By(rule) => rule.merge(&replies),
            How::Scan(leg) => match &self.view {
                Some(view) => leg.reply(first(), view.map()),
                None => GONE.to_vec(),
            },
            How::RandomKey => {
                let pairs: Vec<_> = replies.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                random_key(&pairs, RandomState::new().hash_one(whole.id.0))
            }
            How::Info(node) => node.info(first()),
            How::Confirmations => listen::confirmations(&replies),
        };
        Some(Gathered { whole, reply, several, ends })
    }
}

impl Delivery<'_> {
    /// The reply to a part of a request.
    pub(in super::super) fn part_answered(&mut self, ticket: &Ticket, reply: Bytes) {
        if ticket.part == OWN {
            return self.own_answered(ticket, reply::is_error(&reply));
        }
        let Some(session) = self.sessions.get(ticket.session) else { return };
        let sink = self.sources[session.source].sink.clone();
        let (Sink::Cluster(cluster), Route::Cluster(route)) = (&*sink, &mut session.route) else { return };
        let Some(Gathered { whole, reply, several, ends }) = route.gather(ticket, reply) else { return };
        if ends {
            // Nothing else asks while all that is done is to scan.
            cluster.refresh(None);
        }
        if several {
            self.reply(&whole, Payload::Small(&reply), false);
        } else {
            self.put_together(&whole, reply.into());
        }
    }
}
