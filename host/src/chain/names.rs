//! The names that servers have for commands, where the table does not know them.

use std::fmt;
use std::rc::Rc;

use sluice_commands::CommandId;

/// Finds a command by a name that the table does not know, and the second argument of its request.
pub type Renamed = Rc<dyn Fn(&[u8], Option<&[u8]>) -> CommandId>;

/// What names the servers have that the table does not know; none unless told.
#[derive(Clone, Default)]
pub(super) struct Names(Option<Renamed>);

impl Names {
    /// Names that are found like this.
    pub(super) fn new(renamed: Renamed) -> Self {
        Self(Some(renamed))
    }

    /// The command of this name, where the servers have one.
    pub(super) fn find(&self, name: &[u8], subcommand: Option<&[u8]>) -> CommandId {
        self.0.as_ref().map_or(CommandId::UNKNOWN, |renamed| renamed(name, subcommand))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Names").field(&self.0.is_some()).finish()
    }
}
