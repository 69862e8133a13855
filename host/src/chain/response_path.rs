//! What must happen to a response on its way back, written down while its request travels.

use slab::Slab;

use super::generation::Place;
use crate::ids::PathId;
use crate::traffic::{By, Entry};

/// One step of a response.
#[derive(Debug)]
pub enum Step {
    /// The transform at this place wants to see it, with this tag.
    Watch {
        /// Which transform.
        place: Place,
        /// What the transform said.
        tag: u64,
    },
    /// It is a part of the reply to a request that the transform at this place fanned out.
    Gather {
        /// Which transform.
        place: Place,
        /// Which request.
        group: GroupId,
    },
    /// The client does not want it (CLIENT REPLY OFF or SKIP), be it an error.
    Silence,
    /// It is logged: its last step.
    Log(Entry),
}

/// A request that was fanned out and waits for its replies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GroupId(u32);

#[derive(Debug)]
struct Node {
    step: Step,
    below: PathId,
}

#[derive(Debug)]
struct Group {
    /// How many replies are still to come.
    left: usize,
    count: usize,
    /// Those that have come, one after the other.
    replies: Vec<u8>,
    /// Where the gathered reply goes on.
    below: PathId,
}

/// The trails of all requests in flight of a worker.
#[derive(Debug, Default)]
pub struct ResponsePaths {
    nodes: Slab<Node>,
    groups: Slab<Group>,
}

impl ResponsePaths {
    /// Add a step: the response takes it before those of `below`.
    pub fn push(&mut self, below: PathId, step: Step) -> PathId {
        PathId::at(self.nodes.insert(Node { step, below }))
    }

    /// The next step, which stays.
    pub fn peek(&self, trail: PathId) -> Option<&Step> {
        Some(&self.nodes.get(trail.place()?)?.step)
    }

    /// Take the next step off; returns it with what remains.
    pub fn pop(&mut self, trail: PathId) -> Option<(Step, PathId)> {
        let node = self.nodes.try_remove(trail.place()?)?;
        Some((node.step, node.below))
    }

    /// The watches of a trail: the place of each transform, with its tag, in the order of the steps. The trail stays.
    pub fn watches(&self, trail: PathId) -> Vec<(Place, u64)> {
        let mut next = trail;
        let nodes = std::iter::from_fn(|| {
            let node = self.nodes.get(next.place()?)?;
            next = node.below;
            Some(&node.step)
        });
        nodes
            .filter_map(|step| if let Step::Watch { place, tag } = step { Some((place.clone(), *tag)) } else { None })
            .collect()
    }

    /// A trail with these watches, in the order of the steps.
    pub fn watched_by(&mut self, watches: &[(Place, u64)]) -> PathId {
        let push =
            |below, (place, tag): &(Place, u64)| self.push(below, Step::Watch { place: place.clone(), tag: *tag });
        watches.iter().rev().fold(PathId::NONE, push)
    }

    /// Somebody other than a server answers the request with this trail: its log is to say so, if there is one.
    pub fn answered_by(&mut self, trail: PathId, by: By) {
        let mut next = trail;
        while let Some(node) = next.place().and_then(|place| self.nodes.get_mut(place)) {
            if let Step::Log(entry) = &mut node.step {
                return entry.answered_by(by);
            }
            next = node.below;
        }
    }

    /// A request is fanned out into `count` requests by the transform at `place`: `below` is its own trail. Returns the trails of
    /// those requests.
    pub fn fan_out(&mut self, below: PathId, place: Place, count: usize) -> impl Iterator<Item = PathId> + use<'_> {
        let group = Group { left: count, count, replies: Vec::new(), below };
        let group = GroupId(self.groups.insert(group) as u32);
        (0..count).map(move |_| self.push(PathId::NONE, Step::Gather { place: place.clone(), group }))
    }

    /// One reply of a group has come. After the last one: the array of all of them, and the trail that it goes on with.
    pub fn gather(&mut self, group: GroupId, reply: &[u8]) -> Option<(Vec<u8>, PathId)> {
        let key = group.0 as usize;
        let entry = self.groups.get_mut(key)?;
        if entry.replies.is_empty() {
            crate::resp::encode::header(&mut entry.replies, b'*', entry.count);
        }
        entry.replies.extend_from_slice(reply);
        entry.left -= 1;
        if entry.left > 0 {
            return None;
        }
        let group = self.groups.try_remove(key)?;
        Some((group.replies, group.below))
    }

    /// No response will come: forget the trail.
    pub fn discard(&mut self, trail: PathId) {
        let mut next = trail;
        while let Some((step, below)) = self.pop(next) {
            next = below;
            if let Step::Gather { group, .. } = step
                && let Some((_, below)) = self.gather(group, b"")
            {
                // The last of a group takes the trail of the whole with it.
                next = below;
            }
        }
    }

    /// How many steps are written down.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is written down.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.groups.is_empty()
    }
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::chain::Generation;

    fn place(generation: &Generation, position: usize) -> Place {
        Place { generation: generation.clone(), position }
    }

    fn watch(generation: &Generation, position: usize, tag: u64) -> Step {
        Step::Watch { place: place(generation, position), tag }
    }

    #[test]
    fn steps_come_back_in_reverse() {
        let (mut trails, chain) = (ResponsePaths::default(), Generation::default());
        let first = trails.push(PathId::NONE, Step::Silence);
        let second = trails.push(first, watch(&chain, 1, 7));
        assert!(matches!(trails.peek(second), Some(Step::Watch { place, tag: 7 }) if place.position == 1));
        let (step, below) = trails.pop(second).unwrap();
        assert!(matches!(step, Step::Watch { .. }) && below == first);
        assert!(matches!(trails.pop(below).unwrap(), (Step::Silence, PathId::NONE)));
        assert!(trails.is_empty());
    }

    #[test]
    fn watches_can_be_had_again_for_what_comes_later() {
        let (mut trails, chain) = (ResponsePaths::default(), Generation::default());
        let first = trails.push(PathId::NONE, watch(&chain, 0, 3));
        let settle = trails.push(first, Step::Silence);
        let second = trails.push(settle, watch(&chain, 1, 7));
        let watches = trails.watches(second);
        assert_eq!(watches, [(place(&chain, 1), 7), (place(&chain, 0), 3)]);
        let again = trails.watched_by(&watches);
        assert_eq!(trails.watches(again), watches);
        assert!(matches!(trails.pop(again), Some((Step::Watch { place, tag: 7 }, _)) if place.position == 1));
    }

    #[test]
    fn the_last_of_a_group_brings_the_array() {
        let (mut trails, chain) = (ResponsePaths::default(), Generation::default());
        let below = trails.push(PathId::NONE, watch(&chain, 0, 1));
        let parts: Vec<PathId> = trails.fan_out(below, place(&chain, 1), 2).collect();
        let mut groups = Vec::new();
        for part in parts {
            let (Step::Gather { group, .. }, PathId::NONE) = trails.pop(part).unwrap() else { panic!() };
            groups.push(group);
        }
        assert!(trails.gather(groups[0], b":1\r\n").is_none());
        assert_eq!(trails.gather(groups[1], b":2\r\n").unwrap(), (b"*2\r\n:1\r\n:2\r\n".to_vec(), below));
    }

    #[test]
    fn a_discarded_group_leaves_nothing_behind() {
        let (mut trails, chain) = (ResponsePaths::default(), Generation::default());
        let below = trails.push(PathId::NONE, watch(&chain, 0, 1));
        let parts: Vec<PathId> = trails.fan_out(below, place(&chain, 1), 3).collect();
        for part in parts {
            trails.discard(part);
        }
        assert!(trails.is_empty());
    }

    #[test]
    fn a_chain_is_remembered_for_as_long_as_a_step_of_it_is_written_down() {
        let (mut trails, chain) = (ResponsePaths::default(), Generation::default());
        assert!(!chain.is_remembered());
        let watched = trails.push(PathId::NONE, watch(&chain, 0, 1));
        let parts: Vec<PathId> = trails.fan_out(watched, place(&chain, 1), 2).collect();
        let kept = trails.watches(watched);
        parts.into_iter().for_each(|part| trails.discard(part));
        assert!(trails.is_empty() && chain.is_remembered(), "whoever waits for what comes by itself remembers it too");
        drop(kept);
        assert!(!chain.is_remembered());
        assert_ne!(chain, Generation::default());
    }
}
