//! A request that was taken apart: what has come of its parts, and how their replies become one.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;

use super::subscriptions::confirmations;
use crate::cluster::{Leg, Merge, Part, Slot, Target, VirtualNode, random_key};
use crate::ids::PathId;
use crate::upstream::{NodeView, Ticket};

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

pub(super) const DBSIZE: &[u8] = b"*1\r\n$6\r\nDBSIZE\r\n";

/// Where a part goes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// To the primary of the slot, which stands for its shard.
    Slot(Slot),
    /// To one node.
    Node(Arc<str>),
}

/// How the replies become one.
#[derive(Debug)]
pub(super) enum How {
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
pub(super) type Split = (How, Vec<(Place, Bytes)>);

/// A request whose parts are all answered.
pub(super) struct Merged {
    pub(super) whole: Ticket,
    pub(super) reply: Vec<u8>,
    /// Whether the reply is several frames.
    pub(super) several: bool,
    /// Whether a node has been scanned to its end.
    pub(super) ends: bool,
}

impl Place {
    pub(super) fn target(&self) -> Target {
        match self {
            Self::Slot(slot) => Target::To(*slot),
            Self::Node(_) => Target::Anywhere,
        }
    }
}

impl FanOut {
    /// A request that was taken apart, with the places of its parts.
    pub(super) fn new(whole: Ticket, how: How, places: impl Iterator<Item = Place>) -> Self {
        let portion = |place| Portion { place, reply: Bytes::new(), gone: false };
        let parts: Vec<Portion> = places.map(portion).collect();
        Self { whole, how, left: parts.len(), parts }
    }

    /// What must happen to the response to the whole.
    pub(super) fn trail(self) -> PathId {
        self.whole.trail
    }

    /// Where this part goes; parts are counted from 1.
    pub(super) fn place(&self, part: u16) -> Option<&Place> {
        Some(&self.parts.get(usize::from(part).checked_sub(1)?)?.place)
    }

    /// Takes the reply to a part; an empty one says that there will be none. Returns whether that
    /// was the last one; `None`: it was there already.
    pub(super) fn takes(&mut self, part: u16, reply: Bytes) -> Option<bool> {
        let portion = self.parts.get_mut(usize::from(part).checked_sub(1)?)?;
        if portion.gone || !portion.reply.is_empty() {
            return None;
        }
        portion.gone = reply.is_empty();
        portion.reply = reply;
        self.left -= 1;
        Some(self.left == 0)
    }

    /// The whole request with its answer. `view`: the nodes that it went to.
    pub(super) fn merged(self, view: Option<&NodeView>) -> Merged {
        let Self { whole, how, parts, .. } = self;
        let replies: Vec<&[u8]> = parts.iter().filter(|part| !part.gone).map(|portion| &*portion.reply).collect();
        let first = || replies.first().copied().unwrap_or(GONE);
        let several = matches!(how, How::Confirmations);
        let ends = matches!(how, How::Scan(_)) && Leg::is_last(first());
        let reply = match how {
            How::ByKey(parts) => Merge::ByKey(&parts).merge(&replies),
            How::By(rule) => rule.merge(&replies),
            How::Scan(leg) => view.map_or_else(|| GONE.to_vec(), |view| leg.reply(first(), view.map())),
            How::RandomKey => {
                let pairs: Vec<_> = replies.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                random_key(&pairs, RandomState::new().hash_one(whole.id.0))
            }
            How::Info(node) => node.info(first()),
            How::Confirmations => confirmations(&replies),
        };
        Merged { whole, reply, several, ends }
    }
}
