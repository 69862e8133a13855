//! The cases as text: a file a family, a line a step.
//!
//! ```text
//! # A comment.
//! @poison XADD {key} 1-1 f v         before the way "wrong type", every key of the family becomes this
//! SET a "two words\r\n"              a request on connection 1, and its reply to the byte; quoted as for redis-cli
//! 2: GET a                           on another connection, which opens at its first step
//! sorted | SMEMBERS set              marks before a bar: what of the reply is compared (see `Compare`)
//! x3 | SUBSCRIBE a b c               how many replies it has, pushes counted; x0 for one that comes later
//! 2: digits | <                      reads one more reply
//! 2: raw "*1\r\n$4\r\nPING\r\n"      sends these bytes, and reads as many replies as its mark says
//! 2: rest                            reads until the other side closes
//! 2: close                           closes the connection
//! let id = 2: CLIENT ID              keeps the reply's text, for ${id}
//! await "clients:1\r\n" INFO clients asks, on a connection of its own, until the reply holds the text
//! resp3 | CLIENT TRACKING ON         a step of one protocol only
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use super::reply::Compare;

/// The cases of one family.
#[derive(Clone, Debug)]
pub(super) struct Family {
    /// The name of its file.
    pub(super) name: String,
    /// A request that makes `{key}` what the family's commands do not expect.
    pub(super) poison: Option<Vec<Vec<u8>>>,
    pub(super) steps: Vec<Step>,
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The line itself, by which differences are listed.
    pub(super) line: String,
    /// Which connection.
    pub(super) connection: u8,
    /// 2 or 3, where it is not for both.
    pub(super) only: Option<u8>,
    pub(super) action: Action,
    /// How many replies are read.
    pub(super) replies: usize,
    pub(super) compare: Compare,
    /// Under which name the reply is kept.
    pub(super) keep: Option<String>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Sends a request.
    Request(Vec<Vec<u8>>),
    /// Sends bytes.
    Raw(Vec<u8>),
    /// Sends nothing.
    Read,
    /// Reads until the other side closes.
    Rest,
    /// Closes.
    Close,
    /// Asks until the reply holds a text.
    Await(Vec<u8>, Vec<Vec<u8>>),
}

impl Family {
    /// Reads all files of a directory, in the order of their names.
    pub(super) fn all(directory: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(directory).expect("the cases are there");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("the cases are text");
        let mut family = Self { name, poison: None, steps: Vec::new() };
        for (at, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
            let wrong = |what: &str| -> ! { panic!("{}:{}: {what}: {line}", path.display(), at + 1) };
            if let Some(poison) = line.strip_prefix("@poison ") {
                family.poison = Some(arguments(poison).unwrap_or_else(|what| wrong(&what)));
            } else if !line.starts_with('#') {
                family.steps.push(Step::parse(line).unwrap_or_else(|what| wrong(&what)));
            }
        }
        assert!(!family.steps.is_empty(), "{}: no cases", path.display());
        family
    }
}

impl Step {
    fn parse(line: &str) -> Result<Self, String> {
        let mut step = Self {
            line: line.to_owned(),
            connection: 1,
            only: None,
            action: Action::Read,
            replies: 1,
            compare: Compare::Bytes,
            keep: None,
        };
        let mut rest = line;
        if let Some(behind) = rest.strip_prefix("let ") {
            let (name, behind) = behind.split_once(" = ").ok_or("`let` wants ` = `")?;
            step.keep = Some(name.to_owned());
            rest = behind;
        }
        if let Some((number, behind)) = rest.split_once(": ")
            && let Ok(number) = number.parse()
        {
            (step.connection, rest) = (number, behind);
        }
        if let Some((marks, behind)) = rest.split_once(" | ")
            && step.clone().mark(marks).is_ok()
        {
            step.mark(marks)?;
            rest = behind;
        }
        step.action = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("<", "") => Action::Read,
            ("rest", "") => Action::Rest,
            ("close", "") => Action::Close,
            ("raw", bytes) => Action::Raw(arguments(bytes)?.concat()),
            ("await", behind) => {
                let mut words = arguments(behind)?;
                let text = words.remove(0);
                Action::Await(text, words)
            }
            _ => Action::Request(arguments(rest)?),
        };
        Ok(step)
    }

    fn mark(&mut self, marks: &str) -> Result<(), String> {
        for mark in marks.split_whitespace() {
            if let Some((_, compare)) = Compare::NAMES.iter().find(|(name, _)| *name == mark) {
                self.compare = *compare;
            } else if let Some(count) = mark.strip_prefix('x').and_then(|count| count.parse().ok()) {
                self.replies = count;
            } else if let Some(protocol) = mark.strip_prefix("resp").and_then(|protocol| protocol.parse().ok()) {
                self.only = Some(protocol);
            } else {
                return Err(format!("unknown mark `{mark}`"));
            }
        }
        Ok(())
    }

    /// Whether it is a request on the first connection with its one reply: such steps can be sent in another way too.
    pub(super) fn simple(&self) -> Option<&[Vec<u8>]> {
        match &self.action {
            Action::Request(words) if self.connection == 1 && self.replies == 1 && self.keep.is_none() => Some(words),
            _ => None,
        }
    }
}

/// Puts what was kept in the place of `${name}`.
pub(super) fn fill(words: &[Vec<u8>], kept: &BTreeMap<String, Vec<u8>>) -> Vec<Vec<u8>> {
    let fill = |word: &Vec<u8>| -> Vec<u8> {
        let name = word.strip_prefix(b"${").and_then(|word| word.strip_suffix(b"}"));
        let Some(name) = name.and_then(|name| std::str::from_utf8(name).ok()) else {
            return word.clone();
        };
        // Nothing was kept where the reply was none; then the next reply differs, and says so.
        kept.get(name).cloned().unwrap_or_default()
    };
    words.iter().map(fill).collect()
}

/// Words separated by spaces; in double quotes with the escapes of redis-cli, in single quotes as they stand.
pub(super) fn arguments(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut bytes = line.bytes().peekable();
    loop {
        while bytes.next_if_eq(&b' ').is_some() {}
        let Some(&first) = bytes.peek() else {
            return Ok(words);
        };
        let mut word = Vec::new();
        if first == b'"' || first == b'\'' {
            bytes.next();
            loop {
                match bytes.next().ok_or("a quote is not closed")? {
                    byte if byte == first => break,
                    b'\\' if first == b'"' => word.push(escaped(&mut bytes)?),
                    byte => word.push(byte),
                }
            }
        } else {
            while let Some(byte) = bytes.next_if(|&byte| byte != b' ') {
                word.push(byte);
            }
        }
        words.push(word);
    }
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, String> {
    let mut next = || bytes.next().ok_or_else(|| "an escape is not complete".to_owned());
    Ok(match next()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => {
            let digits = [next()?, next()?];
            let digits = std::str::from_utf8(&digits).map_err(|error| error.to_string())?;
            u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?
        }
        byte => byte,
    })
}
