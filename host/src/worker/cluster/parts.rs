//! Requests that go to several nodes: taken apart, and put together when all parts are answered.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sluice_commands::ResponsePolicy;

use super::super::affinity::Affinity;
use super::super::deliver::Delivery;
use super::super::session::{Errand, Held, Route};
use super::ClusterRoute;
use super::send::share;
use crate::chain::vector::{Arguments, lookup};
use crate::ids::{SessionId, TrailId};
use crate::resp::Span;
use crate::resp::request::RequestScanner;
use crate::upstream::cluster::{Gather, Part, Slot, View, Way};
use crate::upstream::{Cluster, Expect, Ticket};

/// A request that was taken apart.
#[derive(Debug)]
pub(super) struct Gathering {
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
    reply: Bytes,
}

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
    ByKey(Vec<Part>),
    By(ResponsePolicy),
}

/// Take a request apart, and send its parts.
pub(super) fn take_apart(id: SessionId, cluster: &Cluster, view: &Rc<View>, held: Held, delivery: &mut Delivery<'_>) {
    let Held { ticket, frame, errand, .. } = held;
    let mut spans: Vec<Span> = Vec::new();
    let _ = RequestScanner::default().scan(&frame, &mut spans);
    let arguments = Arguments::new(&frame, &spans);
    let policy = lookup(&arguments).get().map_or(ResponsePolicy::Default, |command| command.response_policy());
    let (how, places, frames) = match errand.way {
        Way::Parts(parts) => {
            let encoded = parts.iter().map(|part| {
                let mut frame = Vec::new();
                part.encode(&arguments, &mut frame);
                Bytes::from(frame)
            });
            let frames: Vec<Bytes> = encoded.collect();
            let places: Vec<Place> = parts.iter().map(|part| Place::Slot(part.slot)).collect();
            let how = if policy == ResponsePolicy::Default { How::ByKey(parts) } else { How::By(policy) };
            (how, places, frames)
        }
        Way::Nodes => {
            let places: Vec<Place> = view.nodes().iter().map(|node| Place::Node(node.address.clone())).collect();
            let frames = vec![frame.clone(); places.len()];
            (How::By(policy), places, frames)
        }
        _ => {
            let slots = view.primaries().iter().filter_map(|&primary| view.slot_of(primary));
            let places: Vec<Place> = slots.map(Place::Slot).collect();
            let frames = vec![frame.clone(); places.len()];
            (How::By(policy), places, frames)
        }
    };
    let Some(session) = delivery.sessions.get(id) else { return };
    let Route::Cluster(route) = &mut session.route else { return };
    let ways: Vec<Way> = places.iter().map(Place::way).collect();
    let parts: Vec<Portion> = places.into_iter().map(|place| Portion { place, reply: Bytes::new() }).collect();
    route.gatherings.push(Gathering { whole: ticket, how, left: parts.len(), parts });
    session.changes.extend(errand.change.map(|change| (ticket.sequence, change)));
    for (at, (frame, way)) in frames.into_iter().zip(ways).enumerate() {
        let ticket = Ticket { trail: TrailId::NONE, part: at as u16 + 1, ..ticket };
        let errand = Errand { affinity: Affinity::Shared, change: None, expect: Expect::One, way };
        // What cannot go now is among those that are tried again.
        let _ = share(id, cluster, view, Held { ticket, frame, errand, trial: None }, delivery);
    }
}

impl Place {
    fn way(&self) -> Way {
        match self {
            Self::Slot(slot) => Way::To(*slot),
            Self::Node(_) => Way::Anywhere,
        }
    }
}

impl ClusterRoute {
    /// Where a part of a request goes that was taken apart.
    pub(super) fn way_of_part(&self, ticket: &Ticket) -> Option<Way> {
        Some(self.portion(ticket)?.place.way())
    }

    /// The node that a part of a request is for, where it is for one node; `None` where that is no node any more.
    pub(super) fn of_part(&self, ticket: &Ticket, view: &View) -> Option<u16> {
        match &self.portion(ticket)?.place {
            Place::Node(address) => view.at(address),
            Place::Slot(_) => None,
        }
    }

    fn portion(&self, ticket: &Ticket) -> Option<&Portion> {
        let gathering = self.gatherings.iter().find(|gathering| gathering.whole.sequence == ticket.sequence)?;
        gathering.parts.get(usize::from(ticket.part).checked_sub(1)?)
    }

    /// A part is answered. Returns the whole request and its answer, when that was the last one.
    fn gather(&mut self, ticket: &Ticket, reply: Bytes) -> Option<(Ticket, Vec<u8>)> {
        let at = self.gatherings.iter().position(|gathering| gathering.whole.sequence == ticket.sequence)?;
        let gathering = self.gatherings.get_mut(at)?;
        let portion = gathering.parts.get_mut(usize::from(ticket.part).checked_sub(1)?)?;
        if !portion.reply.is_empty() {
            return None;
        }
        portion.reply = reply;
        gathering.left -= 1;
        if gathering.left > 0 {
            return None;
        }
        let Gathering { whole, how, parts, .. } = self.gatherings.swap_remove(at);
        let replies: Vec<&[u8]> = parts.iter().map(|portion| &*portion.reply).collect();
        let gather = match &how {
            How::ByKey(parts) => Gather::ByKey(parts),
            How::By(policy) => Gather::By(*policy),
        };
        Some((whole, gather.gather(&replies)))
    }
}

impl Delivery<'_> {
    /// The reply to a part of a request.
    pub(in super::super) fn part_answered(&mut self, ticket: &Ticket, reply: Bytes) {
        let Some(session) = self.sessions.get(ticket.session) else { return };
        let Route::Cluster(route) = &mut session.route else { return };
        if let Some((whole, frame)) = route.gather(ticket, reply) {
            self.put_together(&whole, frame.into());
        }
    }
}
