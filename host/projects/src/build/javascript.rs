//! JavaScript: `componentize-js`, which puts an engine and the sources into the component.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::tools::Tools;
use crate::{process, world};

const COMPONENTIZE: (&str, &str) = ("@bytecodealliance/componentize-js", "0.23.0");

/// Calls the library: source, WIT, world, output.
const SCRIPT: &str = r"
const [source, wit, world, output] = process.argv.slice(2);
const { componentize } = await import('@bytecodealliance/componentize-js');
const { component } = await componentize({
  sourcePath: source, witPath: wit, worldName: world,
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
const { writeFile } = await import('node:fs/promises');
await writeFile(output, component);
";

/// Make the component of a project.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    ensure!(
        process::is_there("node"),
        "there is no Node: install Node 20 or later (Debian: apt-get install nodejs npm)"
    );
    let wit = world::assemble(project)?;
    let (name, version) = COMPONENTIZE;
    let packages = tools.npm_package(name, version)?;
    let draft = project.derived()?.join("component.wasm");
    // Beside the packages, where its imports are looked for.
    let script = packages.join("componentize.mjs");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    let mut node = Command::new("node");
    node.current_dir(&project.directory).arg(&script).arg(&project.source).arg(&wit).arg(world::NAME).arg(&draft);
    process::show_and_run(&mut node)?;
    fs::read(&draft).with_context(|| format!("cannot read {}", draft.display()))
}
