//! The host's command table, so that no transform needs one of its own.

use std::fmt;
use std::sync::OnceLock;

use crate::host;

/// A command: its place in the host's table. Compare and look up freely; nothing is copied.
///
/// It means something within the process that gave it: remember names, not commands, in [`state`](crate::state).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(pub(crate) u16);

/// A command as the table has it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) categories: Vec<String>,
    pub(crate) keyed: bool,
}

/// Fetched when it is asked for, once per instance.
fn table() -> &'static [Entry] {
    static TABLE: OnceLock<Vec<Entry>> = OnceLock::new();
    TABLE.get_or_init(host::commands::table)
}

impl Command {
    /// A command that the host does not know.
    pub const UNKNOWN: Command = Command(u16::MAX);

    /// The command with this name, as the table has it: in lower case, `container|subcommand` for a subcommand.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        table().iter().position(|entry| entry.name == name).map(|position| Command(position as u16))
    }

    /// All commands.
    pub fn all() -> impl Iterator<Item = Command> {
        (0..table().len()).map(|position| Command(position as u16))
    }

    /// The command at a place in the table.
    #[must_use]
    pub fn at(index: usize) -> Option<Self> {
        (index < table().len()).then_some(Command(index as u16))
    }

    fn entry(self) -> Option<&'static Entry> {
        table().get(usize::from(self.0))
    }

    /// Whether the host knows it.
    #[must_use]
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// Its name: `get`, `config|set`. Empty for an unknown one.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |entry| &entry.name)
    }

    /// The ACL categories that it is in, without `@`: `read`, `write`, `admin`, …
    #[must_use]
    pub fn categories(self) -> &'static [String] {
        self.entry().map_or(&[], |entry| &entry.categories)
    }

    /// Whether it is in this ACL category, named without `@`.
    #[must_use]
    pub fn is_in(self, category: &str) -> bool {
        self.categories().iter().any(|other| other == category)
    }

    /// Whether any of its arguments can be a key.
    #[must_use]
    pub fn is_keyed(self) -> bool {
        self.entry().is_some_and(|entry| entry.keyed)
    }

    /// Its place in the table: below [`Command::all`]`().count()`, or 65,535 for an unknown one. For tables of one's own.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({}, {:?})", self.0, self.name())
    }
}

/// A set of commands: a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandSet {
    words: Vec<u64>,
    unknown: bool,
}

impl CommandSet {
    /// No command.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The commands that these words name: a command (`get`, `config|set`), a container with all its subcommands (`config`), or an ACL
    /// category (`@write`, `@all`). Case does not matter.
    ///
    /// # Errors
    ///
    /// A sentence that names the first word that the host's table does not know.
    pub fn parse<I>(words: I) -> Result<Self, String>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut set = Self::new();
        for word in words {
            set.add(word.as_ref())?;
        }
        Ok(set)
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        let lower = word.to_ascii_lowercase();
        let matches: Vec<Command> = match lower.strip_prefix('@') {
            Some("all") => Command::all().collect(),
            Some(category) => Command::all().filter(|command| command.is_in(category)).collect(),
            None => Command::all()
                .filter(|command| {
                    command.name().strip_prefix(&lower).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
                })
                .collect(),
        };
        if matches.is_empty() {
            let kind = if lower.starts_with('@') { "category" } else { "command" };
            return Err(format!(
                "found `{word}`, which is no {kind} that this proxy knows; expected a command such as `get` or `config|set`, or a category such as `@write`"
            ));
        }
        matches.into_iter().for_each(|command| self.insert(command));
        Ok(())
    }

    /// Put a command in. [`Command::UNKNOWN`] stands for all that the host does not know.
    pub fn insert(&mut self, command: Command) {
        if !command.is_known() {
            self.unknown = true;
            return;
        }
        let (word, bit) = (command.index() / 64, command.index() % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Take a command out.
    pub fn remove(&mut self, command: Command) {
        if !command.is_known() {
            self.unknown = false;
        } else if let Some(word) = self.words.get_mut(command.index() / 64) {
            *word &= !(1 << (command.index() % 64));
        }
    }

    /// Whether a command is in it.
    #[inline]
    #[must_use]
    pub fn contains(&self, command: Command) -> bool {
        match self.words.get(command.index() / 64) {
            Some(word) => word >> (command.index() % 64) & 1 != 0,
            None => self.unknown && !command.is_known(),
        }
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.unknown && self.words.iter().all(|word| *word == 0)
    }

    /// All the commands of the table that are not in it, and the unknown ones if those are not.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut set = Self::new();
        Command::all()
            .chain([Command::UNKNOWN])
            .filter(|command| !self.contains(*command))
            .for_each(|command| set.insert(command));
        set
    }

    /// The known commands in it, by their place in the table.
    pub fn iter(&self) -> impl Iterator<Item = Command> {
        Command::all().filter(|command| self.contains(*command))
    }

    /// The names of the known commands in it.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.iter().map(Command::name)
    }
}

impl FromIterator<Command> for CommandSet {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Self {
        let mut set = Self::new();
        commands.into_iter().for_each(|command| set.insert(command));
        set
    }
}
