//! Reading replies where they lie: a RESP frame as its nodes in pre-order.
//!
//! The frames that reach a transform were checked by the host, so there is nothing to report here: a frame that is not one, which cannot
//! come from the host, ends early.

use std::borrow::Cow;
use std::ops::Range;

use crate::Reply;

/// How deep [`decode`] goes. Servers nest replies less than ten deep.
pub const MAX_DEPTH: usize = 64;

/// The step of a [`Path`] that leads from an element into the attributes before it.
pub const ATTRIBUTE: usize = usize::MAX;

/// Where a node stands: the position in its aggregate, the position of that in its own, and so on, outermost first. Empty for the reply
/// itself. A map's keys have even positions, and its values odd ones.
pub type Path = [usize];

/// A node of a reply. What lies in the frame as text is left there as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// The null value, or RESP2's null bulk string.
    Null,
    /// RESP2's null array.
    NullArray,
    /// A simple string.
    Simple(&'a [u8]),
    /// An error, beginning with its code.
    Error(&'a [u8]),
    /// A 64-bit integer.
    Integer(i64),
    /// A bulk string.
    Bulk(&'a [u8]),
    /// A boolean.
    Boolean(bool),
    /// A double, as text: `1.5`, `inf`, `-inf`, `nan`.
    Double(&'a [u8]),
    /// An integer beyond 64 bits, in decimal.
    BigNumber(&'a [u8]),
    /// A text with a format: three letters, a colon, and the text.
    Verbatim(&'a [u8]),
    /// An error with any bytes.
    BulkError(&'a [u8]),
    /// An array: so many elements follow.
    Array(usize),
    /// A map: so many pairs of elements follow.
    Map(usize),
    /// A set: so many elements follow.
    Set(usize),
    /// Out-of-band data: so many elements follow.
    Push(usize),
    /// Attributes of the element after them: so many pairs of elements follow.
    Attribute(usize),
}

impl Node<'_> {
    /// How many elements follow an aggregate; `None` for what is none.
    #[must_use]
    pub fn elements(&self) -> Option<usize> {
        match *self {
            Node::Array(count) | Node::Set(count) | Node::Push(count) => Some(count),
            Node::Map(count) | Node::Attribute(count) => Some(count.saturating_mul(2)),
            _ => None,
        }
    }
}

/// The nodes of a frame in pre-order: an aggregate first, then its elements.
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    frame: &'a [u8],
    /// Where the last node begins, and where the next one does.
    from: usize,
    at: usize,
    /// The aggregates around the next node: how many elements each still has, and whether it holds attributes.
    open: Vec<(usize, bool)>,
    path: Vec<usize>,
    over: bool,
}

impl<'a> Nodes<'a> {
    /// Read a frame.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Self { frame, from: 0, at: 0, open: Vec::new(), path: Vec::new(), over: false }
    }

    /// The next node.
    pub fn next_node(&mut self) -> Option<Node<'a>> {
        while let Some(&(0, attribute)) = self.open.last() {
            self.open.pop();
            self.path.pop();
            if attribute {
                self.path.pop();
                // The element that the attributes belong to is still to come, at this very place.
                self.path.last_mut().into_iter().for_each(|step| *step = step.wrapping_sub(1));
            }
        }
        match (self.open.last_mut(), self.path.last_mut()) {
            (Some((left, _)), Some(step)) => {
                *left -= 1;
                *step = step.wrapping_add(1);
            }
            _ if self.over => return None,
            _ => self.over = true,
        }
        self.from = self.at;
        let Some(node) = self.read() else {
            self.over = true;
            self.open.clear();
            return None;
        };
        if let Some(elements) = node.elements() {
            let attribute = matches!(node, Node::Attribute(_));
            if attribute {
                match self.open.last_mut() {
                    Some((left, _)) => *left += 1,
                    None => self.over = false,
                }
                self.path.push(ATTRIBUTE);
            }
            self.open.push((elements, attribute));
            // One before the first element.
            self.path.push(usize::MAX);
        }
        Some(node)
    }

    /// Where the last node stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        // An aggregate has opened its own level already.
        match self.path.split_last() {
            Some((&usize::MAX, around)) => match around.split_last() {
                Some((&ATTRIBUTE, around)) => around,
                _ => around,
            },
            _ => &self.path,
        }
    }

    /// The bytes of the last node in the frame: for an aggregate, its head.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.from..self.at
    }

    fn read(&mut self) -> Option<Node<'a>> {
        let kind = *self.frame.get(self.at)?;
        let line = self.line()?;
        Some(match kind {
            b'+' => Node::Simple(line),
            b'-' => Node::Error(line),
            b':' => Node::Integer(integer(line)?),
            b'_' => Node::Null,
            b'#' => Node::Boolean(line == b"t"),
            b',' => Node::Double(line),
            b'(' => Node::BigNumber(line),
            b'$' if line == b"-1" => Node::Null,
            b'*' if line == b"-1" => Node::NullArray,
            b'$' => Node::Bulk(self.blob(line)?),
            b'=' => Node::Verbatim(self.blob(line)?),
            b'!' => Node::BulkError(self.blob(line)?),
            b'*' => Node::Array(count(line)?),
            b'%' => Node::Map(count(line)?),
            b'~' => Node::Set(count(line)?),
            b'>' => Node::Push(count(line)?),
            b'|' => Node::Attribute(count(line)?),
            _ => return None,
        })
    }

    /// The rest of the line after its first byte.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = self.frame.get(self.at + 1..)?;
        let end = rest.iter().position(|&byte| byte == b'\r')?;
        let line = rest.get(..end)?;
        self.at += end + 3;
        (rest.get(end + 1) == Some(&b'\n')).then_some(line)
    }

    /// As many bytes as the line says, and the line's end after them.
    fn blob(&mut self, line: &[u8]) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count(line)?)?;
        let blob = self.frame.get(self.at..end)?;
        self.at = end + 2;
        (self.frame.get(end..self.at) == Some(b"\r\n")).then_some(blob)
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_node()
    }
}

/// The reply in a frame, as a tree whose strings still lie in the frame. `None` for more than [`MAX_DEPTH`] levels, and for what is not a
/// frame. Attributes are left out.
#[must_use]
pub fn decode(frame: &[u8]) -> Option<Reply<'_>> {
    element(&mut Nodes::new(frame), 0)
}

fn element<'a>(nodes: &mut Nodes<'a>, depth: usize) -> Option<Reply<'a>> {
    let node = nodes.next_node()?;
    if depth > MAX_DEPTH {
        return None;
    }
    let depth = depth + 1;
    // The count is what the frame says, not what it holds: nothing is reserved for it.
    let mut elements = |count: usize| (0..count).map(|_| element(nodes, depth)).collect::<Option<Vec<_>>>();
    Some(match node {
        Node::Null => Reply::Null,
        Node::NullArray => Reply::NullArray,
        Node::Simple(text) => Reply::Simple(text.into()),
        Node::Error(text) => Reply::Error(text.into()),
        Node::Integer(value) => Reply::Integer(value),
        Node::Bulk(bytes) => Reply::Bulk(bytes.into()),
        Node::Boolean(value) => Reply::Boolean(value),
        Node::Double(text) => Reply::Double(std::str::from_utf8(text).ok()?.parse().ok()?),
        Node::BigNumber(text) => Reply::BigNumber(text.into()),
        Node::Verbatim(text) => Reply::Verbatim(text.get(..3)?.try_into().ok()?, Cow::Borrowed(text.get(4..)?)),
        Node::BulkError(bytes) => Reply::BulkError(bytes.into()),
        Node::Array(count) => Reply::Array(elements(count)?),
        Node::Set(count) => Reply::Set(elements(count)?),
        Node::Push(count) => Reply::Push(elements(count)?),
        Node::Map(count) => Reply::Map(
            (0..count).map(|_| Some((element(nodes, depth)?, element(nodes, depth)?))).collect::<Option<Vec<_>>>()?,
        ),
        Node::Attribute(count) => {
            elements(count.checked_mul(2)?)?;
            return element(nodes, depth);
        }
    })
}

fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0i64, |value, &digit| {
        let digit = i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        let value = value.checked_mul(10)?;
        if negative { value.checked_sub(digit) } else { value.checked_add(digit) }
    })
}

fn count(text: &[u8]) -> Option<usize> {
    usize::try_from(integer(text)?).ok()
}

/// Write a bulk string.
pub(crate) fn write_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    write_head(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Write the line that begins an aggregate or a blob.
pub(crate) fn write_head(out: &mut Vec<u8>, kind: u8, count: usize) {
    out.push(kind);
    write_decimal(out, false, count as u64);
    out.extend_from_slice(b"\r\n");
}

/// Write a number in decimal. Smaller and faster than the formatter, which would otherwise be linked into every component.
pub(crate) fn write_decimal(out: &mut Vec<u8>, negative: bool, mut value: u64) {
    let mut digits = [0; 21];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if negative {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}
