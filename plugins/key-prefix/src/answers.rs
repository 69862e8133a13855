//! Where the keys are in the replies that carry some.

use sluice_plugin::Reply;
use sluice_plugin::resp::Path;

/// A step of the way to a key.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Any element.
    Each,
    /// The element at this position.
    At(usize),
}

use Step::{At, Each};

/// Commands that answer with keys, and where those are in the reply.
const ANSWERS: &[(&[&str], &[&[Step]])] = &[
    (&["keys", "cluster|getkeysinslot"], &[&[Each]]),
    (&["scan"], &[&[At(1), Each]]),
    (&["randomkey"], &[&[]]),
    (&["blpop", "brpop", "bzpopmin", "bzpopmax", "lmpop", "blmpop", "zmpop", "bzmpop"], &[&[At(0)]]),
    // RESP2: pairs of a stream and its entries; RESP3: a map, whose values are arrays and so no keys.
    (&["xread", "xreadgroup"], &[&[Each, At(0)], &[Each]]),
    // Not the replies but the pushes that come because of them: `invalidate` and the keys; in RESP2, a message with the keys.
    (&["client|tracking"], &[&[At(1), Each]]),
    (&["subscribe"], &[&[At(2), Each]]),
    // Names and values in turn; the last value lists the prefixes of the keys that are tracked.
    (&["client|trackinginfo"], &[&[At(5), Each]]),
];

/// A row of [`ANSWERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer(u8);

impl Answer {
    /// What a command answers with, if there are keys in it.
    pub(crate) fn of(command: &str) -> Option<Self> {
        let row = ANSWERS.iter().position(|(commands, _)| commands.contains(&command))?;
        Some(Self(row as u8))
    }

    pub(crate) fn row(self) -> u8 {
        self.0
    }

    pub(crate) fn from_row(row: u8) -> Option<Self> {
        (usize::from(row) < ANSWERS.len()).then_some(Self(row))
    }

    /// What takes the place of the bulk string at a path: the key without its prefix; null for a key of somebody else, as `RANDOMKEY` may
    /// name it; nothing for what is not a key.
    pub(crate) fn strip<'r>(self, path: &Path, bulk: &'r [u8], prefix: &[u8]) -> Option<Reply<'r>> {
        let (_, ways) = ANSWERS.get(usize::from(self.0))?;
        let is_key = ways.iter().any(|way| leads_to(way, path));
        is_key.then(|| bulk.strip_prefix(prefix).map_or(Reply::Null, Reply::bulk))
    }
}

fn leads_to(way: &[Step], path: &Path) -> bool {
    let fits = |(step, &at): (&Step, &usize)| match step {
        Each => true,
        At(position) => at == *position,
    };
    way.len() == path.len() && way.iter().zip(path).all(fits)
}
