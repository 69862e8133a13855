//! From bytes to requests: what a client has sent becomes a run of the next vector.

use sluice_commands::{CommandId, ConnectionNeed, Sets};

use super::session::{Life, Partial, ReplyMode, Session};
use crate::buffer::LARGE;
use crate::chain::vector::Arguments;
use crate::chain::{Answer, Chain, Outcome, ResponsePaths, Step, Vector};
use crate::ids::{MessageId, MessageIds, PathId, SessionId};
use crate::resp::request::Form;
use crate::resp::{ProtocolError, Scan, inline};
use crate::traffic::Tap;

/// The parts of a worker that requests are taken in with.
pub(super) struct Intake<'a> {
    pub(super) vector: &'a mut Vector,
    pub(super) trails: &'a mut ResponsePaths,
    pub(super) ids: &'a mut MessageIds,
    /// Where there is a traffic log.
    pub(super) tap: Option<&'a mut Tap>,
    /// The chain that the vector will go through.
    pub(super) chain: &'a Chain,
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
            let needed = if session.settling { 0 } else { rest.len() + 1 };
            let mut partial = Partial { needed, ..Partial::default() };
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
                    let look = Look::at(command, &arguments, session, self.chain);
                    let trail = self.trail(logged, look.silent);
                    self.vector.push_large(id, frame, first, command, trail);
                    self.follow(look, session);
                }
                session.arrived(self.vector.end_run(len));
                // What came behind it is an ordinary matter.
                if session.settling {
                    if !partial.bytes.is_empty() {
                        let bytes = std::mem::take(&mut partial.bytes);
                        session.partial = Some(Box::new(Partial { bytes, ..Partial::default() }));
                    }
                    return true;
                }
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
        let changing = session.state().is_changing();
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
                        // Hardly any command concerns its session: those that do take a closer look.
                        if session.replies == ReplyMode::On && !changing && command.effect().is_plain() {
                            self.vector.push(id, at..at + len, first, command, logged);
                        } else {
                            let look = Look::at(command, &arguments, session, self.chain);
                            let trail = self.trail(logged, look.silent);
                            self.vector.push(id, at..at + len, first, command, trail);
                            if self.follow(look, session) {
                                return at + len;
                            }
                        }
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
                            let look = Look::at(command, &arguments, session, self.chain);
                            self.vector.request_mut(last).trail = self.trail(logged, look.silent);
                            if self.follow(look, session) {
                                return at + len;
                            }
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
        self.vector.push_ended(self.ids.issue(), Outcome::Close(Some(answer)), PathId::NONE);
        session.end();
    }

    /// Does what the look at the request that was pushed last asks for. Returns whether the run ends
    /// behind it: what follows is taken in when it is known who the session is.
    fn follow(&mut self, look: Look, session: &mut Session) -> bool {
        if look.refused {
            let last = self.vector.len() - 1;
            self.vector.end(last, Outcome::Spoil(Answer::error(IN_DOUBT)));
        }
        session.settling |= look.settles;
        look.settles
    }

    fn trail(&mut self, below: PathId, silent: bool) -> PathId {
        if silent { self.trails.push(below, Step::Silence) } else { below }
    }
}

/// The trail of a request that is to be logged; that of another is empty.
#[inline]
fn log(
    tap: &mut Option<&mut Tap>,
    trails: &mut ResponsePaths,
    session: SessionId,
    id: MessageId,
    command: CommandId,
    arguments: &Arguments<'_>,
    bytes: usize,
) -> PathId {
    match tap.as_mut().and_then(|tap| tap.choose(session, id, command, arguments, bytes)) {
        None => PathId::NONE,
        Some(entry) => trails.push(PathId::NONE, Step::Log(entry)),
    }
}

/// Whether a partial request is better read into memory of its own than into the arena.
pub(super) fn is_large(partial: &Partial) -> bool {
    partial.bytes.len() >= LARGE || partial.needed >= LARGE
}

/// What a closer look at a request says.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// Whether the client does not want its reply.
    silent: bool,
    /// Whether it is not known who would execute it, and a transform may ask.
    refused: bool,
    /// Whether its reply may change who the session is.
    settles: bool,
}

/// What is told to whoever goes on in a transaction behind a change of who the session is.
const IN_DOUBT: &str = "ERR what follows AUTH in a transaction cannot be judged before EXEC, and this \
                        chain decides by who a session is: send it outside of the transaction";

impl Look {
    fn at(command: CommandId, arguments: &Arguments<'_>, session: &mut Session, chain: &Chain) -> Self {
        let effect = command.effect();
        let (changing, in_doubt) = (session.state().is_changing(), session.state().is_in_doubt());
        let ends = matches!(effect.need, ConnectionNeed::Exec | ConnectionNeed::Discard);
        let may_end = ends || effect.sets == Sets::Reset || effect.need == ConnectionNeed::Quit;
        let introduces = matches!(effect.sets, Sets::User | Sets::Greeting | Sets::Database | Sets::Reset);
        Self {
            silent: is_silent(command, arguments, session),
            refused: in_doubt && !may_end && chain.asks_sessions(),
            settles: introduces || (changing && ends),
        }
    }
}

/// Whether the client does not want the reply to a request.
fn is_silent(command: CommandId, arguments: &Arguments<'_>, session: &mut Session) -> bool {
    let was = session.replies;
    if was == ReplyMode::SkipNext {
        session.replies = ReplyMode::On;
    }
    let silent = was != ReplyMode::On;
    let effect = command.effect();
    match (effect.need, effect.sets) {
        (ConnectionNeed::ClientReply, _) => {
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
        (_, Sets::Reset) if arguments.get(1).is_none() => {
            session.replies = ReplyMode::On;
            false
        }
        _ => silent,
    }
}
