//! Replies as the rows lane shows them: nodes in pre-order, read off a frame and written to one.
//!
//! A frame already is its nodes in pre-order, so both directions are one pass without a tree. (The
//! frame types of `redis-protocol` are trees, and know one null where RESP2 has two; it is the
//! oracle of the tests.)

use wasmtime::component::{ComponentType, Lift, Lower};

use crate::resp::encode as wire;

/// A reply or a part of one: `replies.node`.
#[derive(Clone, ComponentType, Debug, Lift, Lower, PartialEq)]
#[component(variant)]
pub(in super::super) enum Node<Bytes, Text> {
    #[component(name = "null")]
    Null,
    #[component(name = "null-array")]
    NullArray,
    #[component(name = "simple")]
    Simple(Bytes),
    #[component(name = "error")]
    Error(Bytes),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "bulk")]
    Bulk(Bytes),
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "double")]
    Double(f64),
    #[component(name = "big-number")]
    BigNumber(Bytes),
    #[component(name = "verbatim")]
    Verbatim((Text, Bytes)),
    #[component(name = "bulk-error")]
    BulkError(Bytes),
    #[component(name = "array")]
    Array(u32),
    #[component(name = "map")]
    Map(u32),
    #[component(name = "set")]
    Set(u32),
    #[component(name = "push")]
    Push(u32),
    #[component(name = "attribute")]
    Attribute(u32),
}

/// What is wrong with a list of nodes; completes the sentence "has a reply that …".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Problem {
    #[error("ends before its aggregates are complete")]
    Incomplete,
    #[error("goes on after its last element")]
    Trailing,
    #[error("contains out-of-band data")]
    Push,
    #[error("has a CR or LF in a simple string or an error")]
    LineBreak,
    #[error("has a big number that is not a decimal integer")]
    BigNumber,
    #[error("has a verbatim string whose format is not three ASCII characters")]
    Format,
}

/// The nodes of a complete frame; `None` where there are more than `limit`.
///
/// What is not RESP is shown as one bulk string: the host only passes complete frames, so this is
/// no case but a safe answer.
pub(super) fn decode(frame: &[u8], limit: usize) -> Option<Vec<Node<&[u8], &str>>> {
    let mut nodes = Vec::new();
    let mut rest = frame;
    while !rest.is_empty() {
        if nodes.len() == limit {
            return None;
        }
        let Some((node, after)) = decode_one(rest) else {
            return (limit > 0).then(|| vec![Node::Bulk(frame)]);
        };
        nodes.push(node);
        rest = after;
    }
    Some(nodes)
}

/// A node whose bytes lie in a frame.
type Borrowed<'a> = Node<&'a [u8], &'a str>;

/// The node that `rest` begins with, and what follows it.
fn decode_one(rest: &[u8]) -> Option<(Borrowed<'_>, &[u8])> {
    let (&kind, rest) = rest.split_first()?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = (rest.get(..end)?, rest.get(end + 2..)?);
    let node = match kind {
        b'+' => Node::Simple(line),
        b'-' => Node::Error(line),
        b':' => Node::Integer(parse(line)?),
        b'_' => Node::Null,
        b'#' => Node::Boolean(line == b"t"),
        b',' => Node::Double(parse(line)?),
        b'(' => Node::BigNumber(line),
        b'$' if line == b"-1" => Node::Null,
        b'*' if line == b"-1" => Node::NullArray,
        b'*' => Node::Array(parse(line)?),
        b'%' => Node::Map(parse(line)?),
        b'~' => Node::Set(parse(line)?),
        b'>' => Node::Push(parse(line)?),
        b'|' => Node::Attribute(parse(line)?),
        b'$' | b'!' | b'=' => {
            let (bytes, rest) = rest.split_at_checked(parse(line)?)?;
            let node = match kind {
                b'!' => Node::BulkError(bytes),
                b'=' => verbatim(bytes),
                _ => Node::Bulk(bytes),
            };
            return Some((node, rest.strip_prefix(b"\r\n")?));
        }
        _ => return None,
    };
    Some((node, rest))
}

fn parse<T: std::str::FromStr>(line: &[u8]) -> Option<T> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

fn verbatim(bytes: &[u8]) -> Node<&[u8], &str> {
    bytes
        .split_at_checked(3)
        .and_then(|(format, text)| Some((std::str::from_utf8(format).ok()?, text.strip_prefix(b":")?)))
        .map_or(Node::Bulk(bytes), Node::Verbatim)
}

/// Writes the nodes of a reply as one frame in a protocol (2 or 3).
pub(super) fn encode<B: AsRef<[u8]>, S: AsRef<str>>(
    nodes: &[Node<B, S>],
    protocol: u8,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    match nodes {
        [Node::Push(_), ..] => Err(Problem::Push),
        nodes => encode_response(nodes, protocol, out),
    }
}

/// The same for what takes the place of a response, which may be out-of-band data as a whole:
/// whether it may here, is not known here.
pub(super) fn encode_response<B: AsRef<[u8]>, S: AsRef<str>>(
    nodes: &[Node<B, S>],
    protocol: u8,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let mut writer = Writer { resp3: protocol >= 3, out };
    // Elements still to come, and how many of those belong to attributes that are left out.
    let mut pending = 1u64;
    let mut skipped = 0u64;
    for (at, node) in nodes.iter().enumerate() {
        if pending == 0 {
            return Err(Problem::Trailing);
        }
        let elements = match *node {
            Node::Array(count) | Node::Set(count) => u64::from(count),
            Node::Map(count) | Node::Attribute(count) => 2 * u64::from(count),
            Node::Push(_) if at > 0 => return Err(Problem::Push),
            Node::Push(count) => u64::from(count),
            _ => 0,
        };
        let is_attribute = matches!(node, Node::Attribute(_));
        // An attribute is no element: the one that it describes follows its entries.
        pending = pending - u64::from(!is_attribute) + elements;
        if skipped > 0 {
            skipped = skipped - u64::from(!is_attribute) + elements;
        } else if is_attribute && !writer.resp3 {
            skipped = elements;
        } else {
            writer.write(node)?;
        }
    }
    if pending == 0 { Ok(()) } else { Err(Problem::Incomplete) }
}

struct Writer<'a> {
    resp3: bool,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn write<B: AsRef<[u8]>, S: AsRef<str>>(&mut self, node: &Node<B, S>) -> Result<(), Problem> {
        match node {
            Node::Null if self.resp3 => self.line(b'_', b""),
            Node::NullArray if self.resp3 => self.line(b'_', b""),
            Node::Null => self.line(b'$', b"-1"),
            Node::NullArray => self.line(b'*', b"-1"),
            Node::Simple(text) => self.text(b'+', text.as_ref())?,
            Node::Error(text) => self.text(b'-', text.as_ref())?,
            Node::Integer(number) => self.line(b':', number.to_string().as_bytes()),
            Node::Bulk(bytes) => self.bulk(b'$', bytes.as_ref()),
            Node::Boolean(yes) if self.resp3 => self.line(b'#', if *yes { b"t" } else { b"f" }),
            Node::Boolean(yes) => self.line(b':', if *yes { b"1" } else { b"0" }),
            Node::Double(number) if self.resp3 => self.line(b',', wire::double(*number).as_bytes()),
            Node::Double(number) => self.bulk(b'$', wire::double(*number).as_bytes()),
            Node::BigNumber(digits) => {
                let digits = digits.as_ref();
                let unsigned = digits.strip_prefix(b"-").or(digits.strip_prefix(b"+")).unwrap_or(digits);
                if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
                    return Err(Problem::BigNumber);
                }
                if self.resp3 {
                    self.line(b'(', digits);
                } else {
                    self.bulk(b'$', digits);
                }
            }
            Node::Verbatim((format, text)) => {
                let format = format.as_ref().as_bytes();
                if format.len() != 3 || !format.iter().all(u8::is_ascii_graphic) {
                    return Err(Problem::Format);
                }
                if self.resp3 {
                    self.bulk(b'=', &[format, b":", text.as_ref()].concat());
                } else {
                    self.bulk(b'$', text.as_ref());
                }
            }
            Node::BulkError(text) if self.resp3 => self.bulk(b'!', text.as_ref()),
            Node::BulkError(text) => {
                let line: Vec<u8> =
                    text.as_ref().iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect();
                self.line(b'-', &line);
            }
            Node::Array(count) => self.aggregate(b'*', u64::from(*count)),
            Node::Map(count) if self.resp3 => self.aggregate(b'%', u64::from(*count)),
            Node::Map(count) => self.aggregate(b'*', 2 * u64::from(*count)),
            Node::Set(count) if self.resp3 => self.aggregate(b'~', u64::from(*count)),
            Node::Set(count) => self.aggregate(b'*', u64::from(*count)),
            Node::Attribute(count) => self.aggregate(b'|', u64::from(*count)),
            Node::Push(count) => self.aggregate(if self.resp3 { b'>' } else { b'*' }, u64::from(*count)),
        }
        Ok(())
    }

    fn text(&mut self, kind: u8, text: &[u8]) -> Result<(), Problem> {
        if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(Problem::LineBreak);
        }
        self.line(kind, text);
        Ok(())
    }

    fn line(&mut self, kind: u8, line: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(line);
        self.out.extend_from_slice(b"\r\n");
    }

    fn aggregate(&mut self, kind: u8, count: u64) {
        self.line(kind, count.to_string().as_bytes());
    }

    fn bulk(&mut self, kind: u8, bytes: &[u8]) {
        self.aggregate(kind, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
#[path = "nodes_test.rs"]
mod tests;
