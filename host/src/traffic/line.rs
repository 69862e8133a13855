//! One line of the log: what is kept of a request and its response, and how it is written.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::secrets::{Detail, error_text};
use super::time::rfc3339;
use crate::ids::{MessageId, SessionId};

/// Who gave a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// A server.
    Server,
    /// A transform, which answered the request or changed or put together the response.
    Transform,
    /// The proxy itself.
    Proxy,
}

impl By {
    /// The word in the log.
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Transform => "transform",
            Self::Proxy => "proxy",
        }
    }
}

/// The most that is kept of the text of an error, in bytes.
const ERROR: usize = 256;

/// What is kept of a request, and of its response when that has come.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) time: SystemTime,
    pub(super) begun: Instant,
    pub(super) source: Arc<str>,
    pub(super) session: SessionId,
    pub(super) peer: String,
    pub(super) user: String,
    pub(super) message: MessageId,
    pub(super) command: Name,
    /// The first ones: how long each is, and how many bytes of it are in `shown`; `None`: it is not
    /// to be shown.
    pub(super) arguments: Vec<(usize, Option<usize>)>,
    /// What is shown of arguments, one behind the other.
    pub(super) shown: Vec<u8>,
    pub(super) argument_count: usize,
    pub(super) request_bytes: usize,
    pub(super) detail: Detail,
    pub(super) by: By,
    pub(super) answer: Option<Answer>,
}

/// A command's name: the table's, or the beginning of what the client sent.
#[derive(Debug)]
pub(super) enum Name {
    Known(&'static str),
    Sent(Vec<u8>),
}

/// What is kept of a response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) kind: &'static str,
    pub(super) error: Option<Vec<u8>>,
    pub(super) bytes: usize,
    pub(super) latency: Duration,
}

impl Answer {
    pub(super) fn of(frame: &[u8], latency: Duration) -> Self {
        let kind = kind(frame);
        let error = (kind == "error").then(|| error_line(frame).to_vec());
        Self { kind, error, bytes: frame.len(), latency }
    }
}

/// What a reply is, by how it begins. A connection that is closed without a reply has `none`.
fn kind(frame: &[u8]) -> &'static str {
    match frame {
        [] => "none",
        [b'+', b'O', b'K', b'\r', ..] => "ok",
        [b'$' | b'*', b'-', ..] | [b'_', ..] => "null",
        [first, ..] => match first {
            b'+' => "status",
            b'-' | b'!' => "error",
            b':' => "integer",
            b'$' | b'=' => "string",
            b'*' => "array",
            b'%' => "map",
            b'~' => "set",
            b',' => "double",
            b'#' => "boolean",
            b'(' => "big-number",
            b'>' => "push",
            b'|' => "attribute",
            _ => "unknown",
        },
    }
}

/// The first line of an error's text, without its type: `-ERR …` or `!21\r\nERR …`.
fn error_line(frame: &[u8]) -> &[u8] {
    let line = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
    let text = match frame {
        [b'!', rest @ ..] => rest.get(line(rest) + 2..).unwrap_or_default(),
        frame => frame.get(1..).unwrap_or_default(),
    };
    &text[..line(text).min(ERROR)]
}

/// The line as JSON has it.
#[derive(Serialize)]
struct Json<'a> {
    time: String,
    source: &'a str,
    session: String,
    peer: &'a str,
    user: &'a str,
    /// Text, because JSON readers that know only floating-point numbers would round it.
    message: String,
    command: String,
    argument_count: usize,
    arguments: Vec<JsonArgument>,
    request_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    reply: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    response_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<u64>,
}

#[derive(Serialize)]
struct JsonArgument {
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Line {
    /// How much memory it takes, about, in bytes.
    pub(super) fn size(&self) -> usize {
        let sent = match &self.command {
            Name::Known(_) => 0,
            Name::Sent(bytes) => bytes.len(),
        };
        let text = self.peer.len() + self.user.len() + sent + self.shown.len();
        size_of::<Self>() + size_of_val(self.arguments.as_slice()) + text
    }

    /// Appends it to `out`, with its line end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let answer = self.answer.as_ref();
        let json = Json {
            time: rfc3339(self.time),
            source: &self.source,
            session: self.session.to_string(),
            peer: &self.peer,
            user: &self.user,
            message: self.message.0.to_string(),
            command: match &self.command {
                Name::Known(name) => (*name).to_owned(),
                Name::Sent(bytes) => text(bytes),
            },
            argument_count: self.argument_count,
            arguments: self.json_arguments(),
            request_bytes: self.request_bytes,
            by: answer.map(|_| self.by.name()),
            reply: answer.map_or("abandoned", |answer| answer.kind),
            error: answer.and_then(|answer| answer.error.as_deref()).map(|error| error_text(&text(error), self.detail)),
            response_bytes: answer.map_or(0, |answer| answer.bytes),
            latency_us: answer.map(|answer| u64::try_from(answer.latency.as_micros()).unwrap_or(u64::MAX)),
        };
        // There is nothing in it that JSON cannot hold.
        if serde_json::to_writer(&mut *out, &json).is_ok() {
            out.push(b'\n');
        }
    }

    fn json_arguments(&self) -> Vec<JsonArgument> {
        let mut rest = self.shown.as_slice();
        let argument = |&(bytes, shown): &(usize, Option<usize>)| {
            let text = shown.and_then(|length| rest.split_off(..length)).map(text);
            JsonArgument { bytes, text }
        };
        self.arguments.iter().map(argument).collect()
    }
}

/// Bytes as text: what is no UTF-8 is written as `\xNN`.
fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().flat_map(|byte| format!("\\x{byte:02x}").into_bytes()).map(char::from));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn replies_are_told_apart() {
        for (frame, expected) in [
            (&b"+OK\r\n"[..], "ok"),
            (b"+PONG\r\n", "status"),
            (b"-ERR x\r\n", "error"),
            (b"!5\r\nERR x\r\n", "error"),
            (b"$-1\r\n", "null"),
            (b"*-1\r\n", "null"),
            (b"_\r\n", "null"),
            (b":-1\r\n", "integer"),
            (b"$0\r\n\r\n", "string"),
            (b"*0\r\n", "array"),
            (b"%0\r\n", "map"),
            (b"", "none"),
        ] {
            assert_eq!(kind(frame), expected, "{}", frame.escape_ascii());
        }
    }

    #[test]
    fn the_text_of_an_error_is_its_first_line_and_bounded() {
        assert_eq!(error_line(b"-ERR x y\r\n"), b"ERR x y");
        assert_eq!(error_line(b"!12\r\nERR x\r\nmore\r\n"), b"ERR x");
        assert_eq!(error_line(&[b"-".as_slice(), &[b'x'; 1000]].concat()).len(), ERROR);
        assert_eq!(error_line(b"!"), b"");
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped_and_no_line_is_broken() {
        assert_eq!(text(b"a\xffb\xc3\xa4"), "a\\xffb\u{e4}");
        let mut out = Vec::new();
        let line = Line {
            time: SystemTime::UNIX_EPOCH,
            begun: Instant::now(),
            source: "s\n".into(),
            session: SessionId(16),
            peer: "p".into(),
            user: "u\"".into(),
            message: MessageId(u64::MAX),
            command: Name::Sent(b"x\r\n{".to_vec()),
            arguments: vec![(3, Some(3)), (5, None), (9, Some(2))],
            shown: b"a\nbcd".to_vec(),
            argument_count: 7,
            request_bytes: 1,
            detail: Detail::Whole,
            by: By::Server,
            answer: Some(Answer::of(b"-ERR \"\r\n", Duration::from_micros(12))),
        };
        line.write(&mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["message"], "18446744073709551615");
        assert_eq!(
            read["arguments"],
            serde_json::json!([{"bytes":3,"text":"a\nb"},{"bytes":5},{"bytes":9,"text":"cd"}])
        );
        assert_eq!(
            (&read["reply"], &read["error"], &read["latency_us"]),
            (&"error".into(), &"ERR \"".into(), &12.into())
        );
    }
}
