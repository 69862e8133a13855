//! JavaScript: `componentize-js`, which puts an engine and the modules into the component.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::output::write_if_changed;
use crate::project::Project;
use crate::tools::Tools;
use crate::world::Interfaces;
use crate::{process, world};

const COMPONENTIZE: (&str, &str) = ("@bytecodealliance/componentize-js", "0.23.0");

/// The oldest Node that runs it.
const OLDEST: (u32, u32) = (20, 19);

/// Runs it: packages, module, WIT, world, output.
const DRIVER: &str = include_str!("javascript/componentize.mjs");

/// The module that the component is made of, between what it imports and what it exports: one
/// around the transform's.
const MODULE: &str = include_str!("javascript/component.js");

/// What the transform's file is called in it.
const PLACEHOLDER: &str = "TRANSFORM";

/// The interface that its log goes to, if the world imports it.
const LOG: &str = "sluice:transform/log@";

/// Makes the component of a project.
pub(crate) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>> {
    check_version()?;
    let wit = world::assemble(project)?;
    let interfaces = world::interfaces(&wit)?;
    let (name, version) = COMPONENTIZE;
    let packages = tools.npm_package(name, version)?;
    let derived = project.derived()?;
    let [driver, module, draft] = ["componentize.mjs", "component.js", "component.wasm"].map(|name| derived.join(name));
    write_if_changed(&driver, DRIVER.as_bytes())?;
    write_if_changed(&module, text(&interfaces, source(project)?).as_bytes())?;
    let mut node = Command::new("node");
    // Modules are looked for below the working directory.
    node.current_dir(&project.directory).arg(project.near(&driver)).arg(&packages);
    node.arg(project.near(&module)).arg(project.near(&wit)).arg(world::NAME).arg(project.near(&draft));
    process::show_and_run(&mut node)?;
    fs::read(&draft).with_context(|| format!("cannot read {}", draft.display()))
}

fn check_version() -> Result<()> {
    let (major, minor) = OLDEST;
    let expected = format!("install Node {major}.{minor} or later, https://nodejs.org");
    ensure!(process::is_there("node"), "there is no Node: {expected}");
    let version = process::output(Command::new("node").arg("--version"))?;
    let version = version.trim();
    ensure!(parse_version(version) >= Some(OLDEST), "Node {version} is too old: {expected}");
    Ok(())
}

/// Major and minor number of a version such as `v20.19.1`.
fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The source as modules in the project refer to it.
fn source(project: &Project) -> Result<&str> {
    let relative = project.source.strip_prefix(&project.directory).ok().and_then(Path::to_str);
    relative.with_context(|| {
        format!("source: found {}, expected a file below {}", project.source.display(), project.directory.display())
    })
}

/// The module that the component is made of.
fn text(Interfaces { imports, exports }: &Interfaces, source: &str) -> String {
    let log = match imports.iter().find(|import| import.starts_with(LOG)) {
        Some(log) => format!("import {{ write }} from '{log}';\n"),
        None => "const write = undefined;\n".to_owned(),
    };
    let exports = exports.iter().map(|(interface, functions)| {
        let name = camel(interface);
        let functions: Vec<_> = functions.iter().map(|function| format!("'{}'", camel(function))).collect();
        format!("export const {name} = logged('{name}', [{}]);\n", functions.join(", "))
    });
    format!("{log}{}\n{}", MODULE.replace(PLACEHOLDER, source), exports.collect::<String>())
}

/// `requestsRows` for `requests-rows`.
fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_ascii_uppercase() + rest
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse_version("v20.9.0"), Some((20, 9)));
        assert!(parse_version("v20.9.0") < Some(OLDEST) && parse_version("v22.2.0") > Some(OLDEST));
        assert!(parse_version("nonsense") < Some(OLDEST));
    }

    #[test]
    fn the_module_exports_what_the_world_does_and_logs_if_it_can() {
        let mut interfaces = Interfaces {
            imports: vec!["sluice:transform/log@0.2.0".to_owned()],
            exports: vec![("requests-rows".to_owned(), vec!["handle".to_owned()])],
        };
        let with_log = text(&interfaces, "src/mine.js");
        assert!(with_log.contains("import { write } from 'sluice:transform/log@0.2.0';"), "{with_log}");
        assert!(with_log.contains("import * as transform from '../src/mine.js';"), "{with_log}");
        assert!(with_log.ends_with("export const requestsRows = logged('requestsRows', ['handle']);\n"), "{with_log}");
        interfaces.imports.clear();
        let without_log = text(&interfaces, "mine.js");
        assert!(without_log.starts_with("const write = undefined;"), "{without_log}");
    }
}
