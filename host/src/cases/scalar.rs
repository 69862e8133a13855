//! Text in the notation of case files: as YAML, and bytes as text.

use serde_yaml::Value;

/// Text as it may stand anywhere in a case file, a list in brackets included: plain where that is the same text again, else in quotes.
pub(super) fn yaml(text: &str) -> String {
    let single = format!("'{}'", text.replace('\'', "''"));
    let is_same = |written: &String| {
        let list: Result<Vec<Value>, _> = serde_yaml::from_str(&format!("[{written}, x: {written}]"));
        list.is_ok_and(|list| match list.as_slice() {
            [Value::String(alone), Value::Mapping(map)] => {
                alone == text && map.get("x").and_then(Value::as_str) == Some(text)
            }
            _ => false,
        })
    };
    [text.to_owned(), single].into_iter().find(is_same).unwrap_or_else(|| double(text))
}

/// In double quotes: what JSON writes is YAML, but for a few characters that YAML takes for line breaks.
fn double(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escape = |character: char| match character {
        character if is_shown(character) => character.to_string(),
        character => format!("\\U{:08x}", u32::from(character)),
    };
    json.chars().map(escape).collect()
}

/// Bytes as text: `\r`, `\n`, `\t`, `\\` and `\xHH` stand for what cannot be written as it is.
pub(super) fn escape(bytes: &[u8]) -> String {
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
/// A backslash with something else behind it.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match escape.as_bytes() {
            [b'x', ..] => match escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => (byte, 3),
                None => return Err(format!("`\\{}`", escape.chars().take(3).collect::<String>())),
            },
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            _ => return Err(format!("`\\{}`", escape.chars().take(1).collect::<String>())),
        };
        bytes.push(byte);
        rest = escape.get(length..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Whether a character can be seen for what it is.
pub(super) fn is_shown(character: char) -> bool {
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
    fn text_is_the_same_again_when_it_is_read() {
        for text in [
            "GET k",
            "",
            " a",
            "a ",
            "1",
            "true",
            "null",
            "~",
            "a: b",
            "a #b",
            "- a",
            "it's",
            "\"a\"",
            "a, b",
            "[a]",
            "{a}",
            "é",
            "a\nb",
            "a\r\n",
            "\u{85}",
            "\u{1}",
            "*",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "a:",
            "1.5",
            "0x10",
            "?",
            "SET k \"a b\\xff\"",
        ] {
            let read: Vec<String> = serde_yaml::from_str(&format!("- {}", yaml(text))).unwrap();
            assert_eq!(read, [text], "{}", yaml(text));
            let read: Vec<Vec<String>> = serde_yaml::from_str(&format!("- [{}, b]", yaml(text))).unwrap();
            assert_eq!(read, [[text, "b"]], "{}", yaml(text));
        }
        assert_eq!(yaml("GET k"), "GET k");
        assert_eq!(yaml("it's: so"), "'it''s: so'");
        assert_eq!(yaml("a\nb"), r#""a\nb""#);
    }

    #[test]
    fn bytes_are_the_same_again_when_they_are_read() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&all[..], b"", b"a b\\", "é\u{200b}".as_bytes(), b"*1\r\n"] {
            assert_eq!(unescape(&escape(bytes)).unwrap(), bytes);
        }
        assert_eq!(escape(b"+a\xff\0 \r\n"), r"+a\xff\x00 \r\n");
        assert_eq!(unescape(r"a\q").unwrap_err(), r"`\q`");
        assert_eq!(unescape(r"a\xg1").unwrap_err(), r"`\xg1`");
        assert_eq!(unescape(r"a\").unwrap_err(), r"`\`");
    }
}
