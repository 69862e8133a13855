//! What a transform wants to be called for.

use sluice_commands::{Categories, CommandId, table};

use super::batch::UNKNOWN_COMMAND;

/// What a transform wants to be called for, given its configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interest {
    /// The commands whose requests cross; all others are forwarded without a call.
    pub commands: CommandSet,
    /// How much of each request it wants to see.
    pub view: View,
    /// The commands of which it wants to see every argument, whatever the view.
    pub whole: CommandSet,
    /// Whether it wants to know which arguments are keys. True wherever the view is [`View::Keys`].
    pub key_positions: bool,
}

/// How much of each request a transform wants to see, from the least to the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum View {
    /// Argument 0.
    Command,
    /// Argument 0 and every argument that is a key.
    Keys,
    /// Every argument.
    All,
}

/// A set of commands, by their positions in the table. The set of all commands includes those that
/// are not in the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandSet {
    /// A bit per command; `None` for all, also the unknown ones.
    bits: Option<Box<[u64]>>,
}

impl CommandSet {
    /// Every command, known or not.
    pub const ALL: Self = Self { bits: None };

    /// The commands with these names. The name of a container stands for its subcommands too.
    ///
    /// # Errors
    ///
    /// The first name that the table does not have: such a wish could never come true.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut set = Self::none();
        for name in names {
            let id = table().by_name(name).ok_or(name)?;
            table().family(id).for_each(|id| set.insert(id));
        }
        Ok(set)
    }

    /// As [`CommandSet::from_names`], for operators: a word may also be an ACL category, such as
    /// `@write`. `@all` includes commands that are not in the table. Case does not matter.
    ///
    /// # Errors
    ///
    /// The first word that is no command and no category of the table.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut set = Self::none();
        for word in words {
            let lower = word.to_ascii_lowercase();
            match lower.strip_prefix('@') {
                Some("all") => set = Self::ALL,
                Some(name) => {
                    let category = Categories::from_name(name).ok_or(word)?;
                    let all = (0..).map_while(CommandId::from_index);
                    let within =
                        |id: &CommandId| id.get().is_some_and(|command| command.category_set().contains(category));
                    all.filter(within).for_each(|id| set.insert(id));
                }
                None => {
                    let id = table().by_name(&lower).ok_or(word)?;
                    table().family(id).for_each(|id| set.insert(id));
                }
            }
        }
        Ok(set)
    }

    fn none() -> Self {
        Self { bits: Some(vec![0u64; table().commands().len().div_ceil(64)].into_boxed_slice()) }
    }

    fn insert(&mut self, command: CommandId) {
        if let Some(word) = self.bits.as_mut().and_then(|bits| bits.get_mut(usize::from(command.index()) / 64)) {
            *word |= 1 << (command.index() % 64);
        }
    }

    /// Whether the command at this position of the table ([`UNKNOWN_COMMAND`] for one that is not
    /// in it) is in the set.
    #[inline]
    pub fn contains(&self, command: u16) -> bool {
        let Some(bits) = &self.bits else {
            return true;
        };
        command != UNKNOWN_COMMAND
            && bits.get(usize::from(command) / 64).is_some_and(|word| word >> (command % 64) & 1 != 0)
    }

    /// The names of the commands in the set that are in the table, in its order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let within = |id: &CommandId| self.contains(id.index());
        (0..).map_while(CommandId::from_index).filter(within).filter_map(CommandId::get).map(|command| command.name())
    }

    /// Whether it is the set of all commands.
    pub fn is_all(&self) -> bool {
        self.bits.is_none()
    }

    /// Whether it is the set of no command.
    pub fn is_empty(&self) -> bool {
        self.bits.as_ref().is_some_and(|bits| bits.iter().all(|word| *word == 0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(name: &str) -> u16 {
        table().by_name(name).unwrap().index()
    }

    #[test]
    fn a_named_command_is_in_the_set_and_its_neighbours_are_not() {
        let set = CommandSet::from_names(["get"]).unwrap();
        assert!(set.contains(id("get")));
        assert!(!set.contains(id("getset")));
        assert!(!set.contains(UNKNOWN_COMMAND));
        assert!(!set.is_all());
        assert_eq!(set.names().collect::<Vec<_>>(), ["get"]);
    }

    #[test]
    fn a_container_stands_for_its_subcommands() {
        let set = CommandSet::from_names(["config"]).unwrap();
        assert!(set.contains(id("config|set")));
        assert!(set.contains(id("config|get")));
        let set = CommandSet::from_names(["config|set"]).unwrap();
        assert!(set.contains(id("config|set")));
        assert!(!set.contains(id("config|get")));
    }

    #[test]
    fn all_includes_unknown_commands() {
        assert!(CommandSet::ALL.contains(UNKNOWN_COMMAND));
        assert!(CommandSet::ALL.contains(0));
    }

    #[test]
    fn a_name_that_is_not_in_the_table_is_refused() {
        assert_eq!(CommandSet::from_names(["get", "gte"]).unwrap_err(), "gte");
    }

    #[test]
    fn a_category_stands_for_its_commands_and_all_for_every_request() {
        let set = CommandSet::parse(["@write", "Config|Get"]).unwrap();
        assert!(set.contains(id("set")) && set.contains(id("config|get")));
        assert!(!set.contains(id("get")) && !set.contains(id("config|set")) && !set.contains(UNKNOWN_COMMAND));
        assert!(CommandSet::parse(["get", "@all", "set"]).unwrap().is_all());
        assert_eq!(CommandSet::parse(["get", "@writ"]).unwrap_err(), "@writ");
        assert_eq!(CommandSet::parse(["gte"]).unwrap_err(), "gte");
    }

    #[test]
    fn an_empty_list_of_names_is_the_empty_set() {
        let set = CommandSet::from_names([]).unwrap();
        assert!(!(0..=u16::MAX).any(|command| set.contains(command)));
    }
}
