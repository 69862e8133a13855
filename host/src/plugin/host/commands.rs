//! `commands`: the host's command table.

use sluice_commands::table;
use wasmtime::component::HasSelf;

use super::Capability;
use super::interfaces::commands;
use crate::plugin::versions::V0_1;

pub(super) const CAPABILITY: Capability = Capability {
    interface: "commands",
    grant: None,
    functions: &[("table", V0_1)],
    link: |instance| {
        commands::add_to_linker_instance::<_, HasSelf<Commands>>(instance, |data| &mut data.capabilities.commands)
    },
};

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
