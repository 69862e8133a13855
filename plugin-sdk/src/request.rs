//! Requests, as they lie in the columns of a batch: nothing is copied.

use crate::verdict::{Verdict, Verdicts};
use crate::{Command, MessageId, SessionId};

/// Marks an argument outside the view, in `arg-offsets`.
pub(crate) const HIDDEN: u32 = u32::MAX;
/// Marks a key, in `arg-lengths`.
pub(crate) const KEY: u32 = 1 << 31;

/// A batch of requests as it crosses: see `requests-columns` in the contract.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestColumns<'a> {
    pub(crate) ids: &'a [u64],
    pub(crate) sessions: &'a [u64],
    pub(crate) commands: &'a [u16],
    pub(crate) arg_counts: &'a [u32],
    pub(crate) arg_offsets: &'a [u32],
    pub(crate) arg_lengths: &'a [u32],
    pub(crate) bytes: &'a [u8],
}

/// A batch of requests, in order of arrival; those of one session are in the order in which it sent them.
#[derive(Debug)]
pub struct Requests<'a> {
    columns: RequestColumns<'a>,
    next: usize,
    verdicts: &'a mut Verdicts,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(columns: RequestColumns<'a>, verdicts: &'a mut Verdicts) -> Self {
        Self { columns, next: 0, verdicts }
    }

    /// How many requests are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.ids.len() - self.next
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next request, and the verdict on it. Requests that are never taken are forwarded.
    #[inline]
    pub fn next_request(&mut self) -> Option<(Request<'a>, Verdict<'_>)> {
        let at = self.next;
        let columns = &mut self.columns;
        let (&id, &session) = (columns.ids.get(at)?, columns.sessions.get(at)?);
        let (&command, &count) = (columns.commands.get(at)?, columns.arg_counts.get(at)?);
        let count = count as usize;
        let (offsets, later_offsets) = columns.arg_offsets.split_at_checked(count)?;
        let (lengths, later_lengths) = columns.arg_lengths.split_at_checked(count)?;
        columns.arg_offsets = later_offsets;
        columns.arg_lengths = later_lengths;
        self.next = at + 1;
        let bytes = columns.bytes;
        let request = Request { id, session, command: Command(command), offsets, lengths, bytes };
        Some((request, Verdict::new(self.verdicts, at as u32, count as u32)))
    }
}

/// One request of one session.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    id: u64,
    session: u64,
    command: Command,
    offsets: &'a [u32],
    lengths: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The message ID; its response carries the same one.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id.into()
    }

    /// The session that sent it.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session.into()
    }

    /// Its command.
    #[inline]
    #[must_use]
    pub fn command(&self) -> Command {
        self.command
    }

    /// How many arguments it has, the command's name included. At least 1. For a subcommand (`config|set`), arguments 0 and 1 make the name.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// An argument; 0 is the command's name.
    #[inline]
    #[must_use]
    pub fn arg(&self, position: usize) -> Option<Arg<'a>> {
        let (&offset, &length) = (self.offsets.get(position)?, self.lengths.get(position)?);
        let len = length & !KEY;
        let shown = (offset != HIDDEN).then(|| self.bytes.get(offset as usize..)?.get(..len as usize)).flatten();
        Some(Arg { position: position as u32, len, key: length & KEY != 0, shown })
    }

    /// The bytes of an argument; `None` if there is no such argument or it is outside the view.
    #[inline]
    #[must_use]
    pub fn bytes(&self, position: usize) -> Option<&'a [u8]> {
        self.arg(position)?.bytes()
    }

    /// All arguments, the command's name first.
    #[inline]
    pub fn args(&self) -> impl DoubleEndedIterator<Item = Arg<'a>> + ExactSizeIterator + use<'a> {
        let request = *self;
        (0..request.len()).map(move |position| request.arg(position).unwrap_or(Arg::NONE))
    }

    /// The arguments that are keys. None unless the [interest](crate::Interest) asked for their positions.
    #[inline]
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = Arg<'a>> + use<'a> {
        self.args().filter(Arg::is_key)
    }
}

/// One argument of a request.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    pub(crate) position: u32,
    len: u32,
    key: bool,
    shown: Option<&'a [u8]>,
}

impl<'a> Arg<'a> {
    const NONE: Self = Arg { position: 0, len: 0, key: false, shown: None };

    /// Its place in the request.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position as usize
    }

    /// Its bytes; `None` if it is outside the view.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        self.shown
    }

    /// Its length in bytes, also where it is outside the view.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it is a key.
    #[inline]
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.key
    }
}
