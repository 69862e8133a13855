//! The transforms in all languages, built as their authors would build them.

use std::fs;

use anyhow::{Context, Result};
use sluice_projects::{Project, Tools, write_if_changed};

use crate::components;
use crate::workspace::Workspace;

/// Where the projects are: a directory for each language.
const PROJECTS: &str = "examples/transforms";

/// Build every project where it is, keep its component as `<component>_<language>.wasm` among the others too, and give the tools.
pub(crate) fn build(workspace: &Workspace) -> Result<Tools> {
    let tools = Tools::at(workspace.target.join("tools"), Some(components::target(workspace)));
    let projects = workspace.root.join(PROJECTS);
    let entries = fs::read_dir(&projects).with_context(|| format!("cannot read {}", projects.display()))?;
    let mut directories: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    directories.retain(|path| path.is_dir());
    directories.sort();
    for directory in directories {
        let project = Project::open(&directory)?;
        // The contract may have changed since the last time.
        project.renew_support()?;
        let component = sluice_projects::build(&project, &tools).with_context(|| directory.display().to_string())?;
        write_if_changed(&project.component, &component)?;
        let name = project.component.file_stem().unwrap_or_default().display();
        let path = workspace.components().join(format!("{name}_{}.wasm", project.language.name()));
        if write_if_changed(&path, &component)? {
            eprintln!("xtask: {} ({} kB)", path.display(), component.len().div_ceil(1000));
        }
    }
    Ok(tools)
}
