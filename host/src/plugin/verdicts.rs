//! The verdicts of a crossing, checked: what becomes of each request.

/// The bit of a kind that says that the response is watched.
pub(super) const WATCHED: u8 = 0x80;

/// The bit of an argument's number that says that it is an argument of the original request.
pub(super) const ARGUMENT_OF_ORIGINAL: u32 = 0x8000_0000;

/// The verdicts on a batch of requests, in the columns form of the contract.
///
/// [`Instance::requests`](super::Instance::requests) fills it and checks it against the batch, so
/// whoever reads it need not. Keep one per chain position and pass it in again.
#[derive(Debug, Default)]
pub struct Verdicts {
    pub(super) indices: Vec<u32>,
    pub(super) kinds: Vec<u8>,
    pub(super) tags: Vec<u64>,
    pub(super) numbers: Vec<u32>,
    pub(super) bytes: Vec<u8>,
}

impl Verdicts {
    /// No verdicts: every request is forwarded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every request is simply forwarded.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// How many requests have a verdict.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// The verdicts, in the order of their requests. A request that is not listed is forwarded and
    /// not watched.
    pub fn iter(&self) -> impl Iterator<Item = Verdict<'_>> {
        let mut rest = Cursor { numbers: &self.numbers, bytes: &self.bytes };
        self.indices.iter().zip(&self.kinds).zip(&self.tags).map_while(move |((&index, &kind), &tag)| {
            let action = rest.action(ActionKind::from_bits(kind & !WATCHED)?)?;
            let watch = (kind & WATCHED != 0).then_some(tag);
            Some(Verdict { index, watch, action })
        })
    }

    /// Whether every column is empty: the usual answer, which needs no check.
    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.indices.is_empty()
            && self.kinds.is_empty()
            && self.tags.is_empty()
            && self.numbers.is_empty()
            && self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.indices.clear();
        self.kinds.clear();
        self.tags.clear();
        self.numbers.clear();
        self.bytes.clear();
    }
}

/// What becomes of a request: the low bits of a kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ActionKind {
    Forward,
    Rewrite,
    Reply,
    FanOut,
    Close,
}

impl ActionKind {
    pub(super) const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Forward,
            1 => Self::Rewrite,
            2 => Self::Reply,
            3 => Self::FanOut,
            4 => Self::Close,
            _ => return None,
        })
    }

    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Forward => 0,
            Self::Rewrite => 1,
            Self::Reply => 2,
            Self::FanOut => 3,
            Self::Close => 4,
        }
    }

    /// Whether there will be a response to watch.
    pub(super) const fn may_watch(self) -> bool {
        !matches!(self, Self::Reply | Self::Close)
    }
}

/// What becomes of one request.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// The request's position in the batch.
    pub index: u32,
    /// Hand its response to the transform, with this tag.
    pub watch: Option<u64>,
    /// What becomes of the request itself.
    pub action: Action<'a>,
}

/// What becomes of the request itself.
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// It goes on unchanged.
    Forward,
    /// It goes on with these arguments instead.
    Rewrite(Arguments<'a>),
    /// It goes no further: this is its reply, one complete frame in the protocol of its session.
    Reply(&'a [u8]),
    /// These go on in its place; their replies come back as one array.
    FanOut(Requests<'a>),
    /// The session is closed once its earlier requests are answered; the frame, if any, is its last
    /// reply.
    Close(Option<&'a [u8]>),
}

/// The arguments of one request, the command's name first. At least one.
#[derive(Clone, Debug)]
pub struct Arguments<'a> {
    numbers: &'a [u32],
    bytes: &'a [u8],
}

/// An argument of a rewritten request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Argument<'a> {
    /// The argument of the original request at this position.
    Original(u32),
    /// These bytes.
    Literal(&'a [u8]),
}

impl<'a> Iterator for Arguments<'a> {
    type Item = Argument<'a>;

    fn next(&mut self) -> Option<Argument<'a>> {
        let (&number, numbers) = self.numbers.split_first()?;
        self.numbers = numbers;
        if number & ARGUMENT_OF_ORIGINAL != 0 {
            return Some(Argument::Original(number & !ARGUMENT_OF_ORIGINAL));
        }
        let (literal, bytes) = self.bytes.split_at_checked(number as usize)?;
        self.bytes = bytes;
        Some(Argument::Literal(literal))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.numbers.len(), Some(self.numbers.len()))
    }
}

impl ExactSizeIterator for Arguments<'_> {}

/// The requests of a fan-out, in order. At least one.
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    left: u32,
    rest: Cursor<'a>,
}

impl<'a> Iterator for Requests<'a> {
    type Item = Arguments<'a>;

    fn next(&mut self) -> Option<Arguments<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.rest.request()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Requests<'_> {}

/// The front of what has not been taken yet. Every step gives `None` rather than panic, though
/// checked verdicts never make it.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    numbers: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn action(&mut self, kind: ActionKind) -> Option<Action<'a>> {
        Some(match kind {
            ActionKind::Forward => Action::Forward,
            ActionKind::Rewrite => Action::Rewrite(self.request()?),
            ActionKind::Reply => Action::Reply(self.frame()?),
            ActionKind::FanOut => {
                let count = self.number()?;
                let requests = Requests { left: count, rest: *self };
                for _ in 0..count {
                    self.request()?;
                }
                Action::FanOut(requests)
            }
            ActionKind::Close => Action::Close(Some(self.frame()?).filter(|frame| !frame.is_empty())),
        })
    }

    fn number(&mut self) -> Option<u32> {
        let (&number, rest) = self.numbers.split_first()?;
        self.numbers = rest;
        Some(number)
    }

    fn frame(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (frame, rest) = self.bytes.split_at_checked(length as usize)?;
        self.bytes = rest;
        Some(frame)
    }

    fn request(&mut self) -> Option<Arguments<'a>> {
        let count = self.number()?;
        let (numbers, rest) = self.numbers.split_at_checked(count as usize)?;
        let literal = numbers
            .iter()
            .filter(|&&number| number & ARGUMENT_OF_ORIGINAL == 0)
            .try_fold(0usize, |sum, &length| sum.checked_add(length as usize))?;
        let (bytes, tail) = self.bytes.split_at_checked(literal)?;
        self.numbers = rest;
        self.bytes = tail;
        Some(Arguments { numbers, bytes })
    }
}
