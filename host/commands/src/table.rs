//! The table, and the way from a name on the wire to a command: a few nanoseconds.

use crate::command::Command;
use crate::name::Name;
use crate::rows::COMMANDS;

/// A command of the [`table`]: its position there. The same for as long as the process runs; what the columns lane
/// calls it.
#[derive(Debug, Copy, Clone, Eq, PartialEq, Hash)]
pub struct CommandId(u16);

/// Every command, and an index from names.
///
/// It is built when the crate is compiled, so a reference to it costs nothing.
#[derive(Debug)]
pub struct Table {
    /// Open addressing, linear probing: the names of up to 16 bytes.
    slots: [Slot; SLOTS],
    /// The others.
    long: [u16; LONG],
}

#[derive(Debug, Copy, Clone)]
struct Slot {
    name: Name,
    /// How many subcommands follow it in the table.
    subcommands: u8,
    command: u16,
}

/// What a name's hash is below: about three times the names, so that nearly every name is found at the first probe.
const SLOTS: usize = 1024;
/// How many names are longer than 16 bytes.
const LONG: usize = count_long();
const VACANT: Slot = Slot { name: Name::VACANT, subcommands: 0, command: CommandId::UNKNOWN.0 };

static TABLE: Table = Table::build();

/// The table.
#[must_use]
pub fn table() -> &'static Table {
    &TABLE
}

/// The command that a request names, whatever the case of its letters; [`CommandId::UNKNOWN`] for one that is not in
/// the table.
///
/// `subcommand` gives the second argument; it is asked for containers only. Without one, or with one that is not in the
/// table, the command is the container itself.
#[inline]
pub fn lookup<'a>(name: &[u8], subcommand: impl FnOnce() -> Option<&'a [u8]>) -> CommandId {
    TABLE.lookup(name, subcommand)
}

// === impl CommandId ===

impl CommandId {
    /// A command that is not in the table.
    pub const UNKNOWN: Self = Self(0xffff);

    /// Its position in the table; 0xffff where it is not there.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }

    /// The command at a position; `None` beyond the table's end.
    #[must_use]
    pub fn from_index(index: u16) -> Option<Self> {
        (usize::from(index) < COMMANDS.len()).then_some(Self(index))
    }

    /// What the table says of it; `None` for one that is not there.
    #[must_use]
    #[inline]
    pub fn get(self) -> Option<&'static Command> {
        COMMANDS.get(usize::from(self.0))
    }
}

// === impl Table ===

impl Table {
    /// Every command; the position is its [`CommandId::index`].
    #[must_use]
    pub fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    /// The command of this name (`get`, `config`, `config|set`), whatever the case.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<CommandId> {
        let (container, subcommand) = match name.split_once('|') {
            Some((container, subcommand)) => (container, Some(subcommand)),
            None => (name, None),
        };
        let id = self.lookup(container.as_bytes(), || subcommand.map(str::as_bytes));
        id.get().filter(|command| command.name().eq_ignore_ascii_case(name)).map(|_| id)
    }

    /// A command and, where it is a container, its subcommands. Empty for [`CommandId::UNKNOWN`].
    pub fn family(&self, id: CommandId) -> impl Iterator<Item = CommandId> + use<> {
        let first = usize::from(id.0);
        let end = if first < COMMANDS.len() { first + 1 + count_subcommands(first) } else { first };
        (first..end).map(|at| CommandId(at as u16))
    }

    /// See [`lookup`].
    #[inline]
    pub fn lookup<'a>(&self, name: &[u8], subcommand: impl FnOnce() -> Option<&'a [u8]>) -> CommandId {
        let Some(name) = Name::pack(name) else {
            return self.lookup_long(name);
        };
        let mut at = name.hash();
        loop {
            let slot = &self.slots[at % SLOTS];
            if slot.name == name {
                return if slot.subcommands == 0 { CommandId(slot.command) } else { slot.subcommand(subcommand()) };
            }
            if slot.name.is_vacant() {
                return CommandId::UNKNOWN;
            }
            at += 1;
        }
    }

    /// No name of more than 16 bytes is a container's.
    #[cold]
    fn lookup_long(&self, name: &[u8]) -> CommandId {
        self.long
            .iter()
            .map(|&at| CommandId(at))
            .find(|id| id.get().is_some_and(|command| command.name().as_bytes().eq_ignore_ascii_case(name)))
            .unwrap_or(CommandId::UNKNOWN)
    }

    const fn build() -> Self {
        assert!(COMMANDS.len() < CommandId::UNKNOWN.0 as usize);
        let mut table = Self { slots: [VACANT; SLOTS], long: [0; LONG] };
        let mut long = 0;
        let mut at = 0;
        while at < COMMANDS.len() {
            let name = COMMANDS[at].name().as_bytes();
            let subcommands = count_subcommands(at);
            assert!(subcommands <= u8::MAX as usize);
            if let Some(name) = Name::pack(name) {
                let mut slot = name.hash() % SLOTS;
                while !table.slots[slot].name.is_vacant() {
                    slot = (slot + 1) % SLOTS;
                }
                table.slots[slot] = Slot { name, subcommands: subcommands as u8, command: at as u16 };
            } else {
                assert!(subcommands == 0, "a container's name is too long for the index");
                table.long[long] = at as u16;
                long += 1;
            }
            at += 1 + subcommands;
        }
        table
    }
}

impl Slot {
    #[cold]
    fn subcommand(&self, name: Option<&[u8]>) -> CommandId {
        let container = usize::from(self.command);
        let Some(name) = name else {
            return CommandId(self.command);
        };
        let Some(prefix) = COMMANDS.get(container).map(|command| command.name().len() + 1) else {
            return CommandId::UNKNOWN;
        };
        (self.command + 1..=self.command + u16::from(self.subcommands))
            .map(CommandId)
            .find(|id| {
                let full = id.get().map(|command| command.name().as_bytes());
                full.and_then(|full| full.get(prefix..)).is_some_and(|known| known.eq_ignore_ascii_case(name))
            })
            .unwrap_or(CommandId(self.command))
    }
}

// === Building ===

/// How many rows after this one are its subcommands.
const fn count_subcommands(container: usize) -> usize {
    let name = COMMANDS[container].name().as_bytes();
    let mut count = 0;
    while container + count + 1 < COMMANDS.len() {
        let next = COMMANDS[container + count + 1].name().as_bytes();
        if next.len() <= name.len() || next[name.len()] != b'|' || !starts_with(next, name) {
            break;
        }
        count += 1;
    }
    count
}

const fn count_long() -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < COMMANDS.len() {
        if Name::pack(COMMANDS[at].name().as_bytes()).is_none() {
            count += 1;
        }
        at += 1 + count_subcommands(at);
    }
    count
}

const fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    let mut at = 0;
    while at < prefix.len() {
        if name[at] != prefix[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests;
