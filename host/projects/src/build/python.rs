//! Python: `componentize-py`, which puts an interpreter and the modules into the component.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::output::write_if_changed;
use crate::project::Project;
use crate::tools::Tools;
use crate::{process, world};

const COMPONENTIZE: (&str, &str) = ("componentize-py", "0.25.1");

/// The oldest Python that runs it.
const OLDEST: (u32, u32) = (3, 10);

/// Runs it.
const DRIVER: &str = include_str!("python/componentize.py");

/// The module that the component is made of: one around the transform's.
const MODULE: &str = include_str!("python/component.py");

/// What the transform's module is called in it.
const PLACEHOLDER: &str = "TRANSFORM";

/// Names of modules that are not for transforms: the one above, and the bindings.
const TAKEN: [&str; 2] = ["component", "wit_world"];

/// Makes the component of a project.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    check_version()?;
    let wit = world::assemble(project)?;
    // componentize-py would say less of what is wrong with it.
    world::interfaces(&wit)?;
    let (name, version) = COMPONENTIZE;
    let packages = tools.python_package(name, version)?;
    let module = module(project)?;
    let derived = project.derived()?;
    let draft = derived.join("component.wasm");
    write_if_changed(&derived.join("componentize.py"), DRIVER.as_bytes())?;
    write_if_changed(&derived.join("component.py"), MODULE.replace(PLACEHOLDER, module).as_bytes())?;
    let mut python = process::python()?;
    // Frames of the tool itself would bury what it says of the transform.
    python.env("PYTHONPATH", &packages).env("RUST_BACKTRACE", "0").current_dir(&project.directory);
    python.arg(project.near(&derived.join("componentize.py"))).arg("--quiet");
    python.arg("--wit-path").arg(project.near(&wit)).args(["--world", world::NAME]);
    python.args(["componentize", "--stub-wasi", "--python-path", ".", "--python-path"]).arg(project.near(&derived));
    if let Some(beside) = project.source.parent().filter(|parent| *parent != project.directory) {
        python.arg("--python-path").arg(project.near(beside));
    }
    process::show_and_run(python.arg("--output").arg(project.near(&draft)).arg("component"))?;
    fs::read(&draft).with_context(|| format!("cannot read {}", draft.display()))
}

fn check_version() -> Result<()> {
    let version = process::output(process::python()?.args(["-c", "import sys; print(*sys.version_info[:2])"]))?;
    let parts: Option<Vec<u32>> = version.split_whitespace().map(|part| part.parse().ok()).collect();
    let found = match parts.as_deref() {
        Some(&[major, minor]) => (major, minor),
        _ => (0, 0),
    };
    let (major, minor) = OLDEST;
    ensure!(found >= OLDEST, "Python {}.{} is too old: expected Python {major}.{minor} or later", found.0, found.1);
    Ok(())
}

/// What the source is called where it is imported.
fn module(project: &Project) -> Result<&str> {
    let source = &project.source;
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_taken = |name: &&str| TAKEN.contains(name);
    let name = source.file_stem().and_then(|name| name.to_str()).filter(is_name).filter(|name| !is_taken(name));
    name.filter(|_| source.extension().is_some_and(|extension| extension == "py")).with_context(|| {
        format!(
            "{} cannot be imported: expected a name such as transform.py, and neither component.py nor wit_world.py",
            source.display()
        )
    })
}
