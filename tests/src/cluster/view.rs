//! What a node believes of all nodes: `CLUSTER NODES`, without what changes from one moment to the next.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::node::Node;

/// Flags that say nothing of how a node is: who speaks, and that no replica promotes itself.
const ORDINARY: [&str; 2] = ["myself", "nofailover"];

/// What a node believes of one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct View {
    id: String,
    /// `master` or `slave`, and whatever else is out of the ordinary: `fail`, `fail?`, `handshake`, `noaddr`.
    flags: Vec<String>,
    /// The primary of a replica.
    primary: Option<String>,
    /// First and last slot of each range; slots on the move are with their owner.
    slots: Vec<(u16, u16)>,
}

impl View {
    /// A primary that is well.
    pub(super) fn primary(id: &str, slots: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        let slots = slots.into_iter().map(|range| (*range.start(), *range.end())).collect();
        Self { id: id.to_owned(), flags: vec!["master".to_owned()], primary: None, slots }
    }

    /// A replica that is well.
    pub(super) fn replica(id: &str, primary: &str) -> Self {
        let flags = vec!["slave".to_owned()];
        Self { id: id.to_owned(), flags, primary: Some(primary.to_owned()), slots: Vec::new() }
    }

    /// In the order in which [`View::of`] has them.
    pub(super) fn sorted(views: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut views: Vec<Self> = views.into_iter().collect();
        views.sort();
        views
    }

    /// What `node` says of all nodes: nothing while it loads what its primary has sent, or what it has on disk.
    #[track_caller]
    pub(super) fn of(node: &Node) -> Vec<Self> {
        let nodes = node.ask("CLUSTER NODES");
        let text = String::from_utf8_lossy(&nodes);
        if text.starts_with("-LOADING") {
            return Vec::new();
        }
        assert!(text.starts_with('$'), "not a list of nodes: {text}");
        let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.is_empty()).collect();
        // A node does not know its own address before another one has told it, and never does if there is none.
        let alone = lines.len() == 1;
        let view = |line| Self::read(line, alone).unwrap_or_else(|| panic!("not a node: {line}"));
        Self::sorted(lines.into_iter().map(view))
    }

    /// The epoch of every node's claim to its slots, as `node` knows it: by the node's ID.
    #[track_caller]
    pub(super) fn epochs(node: &Node) -> BTreeMap<String, String> {
        let nodes = node.ask("CLUSTER NODES");
        let text = String::from_utf8_lossy(&nodes);
        let fields = text.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned));
        fields.filter_map(|mut fields| Some((fields.next()?, fields.nth(5)?))).collect()
    }

    /// What they say of the node `id`.
    pub(super) fn of_node<'a>(id: &str, views: &'a [Self]) -> Option<&'a Self> {
        views.iter().find(|view| view.id == id)
    }

    /// The ID of the node that owns `slot`.
    pub(super) fn owner_of(slot: u16, views: &[Self]) -> Option<String> {
        let owner = views.iter().find(|view| view.slots.iter().any(|&(first, last)| (first..=last).contains(&slot)))?;
        Some(owner.id.clone())
    }

    /// Whether it is a primary, alive, and has slots.
    pub(super) fn serves(&self) -> bool {
        self.flags == ["master"] && !self.slots.is_empty()
    }

    /// Whether it is alive and a replica of `primary`.
    pub(super) fn replicates(&self, primary: &str) -> bool {
        self.flags == ["slave"] && self.primary.as_deref() == Some(primary)
    }

    /// `<id> <address> <flags> <primary> <ping> <pong> <epoch> <link> <slot>…`
    fn read(line: &str, alone: bool) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let id = fields.next()?.to_owned();
        let address = fields.next()?;
        let flags = fields.next()?.split(',').filter(|flag| !ORDINARY.contains(flag));
        let mut flags: Vec<String> = flags.map(str::to_owned).collect();
        let primary = fields.next().filter(|primary| *primary != "-").map(str::to_owned);
        if fields.nth(3)? != "connected" {
            flags.push("disconnected".to_owned());
        }
        // An address of IPv6 may begin with a colon too.
        let nowhere = address.strip_prefix(':').is_some_and(|rest| !rest.contains(':'));
        if nowhere && !alone {
            flags.push("nowhere".to_owned());
        }
        let slots = fields.filter(|slots| !slots.starts_with('[')).map(|slots| {
            let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(Self { id, flags, primary, slots: slots.collect::<Option<_>>()? })
    }
}
