//! A request: its arguments, or its very bytes.

use crate::resp::escapes::{self, is_shown};
use crate::resp::request::{Form, RequestScanner};
use crate::resp::{Scan, encode, inline};
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::Problems;

/// The arguments of a request, the command's name first. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<Vec<u8>>);

/// A request as it reaches the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// One whole frame, or a line that was typed by hand.
    pub(super) frame: Vec<u8>,
    pub(super) words: Words,
}

const A_REQUEST: &str = "a request: a line such as `SET key \"two words\"`, a list of its arguments, or { raw: '*1\\r\\n$4\\r\\nPING\\r\\n' }";

const AN_ARGUMENT: &str = "an argument: text, or { bytes: 'a\\xff' }";

impl Words {
    /// A line or a list.
    pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        if let Some(line) = node.value.as_str() {
            return match inline::split(line.as_bytes()) {
                Ok(words) if words.is_empty() => node.unexpected(A_REQUEST, problems),
                Ok(words) => Some(Self(words)),
                Err(error) => {
                    problems.value(&node.path, format!("expected {A_REQUEST}: this line has {error}"));
                    None
                }
            };
        }
        if !node.value.is_sequence() {
            return node.unexpected(A_REQUEST, problems);
        }
        let words: Vec<_> =
            node.list(A_REQUEST, problems)?.iter().map(|entry| bytes(entry, AN_ARGUMENT, problems)).collect();
        let words: Vec<_> = words.into_iter().collect::<Option<_>>()?;
        if words.is_empty() {
            problems.value(&node.path, "a request has at least one argument: the command's name");
            return None;
        }
        Some(Self(words))
    }

    /// As a line.
    pub(super) fn line(&self) -> String {
        self.0.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }
}

impl Request {
    pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        if !node.value.is_mapping() {
            let words = Words::read(node, problems)?;
            let mut frame = Vec::new();
            encode::request(&mut frame, words.0.iter().map(Vec::as_slice));
            return Some(Self { frame, words });
        }
        let (_, raw) = node.choice(&[Key::read("raw")], A_REQUEST, problems)?;
        let frame = unescaped(&raw, problems)?;
        match scan(&frame) {
            Ok(words) => Some(Self { frame, words }),
            Err(what) => {
                problems.value(&raw.path, format!("expected exactly one whole request, found {what}"));
                None
            }
        }
    }
}

/// The arguments of a frame; else what it is instead of exactly one request.
fn scan(frame: &[u8]) -> Result<Words, String> {
    let mut spans = Vec::new();
    let words = match RequestScanner::default().scan(frame, &mut spans) {
        _ if frame.is_empty() => return Err("nothing".to_owned()),
        Err(error) => return Err(error.to_string()),
        Ok(Scan::Incomplete(_)) => return Err("one that goes on after the last byte".to_owned()),
        Ok(Scan::Complete(length)) if length < frame.len() => {
            return Err(format!("{} more bytes behind the first", frame.len() - length));
        }
        Ok(Scan::Complete(_)) => match RequestScanner::form(frame) {
            Form::Array => spans.iter().map(|span| span.of(frame).to_vec()).collect(),
            Form::Inline => inline::split(frame).map_err(|error| error.to_string())?,
        },
    };
    if words.is_empty() {
        return Err("one without arguments, which a server ignores".to_owned());
    }
    Ok(Words(words))
}

/// Text as it is, or bytes in the form that has escapes.
pub(super) fn bytes(node: &Node<'_>, what: &str, problems: &mut Problems) -> Option<Vec<u8>> {
    match node.value.as_str() {
        Some(text) => Some(text.as_bytes().to_vec()),
        None if !node.value.is_mapping() => node.unexpected(what, problems),
        None => unescaped(&node.choice(&[Key::read("bytes")], what, problems)?.1, problems),
    }
}

/// The bytes of a text with escapes.
pub(super) fn unescaped(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<u8>> {
    let text = node.text("text, in which \\r, \\n, \\t, \\\\ and \\xHH stand for bytes", problems)?;
    match escapes::unescape(text) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            problems.value(&node.path, error);
            None
        }
    }
}

/// A word of a line: in quotes where it needs them.
pub(super) fn quote(word: &[u8]) -> String {
    let is_plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c != ' ' && c != '"' && c != '\'' && c != '\\' && is_shown(c))
    };
    match std::str::from_utf8(word) {
        Ok(text) if is_plain(text) => text.to_owned(),
        _ => format!("\"{}\"", escapes::escape(word).replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_the_same_request_again_when_it_is_split() {
        let all: Vec<u8> = (0..=255).collect();
        for words in [
            vec![&b"GET"[..], b"k"],
            vec![b"SET", b"", b"two words"],
            vec![b"a\"b\\", &all],
            vec!["é".as_bytes(), b"it's"],
        ] {
            let words = Words(words.into_iter().map(<[u8]>::to_vec).collect());
            assert_eq!(inline::split(words.line().as_bytes()).unwrap(), words.0, "{}", words.line());
        }
        let words = Words(vec![b"SET".to_vec(), b"k".to_vec(), b"4111 1111".to_vec()]);
        assert_eq!(words.line(), r#"SET k "4111 1111""#);
    }

    #[test]
    fn raw_bytes_are_exactly_one_request() {
        assert_eq!(scan(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").unwrap().line(), "GET k");
        assert_eq!(scan(b"GET k\r\n").unwrap().line(), "GET k");
        for (frame, what) in [
            (&b""[..], "nothing"),
            (b"*1\r\n$4\r\nPI", "goes on"),
            (b"*1\r\n$4\r\nPING\r\n*", "1 more bytes"),
            (b"*0\r\n", "without arguments"),
            (b"\r\n", "without arguments"),
            (b"*1\r\n+PING\r\n", "expected '$'"),
            (b"GET \"k\r\n", "unbalanced quotes"),
        ] {
            let error = scan(frame).unwrap_err();
            assert!(error.contains(what), "{error} {what}");
        }
    }
}
