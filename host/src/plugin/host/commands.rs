//! `commands`: the host's command table.

use sluice_commands::table;
use wasmtime::component::{HasSelf, LinkerInstance};

use super::bindings::interfaces::commands;
use super::interface::Interface;
use crate::plugin::versions::V0_1;

pub(super) const INTERFACE: Interface = Interface { name: "commands", grant: None, functions: &[("table", V0_1)] };

/// Links the functions, given where the data of an instance has what they work on.
pub(super) fn link<T: 'static>(
    to: &mut LinkerInstance<'_, T>,
    of: fn(&mut T) -> &mut Commands,
) -> wasmtime::Result<()> {
    commands::add_to_linker_instance::<_, HasSelf<Commands>>(to, of)
}

pub(super) struct Commands;

impl commands::Host for Commands {
    fn table(&mut self) -> Vec<commands::Command> {
        table()
            .commands()
            .iter()
            .map(|command| commands::Command {
                name: command.name().to_owned(),
                categories: command.categories().map(str::to_owned).collect(),
                keyed: command.is_keyed(),
            })
            .collect()
    }
}
