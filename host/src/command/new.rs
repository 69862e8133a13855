//! `sluice plugin new`.

use std::io::Write;
use std::path::Path;

use sluice_projects::Language;

/// Makes a project, and says what to do with it.
pub(crate) fn new(directory: &Path, language: Language) -> anyhow::Result<()> {
    let project = sluice_projects::new(directory, language)?;
    let component = project.component.file_name().unwrap_or_default().display();
    writeln!(
        std::io::stdout(),
        "made {directory}; README.md there says more:\n\n  \
         cd {directory}\n  \
         sluice plugin build\n  \
         sluice plugin test {component} cases.yaml\n  \
         sluice run --watch topology.yaml",
        directory = directory.display(),
    )?;
    Ok(())
}
