//! Errors, in the words of Redis 7.0.

use std::borrow::Cow;

use sluice_plugin::state::Refusal;
use sluice_plugin::{Command, Reply};

/// Why a command was not done: the text of the error reply, beginning with its code.
#[derive(Debug)]
pub(crate) struct Failure(Cow<'static, [u8]>);

/// How much of a name or of the arguments of an unknown command is repeated to the client, in bytes.
const MOST_REPEATED: usize = 128;

macro_rules! failures {
    ($($name:ident = $text:literal;)*) => {
        impl Failure {
            $(pub(crate) const $name: Failure = Failure(Cow::Borrowed($text.as_bytes()));)*
        }
    };
}

failures! {
    WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
    SYNTAX = "ERR syntax error";
    NOT_AN_INTEGER = "ERR value is not an integer or out of range";
    NOT_A_FLOAT = "ERR value is not a valid float";
    NOT_POSITIVE = "ERR value is out of range, must be positive";
    OUT_OF_LONG = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    OUT_OF_INT = "ERR value is out of range, value must between -2147483648 and 2147483647";
    OVERFLOW = "ERR increment or decrement would overflow";
    DECREMENT_OVERFLOW = "ERR decrement would overflow";
    NOT_FINITE = "ERR increment would produce NaN or Infinity";
    NOT_A_FINITE_VALUE = "ERR value is NaN or Infinity";
    HASH_NOT_AN_INTEGER = "ERR hash value is not an integer";
    HASH_NOT_A_FLOAT = "ERR hash value is not a float";
    NO_SUCH_KEY = "ERR no such key";
    SAME_OBJECT = "ERR source and destination objects are the same";
    BAD_DATABASE = "ERR DB index is out of range";
    BAD_INDEX = "ERR index out of range";
    BAD_OFFSET = "ERR offset is out of range";
    BAD_CURSOR = "ERR invalid cursor";
    TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    FULL = "OOM command not allowed when used memory > 'maxmemory'.";
    NX_WITH_OTHERS = "ERR NX and XX, GT or LT options at the same time are not compatible";
    GT_WITH_LT = "ERR GT and LT options at the same time are not compatible";
    ZERO_RANK = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list";
    NEGATIVE_COUNT = "ERR COUNT can't be negative";
    NEGATIVE_MAXLEN = "ERR MAXLEN can't be negative";
    BAD_CLIENT_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";
    BAD_PROTOCOL = "ERR Protocol version is not an integer or out of range";
    NO_PROTOCOL = "NOPROTO unsupported protocol version";
    NO_PASSWORD = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
    WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
}

impl Failure {
    /// An error with a text of its own.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into().into_bytes()))
    }

    /// The wrong number of arguments, for the command with this name.
    pub(crate) fn arity(name: &str) -> Self {
        Self::new(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// A time to live that is none, for the command with this name.
    pub(crate) fn expire_time(name: &str) -> Self {
        Self::new(format!("ERR invalid expire time in '{name}' command"))
    }

    /// A container has no such subcommand.
    pub(crate) fn unknown_subcommand(container: &str, sub: &[u8]) -> Self {
        let sub = shown(sub, MOST_REPEATED);
        Self::repeating("ERR unknown subcommand '", sub, &format!("'. Try {} HELP.", container.to_uppercase()))
    }

    /// An error whose text repeats what a client has sent.
    pub(crate) fn repeating(before: &str, sent: &[u8], after: &str) -> Self {
        Self(Cow::Owned([before.as_bytes(), shown(sent, usize::MAX), after.as_bytes()].concat()))
    }
}

impl From<Failure> for Reply<'static> {
    /// What would end the line is cut off at its end, and made spaces within.
    fn from(failure: Failure) -> Self {
        let kept = failure.0.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        Reply::Error(match failure.0 {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..kept).unwrap_or_default()),
            Cow::Owned(mut text) => {
                text.truncate(kept);
                Cow::Owned(text)
            }
        })
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Failure::FULL,
            Refusal::NotANumber => Failure::NOT_AN_INTEGER,
        }
    }
}

/// What to say of a command that has no row in the table.
pub(crate) fn no_row(command: Command, args: &[&[u8]]) -> Failure {
    let name = args.first().copied().unwrap_or_default();
    match command.name() {
        "" => unknown(name, args.get(1..).unwrap_or_default()),
        // A container: the host finds it where it does not know the subcommand, or there is none.
        known @ ("client" | "config") => match args.get(1) {
            Some(sub) => Failure::unknown_subcommand(known, sub),
            None => Failure::arity(known),
        },
        known => Failure::new(format!("ERR MemoryStore does not support '{known}'")),
    }
}

/// The server's own words, in which nothing is left out: not even the space at the end.
fn unknown(name: &[u8], args: &[&[u8]]) -> Failure {
    let mut repeated = Vec::new();
    for arg in args {
        if repeated.len() >= MOST_REPEATED {
            break;
        }
        let room = MOST_REPEATED - repeated.len();
        repeated.push(b'\'');
        repeated.extend_from_slice(shown(arg, room));
        repeated.extend_from_slice(b"' ");
    }
    let name = shown(name, MOST_REPEATED);
    Failure(Cow::Owned([b"ERR unknown command '", name, b"', with args beginning with: ", &repeated].concat()))
}

/// At most so many bytes of an argument; as the server, which takes it for text, no further than a zero.
fn shown(arg: &[u8], most: usize) -> &[u8] {
    let end = arg.iter().position(|&byte| byte == 0).unwrap_or(arg.len());
    arg.get(..end.min(most)).unwrap_or_default()
}
