//! Requests that go to several nodes: taken apart, and put together when all parts are answered.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::{ConnectionNeed, ResponsePolicy};

use super::super::answers::Answers;
use super::super::replies::Replies;
use super::super::request::{QueuedRequest, RequestInfo};
use super::dispatch::Dispatch;
use super::fan_out::{DBSIZE, FanOut, How, Merged, Place, Split};
use super::subscriptions::OWN;
use crate::chain::Kind;
use crate::chain::vector::Arguments;
use crate::cluster::{Cursor, Merge, Part, Target, VirtualNode, merge_rule};
use crate::ids::PathId;
use crate::resp::reply;
use crate::upstream::{Expect, NodeView, Opening, Payload, Ticket};

impl<R: Replies> Dispatch<'_, R> {
    /// Takes a request apart, and sends its parts.
    pub(super) fn take_apart(&mut self, request: QueuedRequest, view: &Rc<NodeView>) {
        let (how, parts) = match self.split(&request, view) {
            Ok(split) => split,
            Err(frame) => return self.replies.reply(&request.ticket, Payload::Large(frame), Kind::Single),
        };
        let QueuedRequest { ticket, info, .. } = request;
        let frames: Vec<(Target, Bytes)> = parts.iter().map(|(place, frame)| (place.target(), frame.clone())).collect();
        let fan_out = FanOut::new(ticket, how, parts.into_iter().map(|(place, _)| place));
        self.route.fan_outs.insert(ticket.sequence, fan_out);
        self.flow.expect_change(ticket.sequence, info.change);
        for (at, (target, frame)) in frames.into_iter().enumerate() {
            let ticket = Ticket { trail: PathId::NONE, part: at as u16 + 1, ..ticket };
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
            Target::Named(nodes) => {
                let part = |(address, frame): &(Arc<str>, Bytes)| (Place::Node(address.clone()), frame.clone());
                (How::By(merge_rule(command, &arguments)), nodes.iter().map(part).collect())
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
        let places = leases.iter().map(|&at| Place::Node(route.leases[at].node.address.clone()));
        let fan_out = FanOut::new(ticket, how, places);
        route.fan_outs.insert(ticket.sequence, fan_out);
        self.flow.hold_behind(ticket.sequence + 1);
        let mut failed = Vec::new();
        for (part, at) in (1..).zip(leases) {
            let Some(lease) = route.leases.get_mut(at) else { continue };
            let ticket = Ticket { trail: PathId::NONE, part, ..ticket };
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
