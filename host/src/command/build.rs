//! `sluice plugin build`.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow};
use sluice_projects::{Project, Tools, write_if_changed};

use super::cache::CacheChoice;
use super::component::with_everything_granted;

/// Builds a project's component, and loads it as the proxy would: what the contract asks for is
/// missed here, not at the first start.
pub(crate) fn build(directory: &Path, cache: &CacheChoice) -> anyhow::Result<()> {
    let begun = Instant::now();
    let project = Project::open(directory)?;
    let component = sluice_projects::build(&project, &Tools::of_the_user()?)?;
    // What is not sound does not take the place of what may be running.
    let draft = project.draft()?;
    std::fs::write(&draft, &component).with_context(|| format!("cannot write {}", draft.display()))?;
    let spec = with_everything_granted(&draft.display().to_string());
    let plugin = cache.runtime()?.load(&spec).map_err(|error| anyhow!("{}", error.problem))?;
    let description = plugin.describe().map_err(|fault| anyhow!("the component {fault}, while it described itself"))?;
    write_if_changed(&project.component, &component)?;
    writeln!(
        std::io::stdout(),
        "built {} in {:.1} s: {} {}, {} kB",
        project.component.file_name().unwrap_or_default().display(),
        begun.elapsed().as_secs_f64(),
        description.name,
        description.version,
        component.len().div_ceil(1000)
    )?;
    Ok(())
}
