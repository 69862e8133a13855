//! Transactions: the reply to `EXEC` carries the replies of the commands that were queued.
//!
//! What counts is what the server says, since only a command that it answers with `QUEUED` has a place in the reply to `EXEC`. So within a
//! transaction every response is watched. Requests and responses of a session each come in order, but not in step: a client that pipelines has
//! sent `EXEC` before the first `QUEUED` is back. Hence there is a state for either direction.

use std::collections::{BTreeMap, BTreeSet};

use sluice_plugin::SessionId;

use crate::answers::Answer;

/// How many transactions are followed at a time. A client may go away in the middle of one, and nobody says so: where there are more, one
/// is given up, and should it go on after all, the keys in its replies keep their prefix.
const MOST: usize = 8192;

/// What a command does to a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It begins one.
    Begin,
    /// It is queued in one, if there is one.
    #[default]
    Within,
    /// It executes it.
    Exec,
    /// It ends it without a result.
    End,
}

impl Phase {
    pub(crate) fn of(command: &str) -> Self {
        match command {
            "multi" => Phase::Begin,
            "exec" => Phase::Exec,
            "discard" | "reset" => Phase::End,
            _ => Phase::Within,
        }
    }
}

/// What a watched response is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) phase: Phase,
    pub(crate) answer: Option<Answer>,
}

/// The phase in the low byte; above it, the answer plus one.
impl From<Tag> for u64 {
    fn from(tag: Tag) -> Self {
        tag.phase as u64 | tag.answer.map_or(0, |answer| u64::from(answer.row()) + 1) << 8
    }
}

impl Tag {
    pub(crate) fn read(tag: u64) -> Option<Self> {
        let phases = [Phase::Begin, Phase::Within, Phase::Exec, Phase::End];
        let phase = phases.into_iter().find(|phase| *phase as u64 == tag & 0xff)?;
        let answer = match tag >> 8 {
            0 => None,
            row => Some(Answer::from_row(u8::try_from(row - 1).ok()?)?),
        };
        Some(Tag { phase, answer })
    }
}

/// The commands of a transaction that answer with keys, by their position.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    count: usize,
    answers: Vec<(usize, Answer)>,
}

impl Queued {
    /// What the command at a position answers with.
    pub(crate) fn answer(&self, at: usize) -> Option<Answer> {
        let found = self.answers.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        self.answers.get(found).map(|(_, answer)| *answer)
    }
}

/// The transactions of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// The sessions that have sent `MULTI` and not yet its end.
    sent: BTreeSet<SessionId>,
    /// What the server has queued, from its reply to `MULTI` on.
    queued: BTreeMap<SessionId, Queued>,
}

impl Transactions {
    /// A request goes on: the tag under which its response is to be watched, if it is.
    #[inline]
    pub(crate) fn request(&mut self, session: SessionId, phase: Phase, answer: Option<Answer>) -> Option<Tag> {
        let watched = match phase {
            Phase::Within => answer.is_some() || (!self.sent.is_empty() && self.sent.contains(&session)),
            Phase::Begin => {
                self.sent.insert(session);
                if self.sent.len() > MOST {
                    self.sent.pop_first();
                }
                true
            }
            Phase::Exec | Phase::End => !self.sent.is_empty() && self.sent.remove(&session),
        };
        watched.then_some(Tag { phase, answer })
    }

    /// The server has begun a transaction.
    pub(crate) fn begun(&mut self, session: SessionId) {
        self.queued.insert(session, Queued::default());
        if self.queued.len() > MOST {
            self.queued.pop_first();
        }
    }

    /// The server has queued a command.
    pub(crate) fn queued(&mut self, session: SessionId, answer: Option<Answer>) {
        if let Some(queued) = self.queued.get_mut(&session) {
            if let Some(answer) = answer {
                queued.answers.push((queued.count, answer));
            }
            queued.count += 1;
        }
    }

    /// The transaction is over: what was queued.
    pub(crate) fn executed(&mut self, session: SessionId) -> Queued {
        self.queued.remove(&session).unwrap_or_default()
    }
}
