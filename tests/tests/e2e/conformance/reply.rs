//! A reply as a tree, in either protocol: enough to know where it ends, and to compare what may not be the same bytes.

use std::fmt::Write as _;

/// One reply, or an element of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reply {
    /// The first byte, which says the type.
    pub(super) kind: u8,
    /// What a scalar holds; nothing of an aggregate.
    pub(super) text: Vec<u8>,
    /// What an aggregate holds, keys and values of a map in turn. `None` of a scalar, and of a null.
    pub(super) elements: Option<Vec<Reply>>,
}

/// The bytes are no reply.
#[derive(Debug)]
pub(super) struct NotAReply;

impl Reply {
    /// The first reply of `bytes` and its length; `None` where it is not complete.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, NotAReply> {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
            return Ok(None);
        };
        let (Some(&kind), head, behind) = (bytes.first(), bytes.get(1..end).unwrap_or_default(), end + 2) else {
            return Err(NotAReply);
        };
        let scalar = |text: &[u8], length| Ok(Some((Self { kind, text: text.to_vec(), elements: None }, length)));
        match kind {
            b'+' | b'-' | b':' | b',' | b'(' | b'#' | b'_' => scalar(head, behind),
            b'$' | b'=' | b'!' => match count(head)? {
                None => scalar(b"(null)", behind),
                Some(length) if bytes.len() < behind + length + 2 => Ok(None),
                Some(length) => scalar(&bytes[behind..behind + length], behind + length + 2),
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let Some(count) = count(head)? else {
                    return scalar(b"(null)", behind);
                };
                // An attribute stands before the reply that it is about.
                let count = match kind {
                    b'%' => 2 * count,
                    b'|' => 2 * count + 1,
                    _ => count,
                };
                let mut elements = Vec::new();
                let mut at = behind;
                for _ in 0..count {
                    let Some((element, length)) = Self::parse(&bytes[at..])? else {
                        return Ok(None);
                    };
                    elements.push(element);
                    at += length;
                }
                Ok(Some((Self { kind, text: Vec::new(), elements: Some(elements) }, at)))
            }
            _ => Err(NotAReply),
        }
    }

    /// The words of an array of strings.
    pub(super) fn words(&self) -> Vec<String> {
        let elements = self.elements.iter().flatten();
        elements.map(|element| String::from_utf8_lossy(&element.text).into_owned()).collect()
    }

    /// The tree on one line, for people.
    pub(super) fn shown(&self) -> String {
        let mut line = String::from(char::from(self.kind));
        match &self.elements {
            None => line += &self.text.escape_ascii().to_string(),
            Some(elements) => {
                let shown: Vec<String> = elements.iter().map(Self::shown).collect();
                write!(line, "{}[{}]", elements.len(), shown.join(" ")).expect("a string takes every line");
            }
        }
        line
    }
}

/// What of a reply is compared, where not every byte of it is the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Every byte.
    Bytes,
    /// All but the order of the outermost elements.
    Sorted,
    /// All but the order of the elements at every depth.
    SortedDeep,
    /// All but the order of the outermost pairs, as in a map.
    Pairs,
    /// All but what digits there are, where there are some.
    Digits,
    /// The types, and how many elements.
    Shape,
    /// The type alone.
    Type,
    /// Of texts such as `name:value` and `name=value`: the names, in order.
    Fields,
}

impl Compare {
    /// By their names in the cases.
    pub(super) const NAMES: [(&str, Self); 7] = [
        ("sorted", Self::Sorted),
        ("sorted-deep", Self::SortedDeep),
        ("pairs", Self::Pairs),
        ("digits", Self::Digits),
        ("shape", Self::Shape),
        ("type", Self::Type),
        ("fields", Self::Fields),
    ];

    /// The same for a reply that is the element of another, as in that of EXEC.
    pub(super) fn deeper(self) -> Self {
        match self {
            Self::Sorted | Self::Pairs => Self::SortedDeep,
            other => other,
        }
    }

    /// What must be the same of `reply`, which came as `bytes`. An error is compared to the byte unless its digits vary.
    pub(super) fn part(self, reply: &Reply, bytes: &[u8]) -> String {
        let error = reply.kind == b'-' || reply.kind == b'!';
        if self == Self::Bytes || (error && self != Self::Digits) {
            return bytes.escape_ascii().to_string();
        }
        let mut reply = reply.clone();
        self.reduce(&mut reply, 0);
        reply.shown()
    }

    fn reduce(self, reply: &mut Reply, depth: usize) {
        for element in reply.elements.iter_mut().flatten() {
            self.reduce(element, depth + 1);
        }
        let scalar = reply.elements.is_none();
        match self {
            Self::Bytes => {}
            Self::Sorted if depth > 0 => {}
            Self::Sorted | Self::SortedDeep if reply.kind == b'%' => sort_pairs(reply),
            Self::Sorted | Self::SortedDeep => reply.elements.iter_mut().for_each(|elements| elements.sort()),
            Self::Pairs if depth == 0 => sort_pairs(reply),
            Self::Pairs => {}
            Self::Digits => reply.text = without_digits(&reply.text),
            Self::Shape if scalar => reply.text.clear(),
            Self::Shape => {}
            Self::Type => (reply.text, reply.elements) = (Vec::new(), None),
            Self::Fields => reply.text = names(&reply.text),
        }
    }
}

fn count(head: &[u8]) -> Result<Option<usize>, NotAReply> {
    if head == b"-1" {
        return Ok(None);
    }
    std::str::from_utf8(head).ok().and_then(|head| head.parse().ok()).map(Some).ok_or(NotAReply)
}

fn sort_pairs(reply: &mut Reply) {
    if let Some(elements) = &mut reply.elements {
        let mut pairs: Vec<Vec<Reply>> = elements.chunks(2).map(<[Reply]>::to_vec).collect();
        pairs.sort();
        *elements = pairs.concat();
    }
}

fn without_digits(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text {
        let byte = if byte.is_ascii_digit() { b'#' } else { byte };
        if byte != b'#' || out.last() != Some(&b'#') {
            out.push(byte);
        }
    }
    out
}

/// The names in texts such as those of INFO (`name:value`) and CLIENT INFO (`name=value`).
fn names(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let name = |line: &str| line.split_once(':').map_or(line, |(name, _)| name).to_owned();
    let words = |line: &str| -> String {
        let names = line.split(' ').map(|word| word.split_once('=').map_or(word, |(name, _)| name));
        names.collect::<Vec<_>>().join(" ")
    };
    let of = |line: &str| if line.contains('=') && line.contains(' ') { words(line) } else { name(line) };
    text.lines().map(of).collect::<Vec<_>>().join("\n").into_bytes()
}
