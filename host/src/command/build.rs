//! `sluice plugin build`.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::anyhow;
use sluice_projects::{Project, Tools};

use super::cache::CacheChoice;
use super::component::with_everything_granted;

/// Builds a project's component, and loads it as the proxy would: what the contract asks for is missed here, not at the first start.
pub(crate) fn build(directory: &Path, cache: &CacheChoice) -> anyhow::Result<()> {
    let begun = Instant::now();
    let project = Project::open(directory)?;
    let size = sluice_projects::build(&project, &Tools::of_the_user()?)?.len();
    let file = project.component.display().to_string();
    let plugin =
        cache.runtime()?.load(&with_everything_granted(&file)).map_err(|error| anyhow!("{file}: {}", error.problem))?;
    let description =
        plugin.describe().map_err(|fault| anyhow!("{file}: the component {fault}, while it described itself"))?;
    writeln!(
        std::io::stdout(),
        "built {} in {:.1} s: {} {}, {} kB",
        project.component.file_name().unwrap_or_default().display(),
        begun.elapsed().as_secs_f64(),
        description.name,
        description.version,
        size.div_ceil(1000)
    )?;
    Ok(())
}
