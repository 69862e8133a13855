//! Text in the notation of case files.

use serde_yaml::Value;

use crate::resp::escapes::is_shown;

/// Text as it may stand anywhere in a case file, a list in brackets included: plain where that is
/// the same text again, else in quotes.
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

/// In double quotes: what JSON writes is YAML, but for a few characters that YAML takes for line
/// breaks.
fn double(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escape = |character: char| match character {
        character if is_shown(character) => character.to_string(),
        character => format!("\\U{:08x}", u32::from(character)),
    };
    json.chars().map(escape).collect()
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
}
