//! Requests typed by hand: a line of words, with the quoting that the server understands (`sdssplitargs`).

use super::ProtocolError;

/// Split a line into its arguments. The line's end (LF, with or without CR) may be part of it.
///
/// `"…"` knows the escapes `\n \r \t \b \a \xHH \"  \\`; `'…'` knows `\'`. An empty line has no arguments.
///
/// # Errors
///
/// [`ProtocolError::UnbalancedQuotes`] for a quote that is not closed, or closed in the middle of a word.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let mut rest = line;
    let mut words = Vec::new();
    loop {
        while let Some((first, tail)) = rest.split_first()
            && is_space(*first)
        {
            rest = tail;
        }
        // The server takes its line as a C string.
        if rest.first().is_none_or(|&byte| byte == 0) {
            return Ok(words);
        }
        let (word, tail) = word(rest)?;
        words.push(word);
        rest = tail;
    }
}

fn word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), ProtocolError> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] | [0, ..] => return Ok((word, rest)),
            [byte, ..] if is_space(*byte) => return Ok((word, rest)),
            [quote @ (b'"' | b'\''), tail @ ..] => {
                let tail = quoted(*quote, tail, &mut word)?;
                return Ok((word, tail));
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Append what stands before the closing quote to `word`; returns what follows it, which must not belong to the word.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] | [0, ..] => return Err(ProtocolError::UnbalancedQuotes),
            [byte, tail @ ..] if *byte == quote => {
                return match tail.first() {
                    Some(&next) if next != 0 && !is_space(next) => Err(ProtocolError::UnbalancedQuotes),
                    _ => Ok(tail),
                };
            }
            [b'\\', b'x', high, low, tail @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                tail
            }
            [b'\\', b'\'', tail @ ..] if quote == b'\'' => {
                word.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_quotes_and_escapes_are_split_as_the_server_does() {
        for (line, words) in [
            (&b"PING\r\n"[..], vec![&b"PING"[..]]),
            (b"  SET  a\tb \n", vec![b"SET", b"a", b"b"]),
            (br#"SET "a b\x41\n\"" 'it\'s'"#, vec![b"SET", b"a bA\n\"", b"it's"]),
            (br#"SET """#, vec![b"SET", b""]),
            (b"\r\n", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn open_quotes_and_quotes_inside_of_words_are_refused() {
        for line in [&b"SET \"a"[..], b"SET 'a", b"SET \"a\"b", b"SET \"a\\\""] {
            assert_eq!(split(line), Err(ProtocolError::UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }
}
