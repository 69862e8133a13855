//! When two replies are the same.

use sluice_plugin::{Reply, resp};

/// How a reply is to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// Byte for byte.
    Bytes,
    /// The same elements in any order.
    AnyOrder,
    /// The first byte, and how many elements there are: what is picked at random.
    Kind,
    /// A number that time changes.
    Time,
}

const BY_NAME: &[(&str, Compare)] = &[
    ("keys", Compare::AnyOrder),
    ("scan", Compare::AnyOrder),
    ("sscan", Compare::AnyOrder),
    ("smembers", Compare::AnyOrder),
    ("sinter", Compare::AnyOrder),
    ("sunion", Compare::AnyOrder),
    ("sdiff", Compare::AnyOrder),
    ("spop", Compare::AnyOrder),
    ("srandmember", Compare::Kind),
    ("randomkey", Compare::Kind),
    ("ttl", Compare::Time),
    ("pttl", Compare::Time),
    ("expiretime", Compare::Time),
    ("pexpiretime", Compare::Time),
];

/// How far two times may be apart, in their own unit; a deadline that is missing or wrong is further away.
const APART: i64 = 60_000;

impl Compare {
    pub(crate) fn of(line: &[Vec<u8>]) -> Self {
        let found = BY_NAME.iter().find(|(name, _)| line[0].eq_ignore_ascii_case(name.as_bytes()));
        found.map_or(Compare::Bytes, |(_, compare)| *compare)
    }

    pub(crate) fn same(self, found: &[u8], expected: &[u8]) -> Result<(), String> {
        if found == expected {
            return Ok(());
        }
        let [found, expected] = [found, expected].map(|frame| resp::decode(frame).unwrap());
        let same = match self {
            Compare::Bytes => return Err("the bytes differ".into()),
            Compare::AnyOrder => sorted(&found) == sorted(&expected),
            Compare::Kind => {
                std::mem::discriminant(&found) == std::mem::discriminant(&expected) && len(&found) == len(&expected)
            }
            Compare::Time => match (&found, &expected) {
                (Reply::Integer(found), Reply::Integer(expected)) => {
                    *found >= 0 && *expected >= 0 && (found - expected).abs() <= APART
                }
                _ => false,
            },
        };
        if same { Ok(()) } else { Err(format!("they differ, compared by {self:?}")) }
    }
}

fn sorted(reply: &Reply<'_>) -> Vec<u8> {
    match reply {
        Reply::Array(elements) | Reply::Set(elements) => {
            let mut elements: Vec<Vec<u8>> = elements.iter().map(sorted).collect();
            elements.sort();
            let kind = if matches!(reply, Reply::Set(_)) { b'~' } else { b'*' };
            [&[kind][..], elements.len().to_string().as_bytes(), &elements.concat()].concat()
        }
        other => encode(other, Protocol::Resp3),
    }
}

fn len(reply: &Reply<'_>) -> usize {
    match reply {
        Reply::Array(elements) | Reply::Set(elements) => elements.len(),
        _ => 0,
    }
}

/// The protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

/// A transform's reply as the host hands it to a client.
pub(crate) fn encode(reply: &Reply<'_>, protocol: Protocol) -> Vec<u8> {
    let resp2 = protocol == Protocol::Resp2;
    let all = |kind: char, elements: &[Reply<'_>]| {
        let mut frame = format!("{kind}{}\r\n", elements.len()).into_bytes();
        elements.iter().for_each(|element| frame.extend(encode(element, protocol)));
        frame
    };
    match reply {
        Reply::Null if resp2 => b"$-1\r\n".to_vec(),
        Reply::NullArray if !resp2 => b"_\r\n".to_vec(),
        Reply::Verbatim(_, text) if resp2 => encode(&Reply::Bulk(text.clone()), protocol),
        Reply::Array(elements) => all('*', elements),
        Reply::Set(elements) => all(if resp2 { '*' } else { '~' }, elements),
        Reply::Map(entries) => {
            let flat: Vec<_> = entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
            if resp2 {
                return all('*', &flat);
            }
            let mut frame = format!("%{}\r\n", entries.len()).into_bytes();
            flat.iter().for_each(|element| frame.extend(encode(element, protocol)));
            frame
        }
        other => {
            let mut frame = Vec::new();
            other.encode(&mut frame);
            frame
        }
    }
}

/// A request for people to read.
pub(crate) fn shown(line: &[Vec<u8>]) -> String {
    line.iter().map(|arg| format!("\"{}\"", arg.escape_ascii())).collect::<Vec<_>>().join(" ")
}
