//! Writing requests and replies.

/// Append a request: an array of bulk strings. `arguments` is gone through twice.
pub fn request<'a>(out: &mut Vec<u8>, arguments: impl Iterator<Item = &'a [u8]> + Clone) {
    header(out, b'*', arguments.clone().count());
    for argument in arguments {
        bulk(out, argument);
    }
}

/// Append the header of an aggregate or a bulk string: its type and a length.
pub fn header(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Append a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends an integer.
pub fn integer(out: &mut Vec<u8>, number: i64) {
    out.push(b':');
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// An array, or a set, of these frames.
pub fn aggregate(kind: u8, elements: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    header(&mut out, kind, elements.len());
    elements.iter().for_each(|element| out.extend_from_slice(element));
    out
}

/// An error reply. `text` begins with the error's code (`ERR …`); line breaks in it become spaces.
pub fn error(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 3);
    out.push(b'-');
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
    out
}

/// A double as servers write it: no exponent where digits do.
pub fn double(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        "nan".to_owned()
    } else if number.is_infinite() || size == 0.0 || (1e-5..1e17).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// The reply `+OK`.
pub const OK: &[u8] = b"+OK\r\n";

/// The reply to a command that EXEC will execute.
pub const QUEUED: &[u8] = b"+QUEUED\r\n";
