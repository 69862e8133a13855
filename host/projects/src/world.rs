//! The world of a project: which interfaces of the contract it imports and exports.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::project::Project;

/// The author's own file.
const WORLD: &str = "world.wit";

/// The name of the world in it.
pub(crate) const NAME: &str = "transform";

/// Where tools look for the contract, relative to the world.
pub(crate) const CONTRACT: &str = "deps/sluice-transform";

/// Put the world and the contract into one directory, laid out as the tools of all languages expect it, and give that directory.
pub(crate) fn assemble(project: &Project) -> Result<PathBuf> {
    let wit = project.derived()?.join("wit");
    if wit.exists() {
        fs::remove_dir_all(&wit).with_context(|| format!("cannot replace {}", wit.display()))?;
    }
    let contract = wit.join(CONTRACT);
    fs::create_dir_all(&contract).with_context(|| format!("cannot create {}", contract.display()))?;
    let world = project.directory.join(WORLD);
    copy(&world, &wit.join(WORLD))?;
    let ours = project.support()?.join("wit");
    let entries = fs::read_dir(&ours).with_context(|| format!("cannot read the contract in {}", ours.display()))?;
    for entry in entries {
        let entry = entry?;
        copy(&entry.path(), &contract.join(entry.file_name()))?;
    }
    Ok(wit)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
