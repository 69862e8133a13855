//! From a project to a component: a file for each language.

pub(crate) mod c;
pub(crate) mod go;
pub(crate) mod javascript;
pub(crate) mod python;
pub mod rust;

use anyhow::Result;

use crate::project::Project;
use crate::tools::Tools;

/// Build a project's component with the tools of its language, and give its bytes: whoever asked
/// looks at it before it takes the place of the one that is there. Every command that is run is
/// printed first.
///
/// # Errors
///
/// A tool is missing and cannot be installed, or fails: it has then printed why.
pub fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    let _alone = project.lock()?;
    (project.language.traits().build)(project, tools)
}
