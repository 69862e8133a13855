//! Where in the file something stands: `sources[0].Valkey.chain[1].KeyPrefix`.

use std::fmt;

/// One step from a YAML node to a node inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a map, by key.
    Key(String),
    /// Into a list, by position.
    Index(usize),
}

/// The way from the top of the document to one of its nodes. Empty: the document itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    /// The way to what stands under `key`.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The way to the entry at `index`.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if !is_plain(key) => write!(f, "[{key:?}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// Whether a key can stand in a path without quotes and still be told from the punctuation around
/// it.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_the_operator_would_write_it() {
        let path = Path::default().key("sources").index(0).key("Valkey");
        assert_eq!(path.key("chain").index(1).to_string(), "sources[0].Valkey.chain[1]");
    }

    #[test]
    fn a_key_with_punctuation_is_quoted() {
        let path = Path::default().key("plugins").key("a.b");
        assert_eq!(path.to_string(), r#"plugins["a.b"]"#);
        assert_eq!(Path::default().key("").to_string(), r#"[""]"#);
    }
}
