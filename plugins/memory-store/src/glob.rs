//! Glob patterns as the server has them: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before what is to be taken literally.

/// Whether a text matches a pattern. Takes time in proportion to the product of their lengths at most.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where the last `*` was, and the text that it has not swallowed yet: only the last one ever needs to give more.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            star = Some((rest, text));
            pattern = rest;
            continue;
        }
        let step = match text.split_first() {
            Some((&byte, later)) => one(pattern, byte).map(|rest| (rest, later)),
            None if pattern.is_empty() => return true,
            // Nothing is left to be matched, and no `*` can change that.
            None => return false,
        };
        match (step, &mut star) {
            (Some(step), _) => (pattern, text) = step,
            (None, Some((rest, from))) => {
                let Some((_, later)) = from.split_first() else { return false };
                *from = later;
                (pattern, text) = (rest, later);
            }
            (None, None) => return false,
        }
    }
}

/// What every match begins with.
pub(crate) fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\')).unwrap_or(pattern.len());
    pattern.get(..end).unwrap_or_default()
}

/// Match one byte; what is left of the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => {
            let (found, rest) = class(rest, byte);
            found.then_some(rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
        [] => None,
    }
}

/// Match a class, whose `[` is gone; what is left behind its `]`. One that is not closed ends with the pattern.
fn class(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let (inverted, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => return (found != inverted, rest),
            [] => return (found != inverted, rest),
            [from, b'-', to, rest @ ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_the_server_says() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "a", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*b*b*", "abab", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("[\\]]", "]", true),
            ("[a", "a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("**a", "bba", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_length_times_the_text() {
        let pattern = b"*a".repeat(200);
        let text = [vec![b'a'; 20_000], vec![b'b']].concat();
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn the_prefix_ends_where_anything_may_come() {
        for (pattern, prefix) in [("user:*", "user:"), ("a\\*", "a"), ("abc", "abc"), ("[a]b", "")] {
            assert_eq!(literal_prefix(pattern.as_bytes()), prefix.as_bytes());
        }
    }
}
