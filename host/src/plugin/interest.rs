//! What a transform wants to be called for.

use sluice_commands::table;

use super::batch::UNKNOWN_COMMAND;

/// What a transform wants to be called for, given its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// Argument 0.
    Command,
    /// Argument 0 and every argument that is a key.
    Keys,
    /// Every argument.
    All,
}

/// A set of commands, by their positions in the table. The set of all commands includes those that are not in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSet {
    /// A bit per command; `None` for all, also the unknown ones.
    bits: Option<Box<[u64]>>,
}

impl CommandSet {
    /// Every command, known or not.
    pub const ALL: CommandSet = CommandSet { bits: None };

    /// The commands with these names. The name of a container stands for its subcommands too.
    ///
    /// # Errors
    ///
    /// The first name that the table does not have: such a wish could never come true.
    pub(super) fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<CommandSet, &'a str> {
        let mut bits = vec![0u64; table().commands().len().div_ceil(64)];
        for name in names {
            let id = table().by_name(name).ok_or(name)?;
            for id in table().family(id) {
                if let Some(word) = bits.get_mut(usize::from(id.index()) / 64) {
                    *word |= 1 << (id.index() % 64);
                }
            }
        }
        Ok(CommandSet { bits: Some(bits.into_boxed_slice()) })
    }

    /// Whether the command at this position of the table ([`UNKNOWN_COMMAND`] for one that is not in it) is in the set.
    #[inline]
    pub fn contains(&self, command: u16) -> bool {
        let Some(bits) = &self.bits else {
            return true;
        };
        command != UNKNOWN_COMMAND
            && bits.get(usize::from(command) / 64).is_some_and(|word| word >> (command % 64) & 1 != 0)
    }

    /// Whether it is the set of all commands.
    pub fn is_all(&self) -> bool {
        self.bits.is_none()
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
    fn an_empty_list_of_names_is_the_empty_set() {
        let set = CommandSet::from_names([]).unwrap();
        assert!(!(0..=u16::MAX).any(|command| set.contains(command)));
    }
}
