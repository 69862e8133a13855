//! Python: `componentize-py`, which puts an interpreter and the sources into the component.

use std::fs;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::tools::Tools;
use crate::{process, world};

const COMPONENTIZE: (&str, &str) = ("componentize-py", "0.25.1");

/// Make the component of a project.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    let wit = world::assemble(project)?;
    let (name, version) = COMPONENTIZE;
    let packages = tools.python_package(name, version)?;
    let module = project.source.file_stem().context("the source has no name")?;
    let draft = project.derived()?.join("component.wasm");
    let mut python = process::python()?;
    python.env("PYTHONPATH", &packages).current_dir(&project.directory);
    python.args(["-m", "componentize_py", "--wit-path"]).arg(&wit).args(["--world", world::NAME, "componentize"]);
    python.arg("--stub-wasi").arg("--python-path").arg(&project.directory);
    python.arg("--python-path").arg(project.support()?).arg("--output").arg(&draft).arg(module);
    process::show_and_run(&mut python)?;
    fs::read(&draft).with_context(|| format!("cannot read {}", draft.display()))
}
