//! What the servers of a sink call their commands, and what they say of those that the table lacks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_commands::{CommandId, lookup};

use crate::cluster::{ModuleCommand, ModuleCommands};
use crate::resp::request::RequestScanner;
use crate::resp::{Scan, Span, encode};

/// The question that servers are asked for their commands.
pub(super) const COMMAND: &[u8] = b"*1\r\n$7\r\nCOMMAND\r\n";

/// The shortest time between two questions for commands: a client that sends nonsense causes no
/// more of them.
const PAUSE: Duration = Duration::from_secs(5);

/// The commands of the servers of one sink; all workers share it.
#[derive(Debug, Default)]
pub struct ServerCommands {
    /// The commands that the servers have under another name: the name of the table, by the
    /// servers' name in lower case.
    renamed: HashMap<Box<[u8]>, Box<[u8]>>,
    /// The names, in lower case, of commands that may share a connection. A `*` stands for any text.
    shared: Vec<Box<[u8]>>,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    commands: Arc<ModuleCommands>,
    /// When the servers were last asked; `None`: never.
    asked: Option<Instant>,
    /// Whether they have answered, and no command has come since that they did not name.
    settled: bool,
}

impl ServerCommands {
    /// `renamed`: each name of the table with the servers' own name. `shared`: names of commands
    /// that may share a connection, in which `*` stands for any text.
    pub fn new<'a>(renamed: impl Iterator<Item = (&'a str, &'a str)>, shared: impl Iterator<Item = &'a str>) -> Self {
        let lower = |name: &str| name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        Self {
            renamed: renamed.map(|(name, server_name)| (lower(server_name), lower(name))).collect(),
            shared: shared.map(lower).collect(),
            learned: Mutex::default(),
        }
    }

    /// The command that a request names, where the table does not know the name: one that the
    /// servers have renamed. `subcommand`: the second argument.
    pub fn renamed(&self, name: &[u8], subcommand: Option<&[u8]>) -> CommandId {
        if self.renamed.is_empty() {
            return CommandId::UNKNOWN;
        }
        let original = self.renamed.get(&*name.to_ascii_lowercase());
        original.map_or(CommandId::UNKNOWN, |original| lookup(original, || subcommand))
    }

    /// Requests of the proxy's own, with the servers' names of their commands.
    pub fn in_their_words<'a>(&self, requests: &'a [u8]) -> Cow<'a, [u8]> {
        if self.renamed.is_empty() {
            return Cow::Borrowed(requests);
        }
        let (mut out, mut rest, mut spans) = (Vec::new(), requests, Vec::new());
        while let Ok(Scan::Complete(len)) = RequestScanner::default().scan(rest, &mut spans) {
            let mut words: Vec<&[u8]> = spans.drain(..).map(|span: Span| span.of(rest)).collect();
            if let Some(first) = words.first_mut() {
                *first = self.their_name(first);
            }
            encode::request(&mut out, words.into_iter());
            rest = rest.get(len..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
        Cow::Owned(out)
    }

    fn their_name<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        let renamed = self.renamed.iter().find(|(_, original)| original.eq_ignore_ascii_case(name));
        renamed.map_or(name, |(theirs, _)| theirs)
    }

    /// Whether the operator lets the command of this name share a connection.
    pub fn may_share(&self, name: &[u8]) -> bool {
        !self.shared.is_empty() && {
            let name = name.to_ascii_lowercase();
            self.shared.iter().any(|pattern| matches(pattern, &name))
        }
    }

    /// What the servers say of the command of this name, which the table lacks.
    pub fn find(&self, name: &[u8]) -> Option<ModuleCommand> {
        let commands = self.learned().commands.clone();
        commands.find(name)
    }

    /// A command has come that neither the table nor the servers have named: they may have others
    /// since they were asked. Returns whether they are to be asked now.
    pub fn is_strange(&self) -> bool {
        self.learned().settled = false;
        self.asks()
    }

    /// Whether the servers are to be asked for their commands now. Whoever is told so asks.
    pub(super) fn asks(&self) -> bool {
        let mut learned = self.learned();
        let asks = !learned.settled && learned.asked.is_none_or(|asked| asked.elapsed() >= PAUSE);
        if asks {
            learned.asked = Some(Instant::now());
        }
        asks
    }

    /// The servers' answer to [`COMMAND`].
    pub(super) fn learn(&self, answer: &[u8]) {
        let commands = ModuleCommands::read(answer);
        let mut learned = self.learned();
        learned.settled = true;
        if *learned.commands != commands {
            tracing::info!(commands = commands.len(), "the server has commands that the table does not know");
            learned.commands = Arc::new(commands);
        }
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a name is what a pattern describes, in which `*` stands for any text.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut pieces = pattern.split(|&byte| byte == b'*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.windows(piece.len().max(1)).position(|window| window.starts_with(piece)) else {
            return piece.is_empty();
        };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("json.*", "json.get", true),
            ("json.*", "json.", true),
            ("json.*", "jsonget", false),
            ("json.get", "json.get", true),
            ("json.get", "json.getx", false),
            ("*.get", "json.get", true),
            ("*", "", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_renamed_command_is_the_one_that_it_was() {
        let commands = ServerCommands::new([("FLUSHALL", "x9f"), ("client", "XC")].into_iter(), [].into_iter());
        let name = |id: CommandId| id.get().map(|command| command.name());
        assert_eq!(name(commands.renamed(b"X9F", None)), Some("flushall"));
        assert_eq!(name(commands.renamed(b"xc", Some(b"kill"))), Some("client|kill"));
        assert_eq!(name(commands.renamed(b"flushall2", None)), None);
    }

    #[test]
    fn the_proxy_says_what_the_servers_understand() {
        let commands = ServerCommands::new([("AUTH", "xauth")].into_iter(), [].into_iter());
        let said = b"*2\r\n$4\r\nAUTH\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
        let heard = b"*2\r\n$5\r\nxauth\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(commands.in_their_words(said), &heard[..]);
    }

    #[test]
    fn servers_are_asked_for_their_commands_once_in_a_while() {
        let commands = ServerCommands::default();
        assert!(commands.asks() && !commands.asks(), "one asks at a time");
        commands.learn(b"*0\r\n");
        assert!(!commands.is_strange(), "not at once again");
    }
}
