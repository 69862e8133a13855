//! Where a request ends, and its arguments.

use super::number::{Number, number};
use super::{MAX_ARGUMENTS, MAX_BULK, MAX_LINE, ProtocolError, Scan, Span};

/// Scans one request, and goes on where it stopped when more of it has arrived.
///
/// The same scanner must be given the same frame again, grown at its end: what it has seen it does not look at twice, so a
/// request of any size costs one pass however it arrives.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestScanner {
    /// How far it has come: everything before is understood.
    pos: usize,
    /// How many arguments are still to come; `None` before the header.
    left: Option<usize>,
}

/// How a request was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// An array of bulk strings, as clients write it. With no arguments (`*0`, `*-1`) it is silent.
    Array,
    /// A line, as people type it: see [`super::inline`].
    Inline,
}

impl RequestScanner {
    /// How `frame` is written. `frame` has at least one byte.
    pub fn form(frame: &[u8]) -> Form {
        if frame.first() == Some(&b'*') { Form::Array } else { Form::Inline }
    }

    /// Scan `frame`, of which the first byte is the first byte of the request, and append the arguments found to `arguments`.
    ///
    /// An inline request has no arguments yet; [`super::inline::split`] takes it apart. After [`Scan::Complete`] the scanner is
    /// used up.
    ///
    /// # Errors
    ///
    /// What the server would answer before it closes the connection.
    #[inline]
    pub fn scan(&mut self, frame: &[u8], arguments: &mut Vec<Span>) -> Result<Scan, ProtocolError> {
        let mut left = match self.left {
            Some(left) => left,
            None => match Self::form(frame) {
                Form::Inline => return self.line(frame),
                Form::Array => match header(frame, 1)? {
                    Header::Unfinished => return Ok(Scan::Incomplete(frame.len() + 1)),
                    Header::Length(count, next) => {
                        self.pos = next;
                        count
                    }
                },
            },
        };
        while left > 0 {
            match frame.get(self.pos) {
                None => return Ok(self.pause(left, self.pos + 1)),
                Some(b'$') => {}
                Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
            }
            let (len, start) = match number(frame, self.pos + 1) {
                Number::Value(len, start) if (0..=MAX_BULK as i64).contains(&len) => (len as usize, start),
                Number::Unfinished if frame.len() - self.pos > MAX_LINE => return Err(ProtocolError::BulkLine),
                Number::Unfinished => return Ok(self.pause(left, frame.len() + 1)),
                Number::NoCrLf => return Err(ProtocolError::ExpectedCrLf),
                Number::Value(..) | Number::Invalid => return Err(ProtocolError::BulkLength),
            };
            let end = start + len + 2;
            match frame.get(end - 2..end) {
                None => return Ok(self.pause(left, end)),
                Some(b"\r\n") => {}
                Some(_) => return Err(ProtocolError::ExpectedCrLf),
            }
            arguments.push(Span { start: start as u32, len: len as u32 });
            self.pos = end;
            left -= 1;
        }
        Ok(Scan::Complete(self.pos))
    }

    fn pause(&mut self, left: usize, needed: usize) -> Scan {
        self.left = Some(left);
        Scan::Incomplete(needed)
    }

    fn line(&mut self, frame: &[u8]) -> Result<Scan, ProtocolError> {
        match frame.iter().skip(self.pos).position(|&byte| byte == b'\n') {
            Some(at) if self.pos + at <= MAX_LINE => Ok(Scan::Complete(self.pos + at + 1)),
            None if frame.len() <= MAX_LINE => {
                self.pos = frame.len();
                Ok(Scan::Incomplete(frame.len() + 1))
            }
            _ => Err(ProtocolError::InlineLine),
        }
    }
}

enum Header {
    Length(usize, usize),
    Unfinished,
}

fn header(frame: &[u8], pos: usize) -> Result<Header, ProtocolError> {
    match number(frame, pos) {
        Number::Value(count, next) if count <= MAX_ARGUMENTS as i64 => Ok(Header::Length(count.max(0) as usize, next)),
        Number::Unfinished if frame.len() > MAX_LINE => Err(ProtocolError::MultibulkLine),
        Number::Unfinished => Ok(Header::Unfinished),
        Number::NoCrLf => Err(ProtocolError::ExpectedCrLf),
        Number::Value(..) | Number::Invalid => Err(ProtocolError::MultibulkLength),
    }
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;
