//! One command: what the table says of it.

use crate::bits::{Categories, Flags, KeyFlags, category, flag};
use crate::effect::{Aims, Blocks, ConnectionNeed, Effect, Grammar, Replies, Secrets, Sets, Tells};

/// A command, a container (`config`) or a subcommand (`config|set`).
#[derive(Debug, Copy, Clone)]
pub struct Command {
    name: &'static str,
    arity: i16,
    flags: Flags,
    categories: Categories,
    key_specs: &'static [KeySpec],
    request_policy: RequestPolicy,
    response_policy: ResponsePolicy,
    effect: Effect,
    /// What the specs leave open, see `keys`.
    pub(crate) by_name: ByName,
    /// The quickest way to its keys.
    pub(crate) plan: Plan,
}

/// How to find some of a command's keys, in the server's own terms: where to begin, and how to go on from there.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub struct KeySpec {
    /// How the command uses these keys.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: Begin,
    /// Which arguments are keys, counted from there.
    pub find: Find,
}

/// Where the search for keys begins.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub enum Begin {
    /// At this argument.
    Index(i16),
    /// After this keyword, whatever its case.
    Keyword {
        /// In upper case.
        keyword: &'static str,
        /// The argument to start from; a negative one counts from the end and searches backwards.
        start_from: i16,
    },
    /// Nowhere that could be described.
    Unknown,
}

/// Which arguments are keys, counted from where the search begins.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub enum Find {
    /// Every `step`th argument up to `last`.
    Range {
        /// Relative to the beginning; a negative one counts from the request's end (-1: the last argument).
        last: i16,
        /// At least 1.
        step: i16,
        /// With `last` -1 and at least 2: stop after 1/`limit` of the remaining arguments.
        limit: i16,
    },
    /// As many as an argument says.
    KeyNum {
        /// That argument, relative to the beginning.
        index: i16,
        /// The first key, relative to the beginning.
        first: i16,
        /// At least 1.
        step: i16,
    },
    /// None that could be described.
    Unknown,
}

/// To which shards of a cluster a request goes (the server's tip `request_policy`).
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub enum RequestPolicy {
    /// No tip: to the shard of its keys; without keys, to any.
    Default,
    /// To every node, replicas included.
    AllNodes,
    /// To every primary.
    AllShards,
    /// Its keys may be split by shard, a request for each.
    MultiShard,
    /// As the command's documentation says.
    Special,
}

/// What becomes of the replies of several shards (the server's tip `response_policy`).
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub enum ResponsePolicy {
    /// No tip: replies to keys in the order of the keys; other arrays one after the other.
    Default,
    /// The first that is not an error.
    OneSucceeded,
    /// Any of them, or the first error.
    AllSucceeded,
    /// Element-wise and.
    AggLogicalAnd,
    /// Element-wise or.
    AggLogicalOr,
    /// The smallest number.
    AggMin,
    /// The largest number.
    AggMax,
    /// The sum.
    AggSum,
    /// As the command's documentation says.
    Special,
}

/// Key arguments at regular distances: all that most commands have.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub struct KeyRange {
    /// The first key. At least 1.
    pub first: i16,
    /// The last one; a negative one counts from the request's end (-1: the last argument).
    pub last: i16,
    /// The distance between two. At least 1.
    pub step: i16,
}

/// Commands whose own parsing finds keys that their specs do not describe.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub(crate) enum ByName {
    No,
    Sort,
    Migrate,
    GeoRadius,
    Streams,
}

/// The quickest way to a command's keys.
#[derive(Debug, Copy, Clone, Eq, PartialEq)]
pub(crate) enum Plan {
    NoKeys,
    Range(KeyRange),
    Specs,
}

// === impl Command ===

impl Command {
    /// In lower case; `container|subcommand` for a subcommand.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many arguments, the name (and the subcommand's) included; a negative number is a minimum.
    #[must_use]
    pub const fn arity(&self) -> i16 {
        self.arity
    }

    /// Whether a request of this many arguments, the name included, has as many as the command wants.
    #[must_use]
    pub const fn accepts(&self, arguments: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { arguments >= wanted } else { arguments == wanted }
    }

    /// What the server says of it.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// The ACL categories that it is in, as a set.
    #[must_use]
    pub const fn category_set(&self) -> Categories {
        self.categories
    }

    /// The ACL categories that it is in, without `@`.
    pub fn categories(&self) -> impl Iterator<Item = &'static str> {
        self.categories.names()
    }

    /// How to find its keys. [`key_positions`](crate::key_positions) does it.
    #[must_use]
    pub const fn key_specs(&self) -> &'static [KeySpec] {
        self.key_specs
    }

    /// Whether any of its arguments can be a key.
    #[must_use]
    pub const fn is_keyed(&self) -> bool {
        !matches!(self.plan, Plan::NoKeys)
    }

    /// Its keys, where they are all at regular distances (`get`, `mset`, `rename`). `None` where it has no keys, and
    /// where it takes a look at the arguments to find them.
    #[must_use]
    pub const fn key_range(&self) -> Option<KeyRange> {
        match self.plan {
            Plan::Range(range) => Some(range),
            Plan::NoKeys | Plan::Specs => None,
        }
    }

    /// To which shards of a cluster it goes.
    #[must_use]
    pub const fn request_policy(&self) -> RequestPolicy {
        self.request_policy
    }

    /// What becomes of the replies of several shards.
    #[must_use]
    pub const fn response_policy(&self) -> ResponsePolicy {
        self.response_policy
    }

    /// What it does to the connection that it runs on.
    #[must_use]
    pub const fn effect(&self) -> &Effect {
        &self.effect
    }
}

// === impl KeyRange ===

impl KeyRange {
    /// Gives each key's position in a request of `count` arguments, the name included, rising. None where the request
    /// is too short for the range: the server refuses it.
    #[inline]
    pub fn each(self, count: usize, mut key: impl FnMut(usize)) {
        let first = usize::from(self.first.unsigned_abs());
        let last = usize::from(self.last.unsigned_abs());
        let end = if self.last >= 0 { last + 1 } else { (count + 1).saturating_sub(last) };
        if end > count {
            return;
        }
        let step = usize::from(self.step.unsigned_abs()).max(1);
        let mut position = first;
        while position < end {
            key(position);
            position += step;
        }
    }
}

// === Rows: how the table is written ===

pub(crate) const NONE: u32 = 0;

/// A command without keys and tips; categories that follow from the flags need not be named, nor
/// that a command which is flagged as blocking needs a connection that may wait.
pub(crate) const fn cmd(name: &'static str, arity: i16, flags: u32, categories: u32) -> Command {
    Command {
        name,
        arity,
        flags: Flags::from_bits(flags),
        categories: Categories::from_bits(categories | implied(flags, categories)),
        key_specs: &[],
        request_policy: RequestPolicy::Default,
        response_policy: ResponsePolicy::Default,
        effect: if flags & flag::BLOCKING != 0 { Effect::BLOCKING } else { Effect::PLAIN },
        by_name: ByName::No,
        plan: Plan::NoKeys,
    }
}

/// A command that its subcommands do the work of. It stands for those of them that are not in the table.
pub(crate) const fn container(name: &'static str) -> Command {
    cmd(name, -2, NONE, NONE).unknown()
}

/// The categories that the server derives from the flags.
const fn implied(flags: u32, named: u32) -> u32 {
    const RULES: &[(u32, u32)] = &[
        (flag::WRITE, category::WRITE),
        (flag::READONLY, category::READ),
        (flag::ADMIN, category::ADMIN | category::DANGEROUS),
        (flag::PUBSUB, category::PUBSUB),
        (flag::FAST, category::FAST),
        (flag::BLOCKING, category::BLOCKING),
    ];
    let mut implied = if flags & flag::FAST == 0 { category::SLOW } else { 0 };
    let mut rule = 0;
    while rule < RULES.len() {
        if flags & RULES[rule].0 != 0 {
            implied |= RULES[rule].1;
        }
        rule += 1;
    }
    // A read-only script is not in @read: it is allowed by @scripting alone.
    if named & category::SCRIPTING != 0 { implied & !category::READ } else { implied }
}

pub(crate) const fn spec(flags: u32, begin: Begin, find: Find) -> KeySpec {
    KeySpec { flags: KeyFlags::from_bits(flags), begin, find }
}

pub(crate) const fn index(position: i16) -> Begin {
    Begin::Index(position)
}

pub(crate) const fn keyword(keyword: &'static str, start_from: i16) -> Begin {
    Begin::Keyword { keyword, start_from }
}

pub(crate) const fn range(last: i16, step: i16, limit: i16) -> Find {
    Find::Range { last, step, limit }
}

pub(crate) const fn keynum(index: i16, first: i16, step: i16) -> Find {
    Find::KeyNum { index, first, step }
}

impl Command {
    pub(crate) const fn keys(mut self, specs: &'static [KeySpec]) -> Self {
        self.key_specs = specs;
        self.plan = Plan::of(specs);
        self
    }

    pub(crate) const fn by_name(mut self, by_name: ByName) -> Self {
        self.by_name = by_name;
        self
    }

    pub(crate) const fn request(mut self, policy: RequestPolicy) -> Self {
        self.request_policy = policy;
        self
    }

    pub(crate) const fn response(mut self, policy: ResponsePolicy) -> Self {
        self.response_policy = policy;
        self
    }

    pub(crate) const fn needs(mut self, need: ConnectionNeed) -> Self {
        self.effect.need = need;
        self
    }

    pub(crate) const fn sets(mut self, sets: Sets) -> Self {
        self.effect.sets = sets;
        self
    }

    pub(crate) const fn replies(mut self, replies: Replies) -> Self {
        self.effect.replies = replies;
        self
    }

    pub(crate) const fn aims(mut self, aims: Aims) -> Self {
        self.effect.aims = aims;
        self
    }

    pub(crate) const fn tells(mut self, tells: Tells) -> Self {
        self.effect.tells = tells;
        self
    }

    /// Every argument from this position on may be secret.
    pub(crate) const fn hides(mut self, from: u8) -> Self {
        self.effect.secrets = Secrets::From(from);
        self
    }

    /// It blocks only where one of these options asks for it.
    pub(crate) const fn blocks_by(mut self, grammar: &'static Grammar) -> Self {
        self.effect.blocks = Blocks::Option(grammar);
        self.effect.need = ConnectionNeed::Shared;
        self
    }

    pub(crate) const fn unknown(mut self) -> Self {
        self.effect = Effect::UNKNOWN;
        self
    }
}

impl Plan {
    /// One range where the specs amount to one: they begin at an index, and each begins right after the one before.
    const fn of(specs: &[KeySpec]) -> Self {
        let mut plan = Self::NoKeys;
        let mut at = 0;
        while at < specs.len() {
            if !specs[at].flags.contains(KeyFlags::NOT_KEY) {
                plan = match (plan, KeyRange::of(&specs[at])) {
                    (Self::NoKeys, Some(range)) => Self::Range(range),
                    (Self::Range(before), Some(range))
                        if range.first == before.last + 1 && before.step == 1 && range.step == 1 =>
                    {
                        Self::Range(KeyRange { first: before.first, last: range.last, step: 1 })
                    }
                    _ => return Self::Specs,
                };
            }
            at += 1;
        }
        plan
    }
}

impl KeyRange {
    const fn of(spec: &KeySpec) -> Option<Self> {
        match (spec.begin, spec.find) {
            (Begin::Index(first), Find::Range { last, step, limit: 0 }) => {
                Some(Self { first, last: if last < 0 { last } else { first + last }, step })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
