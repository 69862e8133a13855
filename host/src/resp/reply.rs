//! Where a reply ends.

use super::number::{Number, number};
use super::{ProtocolError, Scan};

/// Scans one reply of RESP2 or RESP3, and goes on where it stopped when more of it has arrived.
///
/// Nested aggregates need no stack: it is enough to count how many elements are still to come. The streamed forms of RESP3
/// (`$?`, `*?`) are refused: no server of today sends them.
#[derive(Clone, Copy, Debug)]
pub struct ReplyScanner {
    pos: usize,
    /// Elements still to come.
    open: u64,
}

impl Default for ReplyScanner {
    fn default() -> Self {
        Self { pos: 0, open: 1 }
    }
}

impl ReplyScanner {
    /// Scan `frame`, of which the first byte is the first byte of the reply. The same scanner must be given the same frame
    /// again, grown at its end. After [`Scan::Complete`] the scanner is used up.
    ///
    /// # Errors
    ///
    /// What is wrong with the reply; nothing that follows it can be understood.
    #[inline]
    pub fn scan(&mut self, frame: &[u8]) -> Result<Scan, ProtocolError> {
        while self.open > 0 {
            let Some(&kind) = frame.get(self.pos) else {
                return Ok(Scan::Incomplete(self.pos + 1));
            };
            match kind {
                b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {
                    let Some(end) = line_end(frame, self.pos + 1)? else {
                        return Ok(Scan::Incomplete(frame.len() + 1));
                    };
                    self.advance(end, 0)?;
                }
                b'$' | b'=' | b'!' => {
                    let Some((len, start)) = length(frame, self.pos + 1)? else {
                        return Ok(Scan::Incomplete(frame.len() + 1));
                    };
                    let Ok(len) = usize::try_from(len) else {
                        self.advance(start, 0)?;
                        continue;
                    };
                    let end = start + len + 2;
                    match frame.get(end - 2..end) {
                        None => return Ok(Scan::Incomplete(end)),
                        Some(b"\r\n") => self.advance(end, 0)?,
                        Some(_) => return Err(ProtocolError::ExpectedCrLf),
                    }
                }
                b'*' | b'~' | b'>' | b'%' | b'|' => {
                    let Some((count, next)) = length(frame, self.pos + 1)? else {
                        return Ok(Scan::Incomplete(frame.len() + 1));
                    };
                    let count = u64::try_from(count).unwrap_or(0);
                    self.advance(
                        next,
                        match kind {
                            b'%' => 2 * count,
                            // Attributes come before an element and are none themselves.
                            b'|' => 2 * count + 1,
                            _ => count,
                        },
                    )?;
                }
                other => return Err(ProtocolError::ReplyType(other)),
            }
        }
        Ok(Scan::Complete(self.pos))
    }

    #[inline]
    fn advance(&mut self, pos: usize, more: u64) -> Result<(), ProtocolError> {
        self.pos = pos;
        self.open = (self.open - 1).checked_add(more).ok_or(ProtocolError::ReplyLength)?;
        Ok(())
    }
}

/// The length of the frame that `bytes` begins with, or `None` where it is not complete.
///
/// # Errors
///
/// What is wrong with it.
pub fn frame_length(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    Ok(match ReplyScanner::default().scan(bytes)? {
        Scan::Complete(len) => Some(len),
        Scan::Incomplete(_) => None,
    })
}

/// Whether a reply is out-of-band data of RESP3: no request is waiting for it.
pub fn is_push(frame: &[u8]) -> bool {
    frame.first() == Some(&b'>')
}

/// Whether a reply is an error.
pub fn is_error(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(b'-' | b'!'))
}

/// The elements of an array, in order, as far as they are whole.
pub fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest =
        array.iter().position(|&byte| byte == b'\n').and_then(|end| array.get(end + 1..)).unwrap_or_default();
    std::iter::from_fn(move || match ReplyScanner::default().scan(rest) {
        Ok(Scan::Complete(len)) => {
            let (element, behind) = rest.split_at(len);
            rest = behind;
            Some(element)
        }
        _ => None,
    })
}

/// The bytes of a bulk or verbatim string; those of the latter begin with its format, as in `txt:`. `None`: it is null, or no string.
pub fn text(frame: &[u8]) -> Option<&[u8]> {
    let (header, text) = frame.split_at_checked(frame.iter().position(|&byte| byte == b'\n')? + 1)?;
    let is_one = matches!(header.first(), Some(b'$' | b'=')) && header.get(1) != Some(&b'-');
    text.strip_suffix(b"\r\n").filter(|_| is_one)
}

/// The value of an integer; `None`: it is no integer.
pub fn integer(frame: &[u8]) -> Option<i64> {
    std::str::from_utf8(frame.strip_prefix(b":")?.strip_suffix(b"\r\n")?).ok()?.parse().ok()
}

/// Behind the CR LF that ends the line, or `None` if it is not there yet.
#[inline]
fn line_end(frame: &[u8], from: usize) -> Result<Option<usize>, ProtocolError> {
    let Some(at) = frame.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == b'\r')) else {
        return Ok(None);
    };
    match frame.get(from + at + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(from + at + 2)),
        Some(_) => Err(ProtocolError::ExpectedCrLf),
    }
}

/// A length (-1 for null) and the position behind its line.
#[inline]
fn length(frame: &[u8], pos: usize) -> Result<Option<(i64, usize)>, ProtocolError> {
    match number(frame, pos) {
        Number::Value(value, next) if (-1..=i64::from(u32::MAX)).contains(&value) => Ok(Some((value, next))),
        Number::Unfinished => Ok(None),
        Number::NoCrLf => Err(ProtocolError::ExpectedCrLf),
        Number::Value(..) | Number::Invalid => Err(ProtocolError::ReplyLength),
    }
}

#[cfg(test)]
#[path = "reply_test.rs"]
mod tests;
