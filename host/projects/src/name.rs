//! The name of a project, in the spellings that it has in different places.

use anyhow::{Result, ensure};

/// A name such as `card-mask`: words of lower-case letters and digits, each beginning with a
/// letter, joined by hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// Names that a topology, or a build, already knows something else by: what ships with Sluice,
/// sinks, and the SDK's crates.
const TAKEN: [&str; 9] = [
    "command-filter",
    "key-prefix",
    "memory-store",
    "request-logger",
    "null-sink",
    "valkey-sink-cluster",
    "valkey-sink-single",
    "sluice-commands",
    "sluice-plugin",
];

/// No file system, and no plugin in a topology, takes a name that is much longer.
const LONGEST: usize = 64;

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// It is not of the form above (the message suggests one that is), or is taken.
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(
            is_name(text),
            "the name {text:?} will not do: expected words of lower-case letters and digits, joined by hyphens, such as {:?}",
            suggestion(text)
        );
        ensure!(!TAKEN.contains(&text), "the name {text:?} is taken: what ships with Sluice has it; choose another");
        Ok(Self(text.to_owned()))
    }

    /// `card-mask`
    #[must_use]
    pub fn kebab(&self) -> &str {
        &self.0
    }

    /// `card_mask`
    #[must_use]
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// `CardMask`
    #[must_use]
    pub fn camel(&self) -> String {
        let words = self.0.split('-').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        });
        words.collect()
    }
}

fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    text.len() <= LONGEST && text.split('-').all(is_word)
}

/// The nearest name that would do.
fn suggestion(text: &str) -> String {
    let mut name = String::new();
    let mut after_lower = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && after_lower {
            name.push('-');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        match c {
            c if c.is_ascii_alphabetic() => name.push(c.to_ascii_lowercase()),
            c if c.is_ascii_digit() && !name.is_empty() && !name.ends_with('-') => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(LONGEST);
    match name.trim_matches('-') {
        "" => "card-mask".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_has_three_spellings() {
        let name = Name::parse("card-mask2-x").unwrap();
        assert_eq!(
            (name.kebab(), name.snake().as_str(), name.camel().as_str()),
            ("card-mask2-x", "card_mask2_x", "CardMask2X")
        );
    }

    #[test]
    fn a_name_that_will_not_do_comes_with_one_that_will() {
        let cases = [
            ("CardMask", "card-mask"),
            ("card_mask", "card-mask"),
            ("2fa", "fa"),
            ("", "card-mask"),
            ("a--b", "a-b"),
            ("é", "card-mask"),
            ("-x-", "x"),
            ("a b/c", "a-b-c"),
        ];
        for (name, better) in cases {
            let error = Name::parse(name).unwrap_err().to_string();
            assert!(error.ends_with(&format!("such as {better:?}")), "{error}");
            Name::parse(better).unwrap();
        }
        assert!(Name::parse(&"a".repeat(65)).is_err());
    }

    #[test]
    fn a_name_that_something_else_has_is_not_given_again() {
        let error = Name::parse("memory-store").unwrap_err().to_string();
        assert!(error.starts_with("the name \"memory-store\" is taken"), "{error}");
    }
}
