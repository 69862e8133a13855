//! Requests that go to several nodes: taken apart, and put together when all parts are answered.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::{ConnectionNeed, ResponsePolicy};

use super::super::Replies;
use super::super::answers::Answers;
use super::super::request::{QueuedRequest, RequestInfo};
use super::ClusterRoute;
use super::dispatch::Dispatch;
use super::subscriptions::{self, OWN};
use crate::chain::Kind;
use crate::chain::vector::Arguments;
use crate::cluster::{Cursor, Leg, Merge, Part, Slot, Target, VirtualNode, merge_rule, random_key};
use crate::ids::TrailId;
use crate::resp::reply;
use crate::upstream::{Expect, NodeView, Opening, Payload, Ticket};

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

const DBSIZE: &[u8] = b"*1\r\n$6\r\nDBSIZE\r\n";

/// Where a part goes.
#[derive(Clone, Debug)]
enum Place {
    /// To the primary of the slot, which stands for its shard.
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

/// The parts of a request, and how their replies become one.
type Split = (How, Vec<(Place, Bytes)>);

/// A request whose parts are all answered.
struct Merged {
    whole: Ticket,
    reply: Vec<u8>,
    /// Whether the reply is several frames.
    several: bool,
    /// Whether a node has been scanned to its end.
    ends: bool,
}

impl<R: Replies> Dispatch<'_, R> {
    /// Takes a request apart, and sends its parts.
    pub(super) fn take_apart(&mut self, request: QueuedRequest, view: &Rc<NodeView>) {
        let (how, parts) = match self.split(&request, view) {
            Ok(split) => split,
            Err(frame) => return self.replies.reply(&request.ticket, Payload::Large(frame), Kind::Single),
        };
        let QueuedRequest { ticket, info, .. } = request;
        let frames: Vec<(Target, Bytes)> = parts.iter().map(|(place, frame)| (place.target(), frame.clone())).collect();
        let portions = parts.into_iter().map(|(place, _)| Portion { place, reply: Bytes::new(), gone: false });
        let parts: Vec<Portion> = portions.collect();
        self.route.fan_outs.insert(ticket.sequence, FanOut { whole: ticket, how, left: parts.len(), parts });
        self.flow.expect_change(ticket.sequence, info.change);
        for (at, (target, frame)) in frames.into_iter().enumerate() {
            let ticket = Ticket { trail: TrailId::NONE, part: at as u16 + 1, ..ticket };
            let several = matches!(target, Target::To(_)) && info.several;
            let (need, expect) = (ConnectionNeed::Shared, Expect::One);
            let info = RequestInfo { command: info.command, need, change: None, expect, target, several };
            // What cannot go now is among the requests that are retried.
            let _ = self.share(QueuedRequest { ticket, frame, info, retry: None }, view);
        }
    }

    /// Takes a request apart.
    ///
    /// # Errors
    ///
    /// The reply, where nothing is to be asked.
    fn split(&self, request: &QueuedRequest, view: &NodeView) -> Result<Split, Bytes> {
        let (command, frame) = (request.info.command, &request.frame);
        let mut spans = Vec::new();
        let arguments = Arguments::of(frame, &mut spans);
        let node = |at: u16| view.nodes().get(usize::from(at)).map(|node| Place::Node(node.address.clone()));
        let shards = || view.shards().iter().copied().map(Place::Slot);
        Ok(match &request.info.target {
            Target::Parts(parts) => {
                let part = |part: &Part| {
                    let mut frame = Vec::new();
                    part.encode(&arguments, &mut frame);
                    (Place::Slot(part.slot), Bytes::from(frame))
                };
                let how = match merge_rule(command, &arguments) {
                    // A list of replies is one for each key.
                    Merge::By(ResponsePolicy::Default) => How::ByKey(parts.clone()),
                    rule => How::By(rule),
                };
                (how, parts.iter().map(part).collect())
            }
            Target::Scan => {
                let cursor = Cursor::parse(arguments.get(1).unwrap_or_default());
                let leg = match cursor.map(|cursor| cursor.leg(view.map())) {
                    Some(Some(leg)) => leg,
                    Some(None) => return Err(Bytes::from_static(Cursor::END)),
                    None => return Err(Bytes::from_static(Cursor::INVALID)),
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
                let home = self.route.node_of(request, view, self.flow.id);
                let part = home.and_then(node).map(|place| (place, frame.clone()));
                (How::Info(VirtualNode::new(self.replies.found_at(self.flow.id))), part.into_iter().collect())
            }
            _ => (How::By(merge_rule(command, &arguments)), shards().map(|place| (place, frame.clone())).collect()),
        })
    }

    /// Sends a request on an exclusive connection to each of several nodes; returned is one that
    /// waits. It goes alone, as any that needs an exclusive connection.
    pub(super) fn send_to_each(&mut self, request: QueuedRequest, view: &Rc<NodeView>) -> Option<QueuedRequest> {
        if self.head() != request.ticket.sequence {
            return Some(request);
        }
        let listens = request.info.need == ConnectionNeed::Listen;
        let leases = if listens {
            self.route.listeners_of_shards()
        } else {
            match self.lease_each(&request, view) {
                Some(leases) => leases,
                None => return Some(request),
            }
        };
        let now = self.replies.now();
        let QueuedRequest { ticket, frame, info, retry } = request;
        let route = &mut *self.route;
        route.retried(retry);
        let how = if listens { How::Confirmations } else { How::By(merge_rule(info.command, &[frame.as_ref()][..])) };
        let portion = |&at: &usize| {
            let place = Place::Node(route.leases[at].node.address.clone());
            Portion { place, reply: Bytes::new(), gone: false }
        };
        let parts: Vec<Portion> = leases.iter().map(portion).collect();
        route.fan_outs.insert(ticket.sequence, FanOut { whole: ticket, how, left: parts.len(), parts });
        self.flow.hold_behind(ticket.sequence + 1);
        let mut failed = Vec::new();
        for (part, at) in (1..).zip(leases) {
            let Some(lease) = route.leases.get_mut(at) else { continue };
            let ticket = Ticket { trail: TrailId::NONE, part, ..ticket };
            let _ = lease.lease.sent(ticket.sequence, info.need, None);
            let sent = lease.lease.connection.borrow_mut().send_bytes(ticket, frame.clone(), info.expect, now);
            failed.extend(sent.err().map(|failure| (ticket, failure)));
        }
        failed.into_iter().for_each(|(ticket, failure)| self.failed(&ticket, failure));
        None
    }

    /// The positions of an exclusive connection to each primary; `None`: the session is in the
    /// queue for one.
    fn lease_each(&mut self, request: &QueuedRequest, view: &Rc<NodeView>) -> Option<Vec<usize>> {
        let mut leases = Vec::new();
        for node in view.primaries().iter().filter_map(|&node| view.nodes().get(usize::from(node))) {
            let at = match self.route.lease_at(node) {
                Some(at) => at,
                None => {
                    let lease = self.borrow(node, &request.info, Opening::Request)?;
                    self.route.keep(lease)
                }
            };
            leases.push(at);
        }
        Some(leases)
    }

    /// The reply to a part of a request.
    pub(super) fn part_answered(&mut self, ticket: &Ticket, reply: Bytes) {
        if ticket.part == OWN {
            return self.own_answered(ticket, reply::is_error(&reply));
        }
        let Some(Merged { whole, reply, several, ends }) = self.route.merge(ticket, reply) else { return };
        if ends {
            // Nothing else asks while all that is done is to scan.
            self.cluster.refresh(None);
        }
        let kind = if several { Kind::Several } else { Kind::Single };
        self.replied(&whole, Payload::Large(reply.into()), kind);
    }
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
    pub(super) fn target_of_part(&self, ticket: &Ticket) -> Option<Target> {
        Some(self.portion(ticket)?.place.target())
    }

    /// The node that a part of a request is for, where it is for one node; `None` where that is no
    /// node any more.
    pub(super) fn node_of_part(&self, ticket: &Ticket, view: &NodeView) -> Option<u16> {
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

    /// A part is answered; where its node is none any more, with nothing. Returns the whole request
    /// with its answer, when that was the last one.
    fn merge(&mut self, ticket: &Ticket, reply: Bytes) -> Option<Merged> {
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
            How::Confirmations => subscriptions::confirmations(&replies),
        };
        Some(Merged { whole, reply, several, ends })
    }
}
