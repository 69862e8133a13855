//! From a path to a line and a column.
//!
//! `serde_yaml` tells a place only where it fails. So the text is read once more by a visitor that
//! follows the path and fails on purpose when it has arrived. That costs a parse for each message
//! shown, and only when there is one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::path::{Path, Step};

/// A place in a text; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Which end of a path is meant, where its last step is a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The key itself.
    Key,
    /// What stands under it.
    Value,
}

/// Where the node at `path` stands; `None` where the path leads nowhere in this text (it goes
/// through a merged key).
pub(crate) fn locate(text: &str, path: &Path, end: End) -> Option<Place> {
    let steps = path.steps();
    let follow = Follow { steps, end };
    let error = follow.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    if !error.to_string().contains(ARRIVED) {
        return None;
    }
    let location = error.location()?;
    Some(Place { line: location.line(), column: location.column() })
}

/// Marks the failure that was made on purpose.
const ARRIVED: &str = "sluice: arrived";

/// Follows what is left of a path.
struct Follow<'p> {
    steps: &'p [Step],
    end: End,
}

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Follow<'_> {
    /// A leaf: either the one that was looked for, or the path goes on where the text does not.
    fn leaf<E: Error>(&self) -> Result<(), E> {
        if self.steps.is_empty() {
            return Err(E::custom(ARRIVED));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.steps.split_first() else {
            return self.leaf();
        };
        let mut position = 0;
        loop {
            let more = if *first == Step::Index(position) {
                let follow = Follow { steps: rest, end: self.end };
                entries.next_element_seed(follow)?.is_some()
            } else {
                entries.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            position += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.steps.split_first() else {
            return self.leaf();
        };
        let stop = rest.is_empty() && self.end == End::Key;
        while let Some(found) = entries.next_key_seed(Key { wanted: first, stop })? {
            if found {
                let follow = Follow { steps: rest, end: self.end };
                entries.next_value_seed(follow)?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.leaf()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.leaf()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.leaf()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.leaf()
    }

    /// A name that stands alone, such as `- NullSink`, counts as a map from that name to nothing.
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.steps {
            [Step::Key(name)] if name == text => Err(E::custom(ARRIVED)),
            _ => self.leaf(),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf()
    }
}

/// Reads a key and says whether it is the wanted one; fails on purpose if that is where the path
/// ends.
struct Key<'p> {
    wanted: &'p Step,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let found = matches!(self.wanted, Step::Key(wanted) if wanted == key);
        if found && self.stop {
            return Err(E::custom(ARRIVED));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
sources:
  - Valkey:
      name: first
  - Valkey:
      name: second
      chain:
        - One
        - Two: { a: 1, b: [1, 2] }
";

    fn at(path: &Path, end: End) -> Option<(usize, usize)> {
        locate(TEXT, path, end).map(|place| (place.line, place.column))
    }

    #[test]
    fn a_key_and_its_value_are_told_apart() {
        let name = Path::default().key("sources").index(1).key("Valkey").key("name");
        assert_eq!(at(&name, End::Key), Some((5, 7)));
        assert_eq!(at(&name, End::Value), Some((5, 13)));
    }

    #[test]
    fn a_place_deep_inside_flow_style_is_found() {
        let two = Path::default().key("sources").index(1).key("Valkey").key("chain").index(1).key("Two");
        assert_eq!(at(&two.key("b").index(1), End::Value), Some((8, 31)));
        assert_eq!(at(&two.key("b"), End::Key), Some((8, 24)));
    }

    #[test]
    fn a_name_that_stands_alone_is_found() {
        let chain = Path::default().key("sources").index(1).key("Valkey").key("chain");
        assert_eq!(at(&chain.index(0).key("One"), End::Key), Some((7, 11)));
    }

    #[test]
    fn a_path_that_leads_nowhere_has_no_place() {
        let path = Path::default().key("sources").index(7);
        assert_eq!(at(&path, End::Value), None);
        assert_eq!(at(&Path::default().key("nothing").key("x"), End::Key), None);
    }
}
