//! From bytes to requests: what a client has sent becomes a run of the next vector.

use sluice_commands::{Command, CommandId};

use super::session::{Life, Partial, ReplyMode, Session};
use crate::buffer::LARGE;
use crate::chain::vector::Arguments;
use crate::chain::{Answer, Outcome, Step, Trails, Vector};
use crate::ids::{MessageId, MessageIds, SessionId, TrailId};
use crate::resp::request::Form;
use crate::resp::{ProtocolError, Scan, inline};
use crate::traffic::Tap;

/// The parts of a worker that requests are taken in with.
pub(super) struct Intake<'a> {
    pub(super) vector: &'a mut Vector,
    pub(super) trails: &'a mut Trails,
    pub(super) ids: &'a mut MessageIds,
    /// Where there is a traffic log.
    pub(super) tap: Option<&'a mut Tap>,
}

impl Intake<'_> {
    /// Take in what lies in the arena from `start` on: it has just been read, behind what was there of an unfinished request.
    pub(super) fn arrived(&mut self, session: &mut Session, start: usize) {
        let end = self.vector.arena().len();
        self.vector.begin_run(session.id);
        let consumed = self.take_in(session, start, end);
        session.arrived(self.vector.end_run(consumed - start));
        if consumed < end && session.life == Life::Open {
            let rest = self.vector.arena().get(consumed..end);
            let mut partial = Partial { needed: rest.len() + 1, ..Partial::default() };
            partial.bytes.extend_from_slice(rest);
            session.partial = Some(Box::new(partial));
        }
        if self.vector.arena().len() == end {
            self.vector.arena_mut().truncate(consumed);
        }
    }

    /// Take in a large request that arrived in `partial`, if it is whole. Returns whether it was.
    pub(super) fn arrived_large(&mut self, session: &mut Session, partial: &mut Partial) -> bool {
        if partial.bytes.len() < partial.needed {
            return false;
        }
        match partial.scanner.scan(&partial.bytes, &mut partial.arguments) {
            Ok(Scan::Incomplete(needed)) if needed <= session.limits.query => {
                partial.needed = needed;
                false
            }
            Ok(Scan::Complete(len)) => {
                let frame = partial.bytes.split_to(len).freeze();
                self.vector.begin_run(session.id);
                if !partial.arguments.is_empty() {
                    let first = self.vector.arguments_mut().len();
                    self.vector.arguments_mut().append(&mut partial.arguments);
                    let arguments = self.vector.arguments_of(&frame, first);
                    let command = self.vector.lookup(&arguments);
                    let id = self.ids.issue();
                    let logged = log(&mut self.tap, self.trails, session.id, id, command, &arguments, len);
                    let silent = is_silent(command, &arguments, session);
                    let trail = self.trail(logged, silent);
                    self.vector.push_large(id, frame, first, command, trail);
                }
                session.arrived(self.vector.end_run(len));
                // What came behind it is an ordinary matter.
                let start = self.vector.arena_mut().append(&partial.bytes);
                if start < self.vector.arena().len() {
                    self.arrived(session, start);
                }
                true
            }
            outcome => {
                self.vector.begin_run(session.id);
                self.refuse(session, outcome.err().unwrap_or(ProtocolError::TooLarge(session.limits.query)));
                self.vector.end_run(0);
                true
            }
        }
    }

    /// Take in whole requests; returns where the first that is not whole begins.
    fn take_in(&mut self, session: &mut Session, start: usize, end: usize) -> usize {
        let mut at = start;
        while at < end {
            let first = self.vector.arguments_mut().len();
            match self.vector.scan(at, end) {
                Ok((Scan::Complete(len), Form::Array)) => {
                    // `*0` and `*-1` are silent.
                    if self.vector.arguments_mut().len() > first {
                        let arguments = self.vector.arguments_at(at..at + len, first);
                        let command = self.vector.lookup(&arguments);
                        let id = self.ids.issue();
                        let logged = log(&mut self.tap, self.trails, session.id, id, command, &arguments, len);
                        // Hardly any command concerns the replies: those that do take a closer look.
                        let trail = if session.replies == ReplyMode::On && !concerns_replies(command) {
                            logged
                        } else {
                            let silent = is_silent(command, &arguments, session);
                            self.trail(logged, silent)
                        };
                        self.vector.push(id, at..at + len, first, command, trail);
                    }
                    at += len;
                }
                Ok((Scan::Complete(len), Form::Inline)) => {
                    match inline::split(self.vector.arena().get(at..at + len)) {
                        Ok(words) if words.is_empty() => {}
                        Ok(words) => {
                            let id = self.ids.issue();
                            let command = self.vector.push_words(id, &words);
                            let last = self.vector.len() - 1;
                            let arguments = self.vector.arguments(self.vector.request(last));
                            let logged = log(&mut self.tap, self.trails, session.id, id, command, &arguments, len);
                            let silent = is_silent(command, &arguments, session);
                            self.vector.request_mut(last).trail = self.trail(logged, silent);
                        }
                        Err(error) => {
                            self.refuse(session, error);
                            return end;
                        }
                    }
                    at += len;
                }
                Ok((Scan::Incomplete(needed), _)) if needed <= session.limits.query => {
                    self.vector.arguments_mut().truncate(first);
                    return at;
                }
                outcome => {
                    self.vector.arguments_mut().truncate(first);
                    self.refuse(session, outcome.err().unwrap_or(ProtocolError::TooLarge(session.limits.query)));
                    return end;
                }
            }
        }
        at
    }

    /// Nothing that follows can be understood: say why, behind the replies to what came before, and close.
    fn refuse(&mut self, session: &mut Session, error: ProtocolError) {
        tracing::debug!(session = %session.id, %error, "protocol error");
        let answer = Answer::error(&format!("ERR {error}"));
        self.vector.push_ended(self.ids.issue(), Outcome::Close(Some(answer)), TrailId::NONE);
        session.end();
    }

    fn trail(&mut self, below: TrailId, silent: bool) -> TrailId {
        if silent { self.trails.push(below, Step::Silence) } else { below }
    }
}

/// The trail of a request that is to be logged; that of another is empty.
#[inline]
fn log(
    tap: &mut Option<&mut Tap>,
    trails: &mut Trails,
    session: SessionId,
    id: MessageId,
    command: CommandId,
    arguments: &Arguments<'_>,
    bytes: usize,
) -> TrailId {
    match tap.as_mut().and_then(|tap| tap.choose(session, id, command, arguments, bytes)) {
        None => TrailId::NONE,
        Some(entry) => trails.push(TrailId::NONE, Step::Log(entry)),
    }
}

/// Whether a partial request is better read into memory of its own than into the arena.
pub(super) fn is_large(partial: &Partial) -> bool {
    partial.bytes.len() >= LARGE || partial.needed >= LARGE
}

/// Whether a command is about which replies the client wants.
#[inline]
fn concerns_replies(command: CommandId) -> bool {
    matches!(command.get().map(Command::name), Some("client|reply" | "reset"))
}

/// Whether the client does not want the reply to a request.
fn is_silent(command: CommandId, arguments: &Arguments<'_>, session: &mut Session) -> bool {
    let was = session.replies;
    if was == ReplyMode::SkipNext {
        session.replies = ReplyMode::On;
    }
    let silent = was != ReplyMode::On;
    match command.get().map(Command::name) {
        Some("client|reply") => {
            let wanted = arguments.get(2).unwrap_or_default();
            if wanted.eq_ignore_ascii_case(b"ON") {
                session.replies = ReplyMode::On;
                return false;
            }
            if wanted.eq_ignore_ascii_case(b"OFF") {
                session.replies = ReplyMode::Off;
                return true;
            }
            if wanted.eq_ignore_ascii_case(b"SKIP") && was != ReplyMode::Off {
                session.replies = ReplyMode::SkipNext;
                return true;
            }
            silent
        }
        // With arguments it is refused.
        Some("reset") if arguments.get(1).is_none() => {
            session.replies = ReplyMode::On;
            false
        }
        _ => silent,
    }
}
