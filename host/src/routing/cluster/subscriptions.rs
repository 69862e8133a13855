//! What a session is subscribed to in a cluster, beside what its connections know of it.

use std::rc::Rc;
use std::time::Instant;

use crate::ids::{MessageId, PathId, Sequence, SessionId};
use crate::resp::reply;
use crate::upstream::{ConnectionRef, Subscriptions, Ticket, recounted};

/// The part of a request that stands for one of the proxy's own, by which it subscribes a session again. No request has so many.
pub(super) const OWN: u16 = u16::MAX;

/// Where the numbers of such requests begin: no session comes so far.
const OWN_FROM: Sequence = 1 << 62;

/// The subscriptions of a session, beside what its connections know of them.
#[derive(Debug, Default)]
pub(super) struct SubscriptionState {
    /// What is to be subscribed to again.
    pub(super) lost: Subscriptions,
    /// What connections that are subscribed already have been asked for besides.
    pub(super) asked: Vec<Asked>,
    /// How many times.
    pub(super) count: Sequence,
    /// How the confirmations of the request that is being answered are to be counted.
    pub(super) confirming: Option<Confirming>,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) sequence: Sequence,
    pub(super) connection: ConnectionRef,
    pub(super) channels: Subscriptions,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Confirming {
    pub(super) sequence: Sequence,
    /// How many subscriptions other connections have.
    pub(super) of_shards: usize,
    pub(super) of_no_shard: usize,
}

impl SubscriptionState {
    /// Whether subscriptions are being made again.
    pub(super) fn is_broken(&self) -> bool {
        !self.lost.is_empty() || !self.asked.is_empty()
    }

    /// RESET: there are none any more.
    pub(super) fn forget(&mut self) {
        (self.lost, self.confirming) = (Subscriptions::default(), None);
        self.asked.clear();
    }

    /// Whether the confirmations of a request are counted anew.
    pub(super) fn is_confirming(&self) -> bool {
        self.confirming.is_some()
    }

    /// Whether a connection has been asked for more.
    pub(super) fn is_asked(&self, connection: &ConnectionRef) -> bool {
        self.asked.iter().any(|asked| Rc::ptr_eq(&asked.connection, connection))
    }
}

impl SubscriptionState {
    /// Have a connection that is subscribed already subscribed to more.
    pub(super) fn ask(&mut self, id: SessionId, connection: &ConnectionRef, channels: Subscriptions, now: Instant) {
        for (_, part) in channels.by_slot() {
            for (request, expect) in part.requests() {
                self.count += 1;
                let sequence = OWN_FROM + self.count;
                let (trail, message) = (PathId::NONE, MessageId(0));
                let ticket = Ticket { session: id, sequence, id: message, count: 1, trail, since: now, part: OWN };
                if connection.borrow_mut().send_bytes(ticket, request.into(), expect, now).is_ok() {
                    self.asked.push(Asked { sequence, connection: connection.clone(), channels: part.clone() });
                } else {
                    self.lost.add(part.clone());
                }
            }
        }
    }
}

/// The confirmations that several nodes have given, one behind the other, counted as if one node had.
pub(super) fn confirmations(replies: &[&[u8]]) -> Vec<u8> {
    let sound: Vec<&[u8]> = replies.iter().copied().filter(|reply| !reply::is_error(reply)).collect();
    let Some(first) = replies.first().filter(|_| sound.is_empty()) else {
        let mut left = sound.iter().map(|reply| frames(reply)).sum::<usize>();
        let told = sound.into_iter().filter_map(|reply| {
            // Each node counts its own only.
            left -= frames(reply);
            recounted(reply, |_| left)
        });
        return told.flatten().collect();
    };
    first.to_vec()
}

/// How many frames lie one behind the other.
fn frames(mut bytes: &[u8]) -> usize {
    let next = || {
        let len = reply::frame_length(bytes).ok().flatten().filter(|len| *len > 0)?;
        bytes = bytes.get(len..)?;
        Some(())
    };
    std::iter::from_fn(next).count()
}
