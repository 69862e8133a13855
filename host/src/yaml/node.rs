//! Walking a YAML document: each node knows its path, and reads itself or says what was expected of
//! it.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::path::Path;
use super::problem::Problems;
use super::suggest::did_you_mean;
use super::units;
use crate::net::AddressError;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: Path,
}

/// A key that a map may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    name: &'static str,
    status: Status,
}

#[derive(Clone, Copy, Debug)]
enum Status {
    Read,
    /// Refused with this sentence: better than silently running without what it asks for.
    Refused(&'static str),
}

impl Key {
    /// A key that is read.
    pub(crate) const fn read(name: &'static str) -> Self {
        let status = Status::Read;
        Self { name, status }
    }

    /// A key that people will try, and why it does not work.
    pub(crate) const fn refused(name: &'static str, reason: &'static str) -> Self {
        let status = Status::Refused(reason);
        Self { name, status }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }
}

/// A map whose keys are all known.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    map: Option<&'a Mapping>,
    pub(crate) path: Path,
}

impl<'a> Fields<'a> {
    /// What stands under `key`. A key with nothing behind it counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.map?.get(key).filter(|value| !value.is_null())?;
        let path = self.path.key(key);
        Some(Node { value, path })
    }

    /// As [`Fields::get`], for keys of which `null` is a value like others.
    pub(crate) fn given(&self, key: &str) -> Option<Node<'a>> {
        let value = self.map?.get(key)?;
        let path = self.path.key(key);
        Some(Node { value, path })
    }

    /// Refuses those of these keys that stand there with nothing behind them: where a key says what
    /// must hold, taking it for absent would let anything hold.
    pub(crate) fn refuse_empty(&self, keys: &[&str], problems: &mut Problems) {
        for key in keys {
            if self.given(key).is_some_and(|node| node.value.is_null()) {
                problems.key(
                    &self.path.key(key),
                    "there is nothing behind this key: say what is expected, or leave it out",
                );
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_none_or(Mapping::is_empty)
    }

    /// What stands under `key`, which must be there; `what` says what it is for.
    pub(crate) fn require(&self, key: &str, what: &str, problems: &mut Problems) -> Option<Node<'a>> {
        let found = self.get(key);
        if found.is_none() {
            problems.value(&self.path, format!("`{key}` is missing: {what}"));
        }
        found
    }
}

impl<'a> Node<'a> {
    /// Whether it is a map that has this key, with something behind it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some_and(|value| !value.is_null())
    }

    /// A map that has no other keys than these. Nothing at all counts as an empty map.
    pub(crate) fn fields(&self, keys: &[Key], problems: &mut Problems) -> Option<Fields<'a>> {
        let path = self.path.clone();
        if self.value.is_null() {
            return Some(Fields { map: None, path });
        }
        let map = self.mapping("a map", problems)?;
        for key in map.keys() {
            if let Some(key) = self.key_text(key, problems) {
                self.check_key(key, keys, problems);
            }
        }
        let map = Some(map);
        Some(Fields { map, path })
    }

    fn check_key(&self, key: &str, keys: &[Key], problems: &mut Problems) {
        let path = self.path.key(key);
        match keys.iter().find(|known| known.name == key) {
            Some(Key { status, .. }) => {
                if let Status::Refused(reason) = status {
                    problems.key(&path, *reason);
                }
            }
            None => {
                let names: Vec<&str> =
                    keys.iter().filter(|key| matches!(key.status, Status::Read)).map(|key| key.name).collect();
                let hint = did_you_mean(key, names.iter().copied());
                let expected = match names.as_slice() {
                    [] => "none is expected here".to_owned(),
                    names => format!("expected one of {}", quoted(names)),
                };
                problems.key(&path, format!("unknown key{hint}; {expected}"));
            }
        }
    }

    /// The entries of a map with free keys, in the order of the file.
    pub(crate) fn entries(&self, what: &str, problems: &mut Problems) -> Vec<(&'a str, Self)> {
        if self.value.is_null() {
            return Vec::new();
        }
        let Some(map) = self.mapping(what, problems) else {
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            if let Some(key) = self.key_text(key, problems) {
                let path = self.path.key(key);
                entries.push((key, Node { value, path }));
            }
        }
        entries
    }

    /// The entries of a map whose keys are whole numbers, in the order of the file.
    pub(crate) fn numbered(&self, what: &str, problems: &mut Problems) -> Vec<(u64, Self)> {
        let Some(map) = self.mapping(what, problems) else {
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            match key.as_u64() {
                Some(number) => entries.push((number, Node { value, path: self.path.key(&number.to_string()) })),
                None => {
                    let found = describe(key);
                    problems.value(&self.path, format!("a key must be a whole number here, found {found}"));
                }
            }
        }
        entries
    }

    /// The only entry of a map that has exactly one, whose key is one of these; it may be null.
    pub(crate) fn choice(&self, keys: &[Key], what: &str, problems: &mut Problems) -> Option<(&'static str, Self)> {
        let fields = self.fields(keys, problems)?;
        let mut given = keys.iter().filter_map(|key| Some((key.name, fields.given(key.name)?)));
        match (given.next(), given.next()) {
            (Some(one), None) => Some(one),
            // Keys that are not known have been reported.
            (None, _) if !fields.is_empty() => None,
            (None, _) => self.unexpected(what, problems),
            (Some((first, _)), Some((second, _))) => {
                problems.value(&self.path, format!("expected {what}, found both `{first}` and `{second}`"));
                None
            }
        }
    }

    /// The entries of a list. Nothing at all counts as an empty list.
    pub(crate) fn list(&self, what: &str, problems: &mut Problems) -> Option<Vec<Self>> {
        match self.value {
            Value::Null => Some(Vec::new()),
            Value::Sequence(entries) => {
                let node = |(index, value)| Node { value, path: self.path.index(index) };
                Some(entries.iter().enumerate().map(node).collect())
            }
            _ => self.unexpected(what, problems),
        }
    }

    /// A name, alone or with what belongs to it: `Name` or `Name: { … }`.
    pub(crate) fn named(&self, what: &str, problems: &mut Problems) -> Option<(&'a str, Self)> {
        match self.value {
            Value::String(name) => {
                let path = self.path.key(name);
                let value = &Value::Null;
                Some((name, Node { value, path }))
            }
            Value::Mapping(map) if map.len() == 1 => self.entries(what, problems).pop(),
            Value::Mapping(map) if map.len() > 1 => {
                let keys: Vec<&str> = map.keys().filter_map(Value::as_str).collect();
                let found = quoted(&keys);
                let message = format!(
                    "expected {what}, found a map with {} keys ({found}): is one of them not indented far enough, or is a `- ` missing?",
                    map.len()
                );
                problems.value(&self.path, message);
                None
            }
            _ => self.unexpected(what, problems),
        }
    }

    pub(crate) fn text(&self, what: &str, problems: &mut Problems) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.unexpected(what, problems),
        }
    }

    /// An address of ours, or of a server. A Unix socket's path gets its own words where it is
    /// wrong.
    pub(crate) fn address<A: FromStr<Err = AddressError>>(&self, what: &str, problems: &mut Problems) -> Option<A> {
        match self.text(what, problems)?.parse() {
            Ok(address) => Some(address),
            Err(AddressError::Neither) => self.unexpected(what, problems),
            Err(error) => {
                problems.value(&self.path, error.to_string());
                None
            }
        }
    }

    /// A whole number of at least 1.
    pub(crate) fn count(&self, problems: &mut Problems) -> Option<NonZeroUsize> {
        let number = self.value.as_u64().and_then(|number| usize::try_from(number).ok());
        match number.and_then(NonZeroUsize::new) {
            None => self.unexpected("a whole number of at least 1", problems),
            count => count,
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, problems: &mut Problems) -> Option<u32> {
        match self.value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            None => self.unexpected("a whole number", problems),
            number => number,
        }
    }

    /// A size in bytes, within bounds.
    pub(crate) fn size(&self, bounds: RangeInclusive<usize>, problems: &mut Problems) -> Option<usize> {
        let bytes = match self.value {
            Value::String(text) => units::size(text),
            value => value.as_u64(),
        };
        let Some(bytes) = bytes.and_then(|bytes| usize::try_from(bytes).ok()) else {
            return self.unexpected(units::A_SIZE, problems);
        };
        if !bounds.contains(&bytes) {
            let bound = match *bounds.end() {
                usize::MAX => format!("at least {}", bounds.start()),
                end => format!("{} to {end}", bounds.start()),
            };
            problems.value(&self.path, format!("must be {bound} bytes, found {bytes}"));
            return None;
        }
        Some(bytes)
    }

    pub(crate) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        match self.value.as_bool() {
            None => self.unexpected("`true` or `false`", problems),
            flag => flag,
        }
    }

    /// A duration longer than zero.
    pub(crate) fn duration(&self, problems: &mut Problems) -> Option<Duration> {
        let duration = match self.value {
            Value::String(text) => units::duration(text),
            _ => None,
        };
        match duration {
            None => self.unexpected(units::A_DURATION, problems),
            Some(Duration::ZERO) => {
                problems.value(&self.path, "must be longer than zero");
                None
            }
            duration => duration,
        }
    }

    /// A number of milliseconds, at least 1.
    pub(crate) fn milliseconds(&self, problems: &mut Problems) -> Option<Duration> {
        match self.value.as_u64() {
            Some(number) if number > 0 => Some(Duration::from_millis(number)),
            _ => self.unexpected("a whole number of milliseconds, at least 1, without a unit", problems),
        }
    }

    /// The map as JSON, for a plugin. Nothing at all is an empty object.
    pub(crate) fn json_object(&self, problems: &mut Problems) -> Option<serde_json::Value> {
        match self.value {
            Value::Null => Some(serde_json::Value::Object(serde_json::Map::new())),
            Value::Mapping(_) => self.json(problems),
            _ => self.unexpected("a map with the transform's configuration", problems),
        }
    }

    fn json(&self, problems: &mut Problems) -> Option<serde_json::Value> {
        match self.value {
            Value::Null => Some(serde_json::Value::Null),
            Value::Bool(flag) => Some((*flag).into()),
            Value::String(text) => Some(text.as_str().into()),
            Value::Number(number) => match json_number(number) {
                Some(number) => Some(number.into()),
                None => self.unexpected("a number that JSON knows", problems),
            },
            Value::Sequence(_) => {
                let entries = self.list("a list", problems)?;
                let values = entries.iter().map(|entry| entry.json(problems));
                values.collect::<Option<Vec<_>>>().map(Into::into)
            }
            Value::Mapping(map) => {
                let entries = self.entries("a map", problems);
                let complete = entries.len() == map.len();
                let mut object = serde_json::Map::with_capacity(entries.len());
                for (key, entry) in entries {
                    object.insert(key.to_owned(), entry.json(problems)?);
                }
                complete.then_some(object.into())
            }
            Value::Tagged(_) => self.unexpected("a value without a YAML tag", problems),
        }
    }

    fn mapping(&self, what: &str, problems: &mut Problems) -> Option<&'a Mapping> {
        match self.value {
            Value::Mapping(map) => Some(map),
            _ => self.unexpected(what, problems),
        }
    }

    fn key_text<'v>(&self, key: &'v Value, problems: &mut Problems) -> Option<&'v str> {
        let text = key.as_str();
        if text.is_none() {
            let found = describe(key);
            problems.value(&self.path, format!("a key must be text, found {found}: put it in quotes"));
        }
        text
    }

    /// Says what was expected and what is there instead.
    pub(crate) fn unexpected<T>(&self, what: &str, problems: &mut Problems) -> Option<T> {
        let found = describe(self.value);
        problems.value(&self.path, format!("expected {what}, found {found}"));
        None
    }
}

fn json_number(number: &serde_yaml::Number) -> Option<serde_json::Number> {
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    serde_json::Number::from_f64(number.as_f64()?)
}

/// A list of names in backticks.
pub(crate) fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// What a value is, in words that the operator would use.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let short: String = text.chars().take(60).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("the text {short:?}{dots}")
        }
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a map".to_owned(),
        Value::Tagged(tagged) => format!("a value with the tag {}", tagged.tag),
    }
}
