//! The lines of the script: GET and SET by turns, and the replies to them.

use anyhow::{Context, Result, ensure};

/// Bytes of a value, as in the load of the other bench.
const VALUE: usize = 64;

/// The request with this number: every other one writes, and each has a key of its own.
pub(super) fn request(number: usize) -> Vec<u8> {
    let key = format!("key:{number:012}");
    let value = "x".repeat(VALUE);
    let words = if number.is_multiple_of(2) { vec!["SET", &key, &value] } else { vec!["GET", &key] };
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}

/// The reply to a request of a client; nothing for what is none.
pub(super) fn reply(words: &[&[u8]]) -> Option<Vec<u8>> {
    match words {
        [b"SET", ..] => Some(b"+OK\r\n".to_vec()),
        [b"GET", _] => Some(format!("${VALUE}\r\n{}\r\n", "x".repeat(VALUE)).into_bytes()),
        _ => None,
    }
}

/// A request as a server reads it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Its words, the command's name first.
    pub(super) words: Vec<&'a [u8]>,
    /// The bytes that it has.
    pub(super) length: usize,
}

/// The first request in `input`; nothing where it is not whole yet.
pub(super) fn parse(input: &[u8]) -> Result<Option<Request<'_>>> {
    let mut rest = input;
    let Some(count) = header(&mut rest, b'*')? else { return Ok(None) };
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(length) = header(&mut rest, b'$')? else { return Ok(None) };
        let Some((word, after)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some(after) = after.get(2..) else { return Ok(None) };
        words.push(word);
        rest = after;
    }
    Ok(Some(Request { words, length: input.len() - rest.len() }))
}

/// Takes `*3\r\n` or the like from the beginning.
fn header(input: &mut &[u8], kind: u8) -> Result<Option<usize>> {
    let Some(end) = input.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let (line, rest) = (&input[..end], &input[end + 2..]);
    ensure!(line.first() == Some(&kind), "the proxy sent {:?}", line.escape_ascii().to_string());
    *input = rest;
    let number = std::str::from_utf8(&line[1..]).ok().and_then(|number| number.parse().ok());
    number.context("the proxy sent a length that is no number").map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written_and_not_before_it_is_whole() {
        let bytes = [request(0), request(1)].concat();
        let first = parse(&bytes).unwrap().unwrap();
        assert_eq!(first.words, [&b"SET"[..], b"key:000000000000", &[b'x'; VALUE]]);
        assert_eq!(reply(&first.words).unwrap(), b"+OK\r\n");
        let second = parse(&bytes[first.length..]).unwrap().unwrap();
        assert_eq!(second.words, [&b"GET"[..], b"key:000000000001"]);
        assert_eq!(reply(&second.words).unwrap().len(), "$64\r\n\r\n".len() + VALUE);
        assert_eq!(first.length + second.length, bytes.len());
        assert!((0..first.length).all(|length| parse(&bytes[..length]).unwrap().is_none()));
        assert!(parse(b"+OK\r\n").is_err());
        assert!(reply(&[b"PING"]).is_none());
    }
}
