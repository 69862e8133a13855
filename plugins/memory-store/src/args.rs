//! Arguments as numbers and words, as strict as the server is.

use crate::Call;
use crate::failure::Failure;

impl<'a> Call<'a> {
    /// The argument at a position; empty where there is none, which the arity keeps from happening.
    pub(crate) fn arg(&self, position: usize) -> &'a [u8] {
        self.args.get(position).copied().unwrap_or_default()
    }

    /// The arguments from a position on.
    pub(crate) fn rest(&self, from: usize) -> &'a [&'a [u8]] {
        self.args.get(from..).unwrap_or_default()
    }

    /// An integer argument.
    pub(crate) fn integer(&self, position: usize) -> Result<i64, Failure> {
        integer(self.arg(position)).ok_or(Failure::NOT_AN_INTEGER)
    }

    /// An integer argument that is not negative.
    pub(crate) fn count(&self, position: usize) -> Result<usize, Failure> {
        count(self.arg(position)).ok_or(Failure::NOT_POSITIVE)
    }
}

/// A 64-bit integer in the one spelling that the server writes itself: no plus sign, no zeros in front, no spaces.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// An integer that is not negative. What is more than this machine can count is all there is.
pub(crate) fn count(text: &[u8]) -> Option<usize> {
    integer(text).and_then(|value| u64::try_from(value).ok()).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
}

/// Whether an argument is this word, given in capitals, whatever the case of its letters.
pub(crate) fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// The elements from `start` to `end`, both included and counted from the end where they are negative, as a range of positions.
pub(crate) fn range(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from = |at: i64| if at < 0 { (len.saturating_add(at)).max(0) } else { at };
    // An end that lies before the first element is not the first element.
    if end < -len {
        return 0..0;
    }
    let (start, end) = (from(start), from(end).min(len - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

/// The position of an element, counted from the end where it is negative.
pub(crate) fn index(at: i64, len: usize) -> Option<usize> {
    let at = if at < 0 { i64::try_from(len).ok()?.checked_add(at)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}
