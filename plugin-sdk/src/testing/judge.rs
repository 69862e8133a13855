//! Answers as types, read as the host reads them.

use std::fmt;

use crate::response::Changes;
use crate::verdict::{ORIGINAL, Verdicts, WATCHED, kind};
use crate::{MessageId, Reply, SessionId, resp};

use super::IntoArgs;

/// The arguments of a request.
pub(super) type Args = Vec<Vec<u8>>;

/// What becomes of a request.
#[derive(Clone, PartialEq)]
pub enum Action {
    /// It goes on unchanged.
    Forward,
    /// It goes on with these arguments instead.
    Rewrite(Vec<Vec<u8>>),
    /// It goes no further: this is its reply.
    Reply(Reply<'static>),
    /// Several requests go on in its place.
    FanOut(Vec<Vec<Vec<u8>>>),
    /// The session is closed, with a last reply where there is one.
    Close(Option<Reply<'static>>),
}

/// The verdict on a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The request's message ID.
    pub id: MessageId,
    /// The session that sent it.
    pub session: SessionId,
    /// What becomes of it.
    pub action: Action,
    /// The tag under which its response is watched.
    pub watch: Option<u64>,
}

impl Action {
    /// A rewrite, as a line: see [`IntoArgs`].
    pub fn rewrite(line: impl IntoArgs) -> Self {
        Action::Rewrite(line.into_args())
    }

    /// A fan-out, as lines.
    pub fn fan_out<A: IntoArgs>(lines: impl IntoIterator<Item = A>) -> Self {
        Action::FanOut(lines.into_iter().map(IntoArgs::into_args).collect())
    }
}

impl Verdict {
    /// Whether the request goes on unchanged.
    #[must_use]
    pub fn is_forwarded(&self) -> bool {
        self.action == Action::Forward
    }

    /// The reply, if the request goes no further.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply<'static>> {
        match &self.action {
            Action::Reply(reply) => Some(reply),
            _ => None,
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn line(args: &Args) -> String {
            args.iter().map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
        }
        match self {
            Action::Forward => f.write_str("Forward"),
            Action::Rewrite(args) => f.debug_tuple("Rewrite").field(&line(args)).finish(),
            Action::Reply(reply) => f.debug_tuple("Reply").field(reply).finish(),
            Action::FanOut(requests) => f.debug_list().entries(requests.iter().map(line)).finish(),
            Action::Close(reply) => f.debug_tuple("Close").field(reply).finish(),
        }
    }
}

/// Takes numbers and bytes off the front of the columns.
struct Columns<'a> {
    numbers: &'a [u32],
    bytes: &'a [u8],
}

impl<'a> Columns<'a> {
    fn number(&mut self) -> Result<u32, String> {
        let (&first, rest) = self.numbers.split_first().ok_or("the numbers are used up")?;
        self.numbers = rest;
        Ok(first)
    }

    fn bytes(&mut self, len: u32) -> Result<&'a [u8], String> {
        let (first, rest) = self.bytes.split_at_checked(len as usize).ok_or("the bytes are used up")?;
        self.bytes = rest;
        Ok(first)
    }

    fn request(&mut self, original: &Args) -> Result<Args, String> {
        let count = self.number()?;
        if count == 0 {
            return Err("a request has no arguments".into());
        }
        let arg = |columns: &mut Self| match columns.number()? {
            number if number & ORIGINAL != 0 => {
                let position = number & !ORIGINAL;
                original
                    .get(position as usize)
                    .cloned()
                    .ok_or(format!("argument {position} of the original request is not there"))
            }
            len => columns.bytes(len).map(<[u8]>::to_vec),
        };
        (0..count).map(|_| arg(self)).collect()
    }

    fn frame(&mut self) -> Result<Option<Reply<'static>>, String> {
        match self.number()? {
            0 => Ok(None),
            len => self.bytes(len).and_then(frame).map(Some),
        }
    }
}

/// Exactly one complete frame.
pub(super) fn frame(bytes: &[u8]) -> Result<Reply<'static>, String> {
    let mut nodes = resp::Nodes::new(bytes);
    while nodes.next_node().is_some() {}
    let reply = resp::decode(bytes).filter(|_| nodes.span().end == bytes.len());
    reply.map(Reply::into_owned).ok_or(format!("`{}` is not exactly one frame", bytes.escape_ascii()))
}

/// What becomes of each request of a batch, and what is watched.
pub(super) fn verdicts(answer: &Verdicts, requests: &[&Args]) -> Result<Vec<(Action, Option<u64>)>, String> {
    let mut all = vec![(Action::Forward, None); requests.len()];
    let mut columns = Columns { numbers: &answer.numbers, bytes: &answer.bytes };
    if answer.kinds.len() != answer.indices.len() || answer.tags.len() != answer.indices.len() {
        return Err("the columns are not equally long".into());
    }
    if !answer.indices.is_sorted_by(|a, b| a < b) {
        return Err("the indices do not rise".into());
    }
    for ((&index, &kind), &tag) in answer.indices.iter().zip(&answer.kinds).zip(&answer.tags) {
        let original = requests.get(index as usize).ok_or("an index is beyond the batch")?;
        let watch = (kind & WATCHED != 0).then_some(tag);
        let action = match kind & !WATCHED {
            kind::FORWARD => Action::Forward,
            kind::REWRITE => Action::Rewrite(columns.request(original)?),
            kind::REPLY => Action::Reply(columns.frame()?.ok_or("a reply is empty")?),
            kind::FAN_OUT => match columns.number()? {
                0 => return Err("a fan-out has no requests".into()),
                count => Action::FanOut((0..count).map(|_| columns.request(original)).collect::<Result<_, _>>()?),
            },
            kind::CLOSE => Action::Close(columns.frame()?),
            other => return Err(format!("there is no verdict {other}")),
        };
        if watch.is_some() && matches!(action, Action::Reply(_) | Action::Close(_)) {
            return Err("what is not sent on cannot be watched".into());
        }
        all[index as usize] = (action, watch);
    }
    if !columns.numbers.is_empty() || !columns.bytes.is_empty() {
        return Err("numbers or bytes are left over".into());
    }
    Ok(all)
}

/// What takes the place of each response of a batch.
pub(super) fn changes(answer: &Changes, responses: usize) -> Result<Vec<Option<Reply<'static>>>, String> {
    let mut all = vec![None; responses];
    let mut columns = Columns { numbers: &answer.lengths, bytes: &answer.bytes };
    if !answer.indices.is_sorted_by(|a, b| a < b) {
        return Err("the indices do not rise".into());
    }
    for &index in &answer.indices {
        let response = all.get_mut(index as usize).ok_or("an index is beyond the batch")?;
        *response = Some(columns.frame()?.ok_or("a reply is empty")?);
    }
    if !columns.numbers.is_empty() || !columns.bytes.is_empty() {
        return Err("lengths or bytes are left over".into());
    }
    Ok(all)
}
