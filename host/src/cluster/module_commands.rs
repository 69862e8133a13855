//! Commands that the table does not know, those of modules above all: where their keys are, as the cluster's own `COMMAND` says.

use std::collections::HashMap;

use sluice_commands::{Args, ConnectionNeed, KeyRange, table};

use super::slot::Slot;
use super::target::Target;
use crate::resp::reply;

/// What a cluster has said of commands that the table does not know.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct ModuleCommands {
    /// By their names in lower case.
    commands: HashMap<Vec<u8>, ModuleCommand>,
}

/// Such a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModuleCommand {
    /// Where its keys are; `None`: it has none, or only the server can tell.
    keys: Option<KeyRange>,
    /// Which connection it needs.
    pub need: ConnectionNeed,
}

impl ModuleCommands {
    /// Read the answer to `COMMAND` (RESP2), one whole frame. What cannot be understood is left out: the cluster sends such requests to
    /// where they belong.
    pub fn read(answer: &[u8]) -> Self {
        let commands = reply::elements(answer).filter_map(command);
        Self { commands: commands.filter(|(name, _)| !is_known(name)).collect() }
    }

    /// What is known of the command with this name, whatever the case.
    pub fn find(&self, name: &[u8]) -> Option<ModuleCommand> {
        self.commands.get(&name.to_ascii_lowercase()).copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

impl ModuleCommand {
    /// The target of a request with these arguments, its name included.
    pub fn target<A: Args + ?Sized>(self, arguments: &A) -> Target {
        let mut slots = Vec::new();
        if let Some(keys) = self.keys {
            keys.each(arguments.count(), |place| slots.push(Slot::of(arguments.arg(place))));
        }
        match slots.split_first() {
            None => Target::Anywhere,
            Some((first, others)) if others.iter().all(|other| other == first) => Target::To(*first),
            Some(_) => Target::Apart,
        }
    }
}

fn is_known(name: &[u8]) -> bool {
    sluice_commands::lookup(name, || None).get().is_some() || table().by_name(&String::from_utf8_lossy(name)).is_some()
}

/// `[name, arity, [flag…], first key, last key, step, …]`
fn command(entry: &[u8]) -> Option<(Vec<u8>, ModuleCommand)> {
    let mut fields = reply::elements(entry);
    let name = reply::text(fields.next()?)?.to_ascii_lowercase();
    let flags: Vec<&[u8]> = reply::elements(fields.nth(1)?).collect();
    let has = |wanted: &str| flags.iter().any(|flag| flag.get(1..).unwrap_or_default().starts_with(wanted.as_bytes()));
    let [first, last, step] =
        [fields.next()?, fields.next()?, fields.next()?].map(|field| i16::try_from(reply::integer(field)?).ok());
    let keys = KeyRange { first: first?, last: last?, step: step?.max(1) };
    let keys = (keys.first > 0 && !has("movablekeys")).then_some(keys);
    // A command whose flags say what it does to keys, and nothing else, does nothing else.
    let says = has("readonly") || has("write");
    let need = match says && !has("pubsub") && !has("no_auth") && !has("no-auth") {
        _ if has("blocking") => ConnectionNeed::Blocking,
        true => ConnectionNeed::Shared,
        false => ConnectionNeed::Unknown,
    };
    Some((name, ModuleCommand { keys, need }))
}

#[cfg(test)]
mod test {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(name: &str, flags: &[&str], keys: [i16; 3]) -> String {
        let flags: String = flags.iter().map(|flag| format!("+{flag}\r\n")).collect::<Vec<_>>().concat();
        let count = flags.lines().count();
        let [first, last, step] = keys;
        format!("*6\r\n${}\r\n{name}\r\n:-2\r\n*{count}\r\n{flags}:{first}\r\n:{last}\r\n:{step}\r\n", name.len())
    }

    #[test]
    fn the_keys_of_commands_of_modules_are_learnt() {
        let entries = [
            entry("get", &["readonly"], [1, 1, 1]),
            entry("JSON.MSET", &["write"], [1, -1, 3]),
            entry("m.wait", &["write", "blocking"], [1, 1, 1]),
            entry("m.free", &["readonly"], [0, 0, 0]),
            entry("m.moves", &["write", "movablekeys"], [1, 1, 1]),
            entry("m.silent", &["fast"], [0, 0, 0]),
            "$3\r\nodd\r\n".to_owned(),
        ];
        let learned = ModuleCommands::read(format!("*{}\r\n{}", entries.len(), entries.concat()).as_bytes());
        assert_eq!(learned.len(), 5, "{learned:?}");
        let target = |line: &str| {
            let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            learned.find(arguments[0]).unwrap().target(&arguments)
        };
        assert_eq!(target("json.mset {a}1 $ 1 {a}2 $ 2"), Target::To(Slot::of(b"a")));
        assert_eq!(target("JSON.MSET a $ 1 b $ 2"), Target::Apart);
        assert_eq!(target("m.wait a"), Target::To(Slot::of(b"a")));
        let need = |name: &str| learned.find(name.as_bytes()).unwrap().need;
        assert_eq!(need("M.WAIT"), ConnectionNeed::Blocking);
        assert_eq!(need("m.free"), ConnectionNeed::Shared);
        assert_eq!(need("m.silent"), ConnectionNeed::Unknown, "its flags say nothing");
        assert_eq!(target("m.free a"), Target::Anywhere);
        assert_eq!(target("m.moves a"), Target::Anywhere);
        assert!(learned.find(b"get").is_none());
        assert!(ModuleCommands::read(b"-NOPERM no\r\n").is_empty());
    }
}
