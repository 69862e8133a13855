//! Where a worker takes lines off: which requests are logged, and what is kept of them until they
//! are answered.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use metrics::{Counter, counter};
use sluice_commands::{Args, CommandId, key_positions};

use super::line::{Answer, By, Line, Name};
use super::plan::{MAX_ARGUMENT, Plan, Values};
use super::secrets::Secrets;
use super::writer::Log;
use crate::ids::{MessageId, SessionId};
use crate::plugin::SessionDirectory;

/// The most arguments of a request that a line lists.
const ARGUMENTS: usize = 32;

/// The most bytes that are kept of the name of a command that is in no table.
const NAME: usize = 64;

/// How much may be kept of the requests of one source and worker that are in flight, in bytes: a
/// client may send many small ones, and what is kept of each is more than it has sent.
const HELD: usize = 16 << 20;

/// Chooses among the requests of a source, on one worker.
pub struct Tap {
    plan: Plan,
    source: Arc<str>,
    directory: Rc<dyn SessionDirectory>,
    outlet: Rc<Outlet>,
    secrets: Secrets,
    /// A request is chosen when the next random number is below.
    threshold: u64,
    random: u64,
    /// The memory of the positions of keys.
    keys: Vec<u32>,
}

/// What the entries of a tap share.
struct Outlet {
    log: Log,
    dropped: Counter,
    /// How many bytes the entries keep.
    held: Cell<usize>,
}

/// A request that will be logged once it is answered, or when it is clear that it never will be:
/// when this is dropped.
pub struct Entry {
    line: Option<Box<Line>>,
    /// How many bytes it keeps.
    size: usize,
    outlet: Rc<Outlet>,
}

impl Tap {
    /// A tap for the requests of `source` on one worker.
    pub fn new(plan: &Plan, log: Log, source: Arc<str>, directory: Rc<dyn SessionDirectory>) -> Self {
        let dropped = counter!("sluice_traffic_log_dropped_total", "source" => source.to_string());
        // Exactly 1 saturates to the largest number, which is treated as "all"; seeds need not be
        // secret, but must not be 0.
        let threshold = (plan.sample * 2f64.powi(64)) as u64;
        let random = getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1;
        Self {
            plan: plan.clone(),
            source,
            directory,
            outlet: Rc::new(Outlet { log, dropped, held: Cell::new(0) }),
            secrets: Secrets::new(),
            threshold,
            random,
            keys: Vec::new(),
        }
    }

    /// An entry for the request if it is chosen. `bytes` is its size as the client sent it.
    #[inline]
    pub fn choose<A: Args + ?Sized>(
        &mut self,
        session: SessionId,
        message: MessageId,
        command: CommandId,
        arguments: &A,
        bytes: usize,
    ) -> Option<Entry> {
        if self.plan.commands.contains(command.index()) && self.is_sampled() {
            self.enter(session, message, command, arguments, bytes)
        } else {
            None
        }
    }

    #[inline]
    fn is_sampled(&mut self) -> bool {
        if self.threshold == u64::MAX {
            return true;
        }
        // xorshift64*: cheap, and evenly spread.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) < self.threshold
    }

    fn enter<A: Args + ?Sized>(
        &mut self,
        session: SessionId,
        message: MessageId,
        command: CommandId,
        arguments: &A,
        bytes: usize,
    ) -> Option<Entry> {
        if self.outlet.held.get() >= HELD {
            self.outlet.dropped.increment(1);
            return None;
        }
        let info = self.directory.session(session.0);
        let (peer, user) = info.map_or_else(Default::default, |info| (info.peer, info.user));
        let name = command.get().map(|command| command.name());
        let discretion = self.secrets.discretion(command, self.plan.values);
        // The words of the name are no arguments.
        let first = 1 + usize::from(name.is_some_and(|name| name.contains('|')));
        let mut line = Box::new(Line {
            time: SystemTime::now(),
            begun: Instant::now(),
            source: self.source.clone(),
            session,
            peer,
            user,
            message,
            command: name
                .map_or_else(|| Name::Sent(arguments.arg(0)[..arguments.arg(0).len().min(NAME)].to_vec()), Name::Known),
            arguments: Vec::new(),
            shown: Vec::new(),
            argument_count: arguments.count().saturating_sub(first),
            request_bytes: bytes,
            detail: discretion.error,
            by: By::Server,
            answer: None,
        });
        if discretion.arguments == Values::Keys {
            key_positions(command, arguments, &mut self.keys);
        }
        for at in first..arguments.count().min(first + ARGUMENTS) {
            let argument = arguments.arg(at);
            let visible = match discretion.arguments {
                Values::Redacted => false,
                Values::Keys => self.keys.binary_search(&(at as u32)).is_ok(),
                Values::Shown => true,
            };
            let room = self.plan.max_argument.min(MAX_ARGUMENT - line.shown.len());
            let shown = visible.then(|| &argument[..argument.len().min(room)]);
            line.shown.extend_from_slice(shown.unwrap_or_default());
            line.arguments.push((argument.len(), shown.map(<[u8]>::len)));
        }
        let size = line.size();
        self.outlet.held.update(|held| held + size);
        Some(Entry { line: Some(line), size, outlet: self.outlet.clone() })
    }
}

impl Entry {
    /// Somebody other than a server answers the request.
    pub fn answered_by(&mut self, by: By) {
        if let Some(line) = &mut self.line {
            line.by = by;
        }
    }

    /// The request is answered with `frame`; `foreign` where a transform has made that.
    pub fn answered(mut self, frame: &[u8], foreign: bool) {
        if let Some(line) = &mut self.line {
            line.answer = Some(Answer::of(frame, line.begun.elapsed()));
            if foreign {
                line.by = By::Transform;
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.outlet.held.update(|held| held.saturating_sub(self.size));
        if let Some(line) = self.line.take()
            && !self.outlet.log.send(line)
        {
            self.outlet.dropped.increment(1);
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("plan", &self.plan).field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("line", &self.line).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sluice_commands::table;

    use super::super::{Destination, Writers};
    use super::*;
    use crate::plugin::{CommandSet, NoSessions};

    fn tap(writers: &mut Writers, sample: f64) -> Tap {
        let plan = Plan {
            destination: Destination::File("/dev/null".into()),
            sample,
            commands: CommandSet::from_names(["get"]).unwrap(),
            values: Values::Shown,
            max_argument: MAX_ARGUMENT,
        };
        let log = writers.open(&plan).unwrap();
        Tap::new(&plan, log, "source".into(), Rc::new(NoSessions))
    }

    fn choose(tap: &mut Tap, command: &str) -> Option<Entry> {
        let arguments: &[&[u8]] = &[command.as_bytes(), &[b'k'; 3000], &[b'v'; 3000]];
        tap.choose(SessionId(1), MessageId(1), table().by_name(command).unwrap(), arguments, 7)
    }

    #[test]
    fn what_is_kept_of_requests_in_flight_is_bounded_and_given_back_when_they_are_answered() {
        let mut writers = Writers::default();
        let mut tap = tap(&mut writers, 1.0);
        let mut entries: Vec<Entry> = std::iter::from_fn(|| choose(&mut tap, "get")).take(1 << 20).collect();
        let count = entries.len();
        assert!((HELD / (2 * MAX_ARGUMENT)..=HELD / MAX_ARGUMENT).contains(&count), "{count}");
        entries.pop().unwrap().answered(b"+OK\r\n", false);
        entries.push(choose(&mut tap, "get").unwrap());
        assert!(choose(&mut tap, "get").is_none());
        drop(entries);
        assert_eq!(tap.outlet.held.get(), 0);
    }

    #[test]
    fn a_share_of_the_chosen_commands_is_taken() {
        let mut writers = Writers::default();
        for (sample, expected) in [(1.0, 10_000..10_001), (0.5, 4_700..5_300), (0.01, 50..150)] {
            let mut tap = tap(&mut writers, sample);
            assert!((0..1000).all(|_| choose(&mut tap, "set").is_none()), "another command");
            let taken = (0..10_000).filter(|_| choose(&mut tap, "get").is_some()).count();
            assert!(expected.contains(&taken), "{taken} at {sample}");
        }
    }

    #[test]
    fn what_is_kept_of_all_arguments_together_is_bounded() {
        let mut writers = Writers::default();
        let mut entry = choose(&mut tap(&mut writers, 1.0), "get").unwrap();
        let line = entry.line.take().unwrap();
        assert_eq!(line.arguments, [(3000, Some(3000)), (3000, Some(MAX_ARGUMENT - 3000))]);
        assert_eq!(line.shown.len(), MAX_ARGUMENT);
    }
}
