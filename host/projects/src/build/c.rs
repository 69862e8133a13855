//! C: bindings from the contract, a compiler from the registries, and no library of a system.

use anyhow::{Result, bail};

use crate::project::Project;
use crate::tools::Tools;
use crate::world;

/// Make the component of a project.
pub(crate) fn build(project: &Project, _tools: &Tools) -> Result<Vec<u8>> {
    let wit = world::assemble(project)?;
    bail!("there are no bindings for {} yet", wit.display())
}
