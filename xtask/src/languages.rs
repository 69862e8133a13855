//! The transforms in all languages, built as their authors would build them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use sluice_projects::{Project, Tools, write_if_changed};

use crate::components;
use crate::workspace::Workspace;

/// Where the projects are: a directory for each language.
const PROJECTS: &str = "examples/transforms";

/// What all of them are made of besides their own files.
const INGREDIENTS: [&str; 4] = ["wit", "plugin-sdk/src", "host/commands/src", "host/projects/src"];

/// Which projects are built.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// Those whose component is missing, or older than what it is made of.
    Stale,
}

/// Build projects where they are, keep each component as `<component>_<language>.wasm` among the others too, and give the tools.
pub(crate) fn build(workspace: &Workspace, which: Which) -> Result<Tools> {
    let tools = Tools::at(workspace.target.join("tools"), Some(components::target(workspace)));
    let projects = workspace.root.join(PROJECTS);
    let mut directories = entries(&projects)?;
    directories.retain(|path| path.is_dir());
    directories.sort();
    for directory in directories {
        let project = Project::open(&directory)?;
        let name = project.component.file_stem().unwrap_or_default().display();
        let path = workspace.components().join(format!("{name}_{}.wasm", project.language.name()));
        if which == Which::Stale && path.exists() && is_fresh(&project, workspace)? {
            continue;
        }
        // The contract may have changed since the last time.
        project.renew_support()?;
        let component = sluice_projects::build(&project, &tools).with_context(|| directory.display().to_string())?;
        write_if_changed(&project.component, &component)?;
        // One that came out the same is as new as its sources.
        File::options().append(true).open(&project.component)?.set_modified(SystemTime::now())?;
        if write_if_changed(&path, &component)? {
            eprintln!("xtask: {} ({} kB)", path.display(), component.len().div_ceil(1000));
        }
    }
    Ok(tools)
}

/// Whether nothing that the component of this project is made of is newer than the component.
fn is_fresh(project: &Project, workspace: &Workspace) -> Result<bool> {
    let Ok(component) = fs::metadata(&project.component) else { return Ok(false) };
    let built = component.modified()?;
    // Directories inside of the project are the tools' own, but for that of its source.
    let own = entries(&project.directory)?.into_iter().filter(|path| !path.is_dir()).chain([project.source.clone()]);
    let mut left: Vec<_> = own.chain(INGREDIENTS.map(|directory| workspace.root.join(directory))).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(entries(&path)?);
        } else if fs::metadata(&path)?.modified()? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
