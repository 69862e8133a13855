//! The decimal numbers of headers.

/// What stands at a place where a number and CR LF are expected.
pub(super) enum Number {
    /// The number, and the position behind its CR LF.
    Value(i64, usize),
    /// The line has not ended yet.
    Unfinished,
    /// Something else.
    Invalid,
    /// A number whose line does not end in CR LF.
    NoCrLf,
}

/// Read the number that begins at `pos` and ends with CR LF.
///
/// As strict as the server's `string2ll`: an optional `-`, no `+`, no leading zeros, no spaces.
#[inline]
pub(super) fn number(bytes: &[u8], pos: usize) -> Number {
    let Some(line) = bytes.get(pos..) else { return Number::Unfinished };
    let (negative, digits) = match line.first() {
        None => return Number::Unfinished,
        Some(b'-') => (true, &line[1..]),
        Some(_) => (false, line),
    };
    let mut value: i64 = 0;
    let mut len = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // 18 digits fit; more are refused below, before they could wrap.
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        len += 1;
        if len > 18 {
            return Number::Invalid;
        }
    }
    match digits.get(len) {
        None => return Number::Unfinished,
        Some(b'\r') => {}
        Some(_) => return Number::Invalid,
    }
    if len == 0 || (digits[0] == b'0' && (len > 1 || negative)) {
        return Number::Invalid;
    }
    let end = pos + usize::from(negative) + len;
    match bytes.get(end + 1) {
        None => Number::Unfinished,
        Some(b'\n') => Number::Value(if negative { -value } else { value }, end + 2),
        Some(_) => Number::NoCrLf,
    }
}
