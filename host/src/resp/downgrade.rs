//! RESP3 values for a client that speaks RESP2.
//!
//! Only what a transform made by itself comes through here: a server answers in the protocol of its connection.

use super::number::{Number, number};
use super::{encode, reply};

/// The reply `frame` as a RESP2 client must see it; `None` where it is plain RESP2 already (or no whole reply).
///
/// As the server does it: maps and sets become arrays, booleans integers, doubles, big numbers and verbatim strings bulk strings,
/// bulk errors errors, the null value the null bulk string; attributes are dropped. The order of a map's entries is kept.
pub fn to_resp2(frame: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(frame.len());
    let mut changed = false;
    let mut rest = frame;
    while let Some((&kind, body)) = rest.split_first() {
        let line = body.split(|&byte| byte == b'\r').next()?;
        let after_line = body.get(line.len() + 2..)?;
        rest = match kind {
            b'+' | b'-' | b':' | b'*' => {
                out.extend_from_slice(rest.get(..line.len() + 3)?);
                after_line
            }
            b'$' => match bulk(body)? {
                Some((_, end)) => {
                    out.extend_from_slice(rest.get(..end + 1)?);
                    body.get(end..)?
                }
                None => {
                    out.extend_from_slice(b"$-1\r\n");
                    after_line
                }
            },
            _ => {
                changed = true;
                let length = || match number(body, 0) {
                    Number::Value(value, _) => usize::try_from(value).ok(),
                    _ => None,
                };
                match kind {
                    b'_' => out.extend_from_slice(b"$-1\r\n"),
                    b'#' => out.extend_from_slice(if line == b"t" { b":1\r\n" } else { b":0\r\n" }),
                    b',' | b'(' => encode::bulk(&mut out, line),
                    b'~' | b'>' => encode::header(&mut out, b'*', length()?),
                    b'%' => encode::header(&mut out, b'*', 2 * length()?),
                    b'|' | b'=' | b'!' => {}
                    _ => return None,
                }
                match kind {
                    b'|' => skip(after_line, 2 * length()?)?,
                    b'=' | b'!' => {
                        let (text, end) = bulk(body)??;
                        match kind {
                            // A verbatim string begins with its format: three letters and a colon.
                            b'=' => encode::bulk(&mut out, text.get(4..)?),
                            _ => out.extend(encode::error(&String::from_utf8_lossy(text))),
                        }
                        body.get(end..)?
                    }
                    _ => after_line,
                }
            }
        };
    }
    changed.then_some(out)
}

/// The text of a bulk string whose length stands at the beginning of `body`, and where it ends; `Some(None)` for a null one.
fn bulk(body: &[u8]) -> Option<Option<(&[u8], usize)>> {
    match number(body, 0) {
        Number::Value(-1, _) => Some(None),
        Number::Value(len, start) => {
            let end = start + usize::try_from(len).ok()?;
            Some(Some((body.get(start..end)?, end + 2)))
        }
        _ => None,
    }
}

fn skip(mut rest: &[u8], elements: usize) -> Option<&[u8]> {
    for _ in 0..elements {
        rest = rest.get(reply::frame_length(rest).ok()??..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_only_resp3_knows_becomes_what_a_resp2_client_knows() {
        let frame =
            b"%2\r\n+b\r\n*4\r\n#t\r\n_\r\n,1.5\r\n=7\r\ntxt:abc\r\n$1\r\na\r\n|1\r\n+x\r\n:1\r\n~1\r\n!5\r\nERR x\r\n";
        assert_eq!(
            to_resp2(frame).unwrap(),
            b"*4\r\n+b\r\n*4\r\n:1\r\n$-1\r\n$3\r\n1.5\r\n$3\r\nabc\r\n$1\r\na\r\n*1\r\n-ERR x\r\n"
        );
    }

    #[test]
    fn plain_resp2_is_left_alone() {
        for frame in [&b"*2\r\n$1\r\na\r\n:1\r\n"[..], b"+OK\r\n", b"$-1\r\n", b"*-1\r\n", b"$3\r\n_\r\n\r\n"] {
            assert_eq!(to_resp2(frame), None, "{}", frame.escape_ascii());
        }
    }
}
