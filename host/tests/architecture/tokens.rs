//! Rust's text as words and signs, without what is no code: comments, strings, lifetimes, and tests.

/// A word, a number, `::`, or any other sign by itself.
pub(crate) type Token = String;

/// The tokens of a file, without those of its tests.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => comment(rest),
            _ if rest.starts_with("::") => 2,
            '"' => string(rest),
            '\'' => character_or_lifetime(rest),
            _ if is_word(first) => word(rest),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(taken);
        let is_code = is_word(first) || first.is_ascii_punctuation();
        if is_code && !token.contains(['"', '\'']) && !token.starts_with("//") && !token.starts_with("/*") {
            tokens.push(token.strip_prefix("r#").unwrap_or(token).to_owned());
        }
        rest = after;
    }
    without_tests(&tokens)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of a comment, which may hold others.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let step = rest.chars().next().map_or(1, char::len_utf8);
        match rest.get(..2) {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ if rest.is_empty() => return text.len(),
            _ => {
                at += step;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'a'`, `'\n'`, or the lifetime `'a`.
fn character_or_lifetime(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    let second = characters.next().map(|(_, character)| character);
    let third = characters.next();
    match (second, third) {
        (Some('\\'), Some(_)) => text.get(3..).and_then(|rest| rest.find('\'')).map_or(text.len(), |at| at + 4),
        (_, Some((at, '\''))) => at + 1,
        _ => 1 + text.get(1..).map_or(0, word),
    }
}

/// A word; with what follows where it is the prefix of a string.
fn word(text: &str) -> usize {
    let end = text.find(|character| !is_word(character)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let opened = rest.get(hashes..).is_some_and(|rest| rest.starts_with('"'));
    match word {
        "b" | "c" if opened && hashes == 0 => end + string(rest),
        "r" | "br" | "cr" if opened => {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = end + hashes + 1;
            text.get(body..).and_then(|rest| rest.find(&close)).map_or(text.len(), |at| body + at + close.len())
        }
        "r" if hashes == 1 => {
            end + 1 + rest.get(1..).map_or(0, |name| name.find(|c| !is_word(c)).unwrap_or(name.len()))
        }
        _ => end,
    }
}

/// Leaves out every item behind `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        if rest.len() >= MARK.len() && rest.iter().zip(MARK).all(|(token, mark)| token == mark) {
            let item = &rest[MARK.len()..];
            rest = &item[end_of_item(item)..];
        } else {
            kept.push(first.clone());
            rest = after;
        }
    }
    kept
}

/// How many tokens the item has that stands first: up to its `;`, or to the end of its block.
fn end_of_item(tokens: &[Token]) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// How many tokens a block has that opens with the first of these, its braces included.
pub(crate) fn block(tokens: &[Token]) -> usize {
    end_of_item(tokens)
}
