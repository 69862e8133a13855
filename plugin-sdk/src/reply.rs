//! Replies as a transform makes them.

use std::borrow::Cow;

use crate::resp::{write_bulk, write_decimal, write_head};

/// A reply of the server, or a part of one. It can borrow what it says, so that a value is copied once: into the answer.
///
/// Kinds that only RESP3 knows are turned into their RESP2 counterpart for sessions that speak RESP2 (a map becomes a flat array, a
/// boolean 0 or 1, a double its text).
#[derive(Clone, Debug, PartialEq)]
pub enum Reply<'a> {
    /// The null value.
    Null,
    /// The null of EXEC and of blocking commands: RESP2's null array.
    NullArray,
    /// A simple string such as `OK`. CR and LF become spaces.
    Simple(Cow<'a, [u8]>),
    /// An error, beginning with its code: `ERR no such thing`. CR and LF become spaces.
    Error(Cow<'a, [u8]>),
    /// A 64-bit integer.
    Integer(i64),
    /// A bulk string: any bytes.
    Bulk(Cow<'a, [u8]>),
    /// RESP3: a boolean.
    Boolean(bool),
    /// RESP3: a double.
    Double(f64),
    /// RESP3: an integer beyond 64 bits, in decimal.
    BigNumber(Cow<'a, [u8]>),
    /// RESP3: a text and its format (`txt`, `mkd`).
    Verbatim([u8; 3], Cow<'a, [u8]>),
    /// RESP3: an error with any bytes.
    BulkError(Cow<'a, [u8]>),
    /// An array.
    Array(Vec<Reply<'a>>),
    /// RESP3: a map.
    Map(Vec<(Reply<'a>, Reply<'a>)>),
    /// RESP3: a set.
    Set(Vec<Reply<'a>>),
    /// RESP3: out-of-band data. A transform may receive it as a response, and then give another in its place, but not make one of its own.
    Push(Vec<Reply<'a>>),
}

impl<'a> Reply<'a> {
    /// `OK`.
    pub const OK: Reply<'static> = Reply::Simple(Cow::Borrowed(b"OK"));

    /// A simple string.
    pub fn simple(text: impl IntoBytes<'a>) -> Self {
        Reply::Simple(text.into_bytes())
    }

    /// An error. Begin with its code: `ERR`, `WRONGTYPE`, `NOPERM`.
    pub fn error(text: impl IntoBytes<'a>) -> Self {
        Reply::Error(text.into_bytes())
    }

    /// A bulk string.
    pub fn bulk(bytes: impl IntoBytes<'a>) -> Self {
        Reply::Bulk(bytes.into_bytes())
    }

    /// A bulk string, or null.
    pub fn maybe(bytes: Option<impl IntoBytes<'a>>) -> Self {
        bytes.map_or(Reply::Null, Reply::bulk)
    }

    /// An array of replies.
    pub fn array(elements: impl IntoIterator<Item = Reply<'a>>) -> Self {
        Reply::Array(elements.into_iter().collect())
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_) | Reply::BulkError(_))
    }

    /// The bytes of a simple, bulk or verbatim string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Simple(bytes) | Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The same reply with its strings copied out, so that it can be kept.
    #[must_use]
    pub fn into_owned(self) -> Reply<'static> {
        fn owned(bytes: Cow<'_, [u8]>) -> Cow<'static, [u8]> {
            Cow::Owned(bytes.into_owned())
        }
        fn all(elements: Vec<Reply<'_>>) -> Vec<Reply<'static>> {
            elements.into_iter().map(Reply::into_owned).collect()
        }
        match self {
            Reply::Null => Reply::Null,
            Reply::NullArray => Reply::NullArray,
            Reply::Simple(text) => Reply::Simple(owned(text)),
            Reply::Error(text) => Reply::Error(owned(text)),
            Reply::Integer(value) => Reply::Integer(value),
            Reply::Bulk(bytes) => Reply::Bulk(owned(bytes)),
            Reply::Boolean(value) => Reply::Boolean(value),
            Reply::Double(value) => Reply::Double(value),
            Reply::BigNumber(text) => Reply::BigNumber(owned(text)),
            Reply::Verbatim(format, text) => Reply::Verbatim(format, owned(text)),
            Reply::BulkError(bytes) => Reply::BulkError(owned(bytes)),
            Reply::Array(elements) => Reply::Array(all(elements)),
            Reply::Set(elements) => Reply::Set(all(elements)),
            Reply::Push(elements) => Reply::Push(all(elements)),
            Reply::Map(entries) => {
                Reply::Map(entries.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
            }
        }
    }

    /// Write it as a RESP frame, in RESP2's kinds where those can say it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Null => out.extend_from_slice(b"_\r\n"),
            Reply::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Reply::Simple(text) => write_line(out, b'+', text),
            Reply::Error(text) => write_line(out, b'-', text),
            Reply::BigNumber(text) => write_line(out, b'(', text),
            Reply::Boolean(value) => write_line(out, b'#', if *value { b"t" } else { b"f" }),
            Reply::Double(value) => write_line(out, b',', double(*value).as_bytes()),
            Reply::Integer(value) => {
                out.push(b':');
                write_decimal(out, *value < 0, value.unsigned_abs());
                out.extend_from_slice(b"\r\n");
            }
            Reply::Bulk(bytes) => write_bulk(out, bytes),
            Reply::BulkError(bytes) => {
                write_head(out, b'!', bytes.len());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Verbatim(format, text) => {
                write_head(out, b'=', text.len() + 4);
                out.extend_from_slice(format);
                out.push(b':');
                out.extend_from_slice(text);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Array(elements) => write_all(out, b'*', elements),
            Reply::Set(elements) => write_all(out, b'~', elements),
            Reply::Push(elements) => write_all(out, b'>', elements),
            Reply::Map(entries) => {
                write_head(out, b'%', entries.len());
                for (key, value) in entries {
                    key.encode(out);
                    value.encode(out);
                }
            }
        }
    }
}

fn write_all(out: &mut Vec<u8>, kind: u8, elements: &[Reply<'_>]) {
    write_head(out, kind, elements.len());
    for element in elements {
        element.encode(out);
    }
}

/// Write a kind that ends with its line, so that no text can end it early.
fn write_line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

fn double(value: f64) -> Cow<'static, str> {
    if value.is_nan() {
        Cow::Borrowed("nan")
    } else {
        // The shortest text that reads back as the same number; `inf` and `-inf` for the infinities.
        Cow::Owned(value.to_string())
    }
}

impl From<i64> for Reply<'_> {
    fn from(value: i64) -> Self {
        Reply::Integer(value)
    }
}

impl From<bool> for Reply<'_> {
    fn from(value: bool) -> Self {
        Reply::Boolean(value)
    }
}

impl From<f64> for Reply<'_> {
    fn from(value: f64) -> Self {
        Reply::Double(value)
    }
}

/// What a reply can be made of: text or bytes, borrowed or owned.
pub trait IntoBytes<'a> {
    /// The bytes.
    fn into_bytes(self) -> Cow<'a, [u8]>;
}

macro_rules! into_bytes {
    ($($from:ty => |$value:ident| $bytes:expr;)*) => {$(
        impl<'a> IntoBytes<'a> for $from {
            fn into_bytes(self) -> Cow<'a, [u8]> {
                let $value = self;
                $bytes
            }
        }
    )*};
}

into_bytes! {
    &'a str => |text| Cow::Borrowed(text.as_bytes());
    String => |text| Cow::Owned(text.into_bytes());
    &'a String => |text| Cow::Borrowed(text.as_bytes());
    &'a [u8] => |bytes| Cow::Borrowed(bytes);
    Vec<u8> => |bytes| Cow::Owned(bytes);
    &'a Vec<u8> => |bytes| Cow::Borrowed(bytes.as_slice());
    Cow<'a, [u8]> => |bytes| bytes;
}

impl<'a, const N: usize> IntoBytes<'a> for &'a [u8; N] {
    fn into_bytes(self) -> Cow<'a, [u8]> {
        Cow::Borrowed(self)
    }
}
