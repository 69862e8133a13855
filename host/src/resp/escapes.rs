//! Bytes as text that people read and write, with escapes for what cannot be seen.

/// Bytes as text: `\r`, `\n`, `\t`, `\\` and `\xHH` stand for what cannot be written as it is.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                character if is_shown(character) => text.push(character),
                character => character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hex(byte, &mut text)),
            }
        }
        chunk.invalid().iter().for_each(|&byte| hex(byte, &mut text));
    }
    text
}

/// What [`escape`] has written, or a person. What needs no escape may stand for itself.
///
/// # Errors
///
/// A backslash with something else behind it: what was found, and what there is.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match escape.as_bytes() {
            // A sign would be part of a number, too.
            [b'x', b'+', ..] => return Err(unknown(escape, 3)),
            [b'x', ..] => match escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => (byte, 3),
                None => return Err(unknown(escape, 3)),
            },
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            _ => return Err(unknown(escape, 1)),
        };
        bytes.push(byte);
        rest = escape.get(length..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn unknown(escape: &str, length: usize) -> String {
    let found: String = escape.chars().take(length).collect();
    format!("`\\{found}` is no escape; there are \\r, \\n, \\t, \\\\ and \\xHH")
}

/// Whether a character can be seen for what it is.
pub(crate) fn is_shown(character: char) -> bool {
    character == ' '
        || !(character.is_control()
            || character.is_whitespace()
            || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}'))
}

fn hex(byte: u8, text: &mut String) {
    text.push_str(&format!("\\x{byte:02x}"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_are_the_same_again_when_they_are_read() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&all[..], b"", b"a b\\", "é\u{200b}".as_bytes(), b"*1\r\n"] {
            assert_eq!(unescape(&escape(bytes)).unwrap(), bytes);
        }
        assert_eq!(escape(b"+a\xff\0 \r\n"), r"+a\xff\x00 \r\n");
        assert_eq!(unescape(r"a\q").unwrap_err(), r"`\q` is no escape; there are \r, \n, \t, \\ and \xHH");
        assert!(unescape(r"a\xg1").unwrap_err().starts_with(r"`\xg1` is no escape"));
        assert!(unescape(r"a\x+1").unwrap_err().starts_with(r"`\x+1` is no escape"));
        assert!(unescape(r"a\").unwrap_err().starts_with(r"`\` is no escape"));
    }
}
