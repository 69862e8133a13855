//! Embeds what a project is made of: the templates, the contract, and what comes with each language, as tables of paths and texts.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The tables: their name, and the directories that they hold, each with the place that its files have in a project.
const TABLES: &[(&str, &[(&str, &str)])] = &[
    ("CONTRACT", &[("../../wit", "wit")]),
    ("COMMON", &[("templates/common", "")]),
    ("WORLD", &[("templates/world", "")]),
    ("RUST", &[("templates/rust", "")]),
    ("C", &[("templates/c", "")]),
    ("GO", &[("templates/go", "")]),
    ("JAVASCRIPT", &[("templates/javascript", "")]),
    ("PYTHON", &[("templates/python", "")]),
    ("C_SUPPORT", &[("support/c", "")]),
    ("GO_SUPPORT", &[("support/go", "")]),
    ("JAVASCRIPT_SUPPORT", &[("support/javascript", "")]),
    ("PYTHON_SUPPORT", &[("support/python", "")]),
];

/// The crates that a Rust project needs, and where they are in its `sluice/`.
const CRATES: [(&str, &str); 2] = [("../../plugin-sdk", "plugin-sdk"), ("../commands", "commands")];

/// The parts of a manifest that inherit from the workspace.
const DEPENDENCIES: [&str; 2] = ["dependencies", "dev-dependencies"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut code = String::new();
    for (name, directories) in TABLES {
        let mut files = Vec::new();
        for (directory, place) in *directories {
            collect(Path::new(directory), Path::new(place), &mut files)?;
        }
        table(&mut code, name, &files)?;
    }

    let mut files = Vec::new();
    for (directory, place) in CRATES {
        let directory = Path::new(directory);
        files.push((Path::new(place).join("Cargo.toml"), directory.join("Cargo.toml").canonicalize()?));
        println!("cargo::rerun-if-changed={}", directory.join("Cargo.toml").display());
        collect(&directory.join("src"), &Path::new(place).join("src"), &mut files)?;
    }
    let manifest = PathBuf::from(env::var("OUT_DIR")?).join("rust-support.toml");
    fs::write(&manifest, workspace_manifest()?)?;
    files.push(("Cargo.toml".into(), manifest));
    table(&mut code, "RUST_SUPPORT", &files)?;

    fs::write(Path::new(&env::var("OUT_DIR")?).join("files.rs"), code)?;
    Ok(())
}

/// All files below a directory, in order.
fn collect(directory: &Path, place: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut entries = fs::read_dir(directory)?.collect::<std::result::Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let place = place.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &place, files)?;
        } else {
            files.push((place, entry.path().canonicalize()?));
        }
    }
    Ok(())
}

fn table(code: &mut String, name: &str, files: &[(PathBuf, PathBuf)]) -> Result<()> {
    writeln!(code, "pub(crate) const {name}: &[File] = &[")?;
    for (place, file) in files {
        writeln!(code, "    File {{ path: {place:?}, text: include_str!({file:?}) }},")?;
    }
    writeln!(code, "];")?;
    Ok(())
}

/// The manifest of the workspace that the crates inherit from: ours, as far as they need it.
fn workspace_manifest() -> Result<String> {
    println!("cargo::rerun-if-changed=../../Cargo.toml");
    let ours: Table = fs::read_to_string("../../Cargo.toml")?.parse()?;
    let ours = ours.get("workspace").and_then(Value::as_table).ok_or("the root manifest has no workspace")?;
    let theirs = ours.get("dependencies").and_then(Value::as_table).ok_or("the workspace has no dependencies")?;
    let mut dependencies = Table::new();
    for (directory, _) in CRATES {
        let manifest: Table = fs::read_to_string(Path::new(directory).join("Cargo.toml"))?.parse()?;
        let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let tables = targets.filter_map(Value::as_table).chain([&manifest]);
        let named = tables.flat_map(|table| DEPENDENCIES.iter().filter_map(|kind| table.get(*kind)?.as_table()));
        for name in named.flat_map(Table::keys) {
            let mut dependency = theirs.get(name).ok_or_else(|| format!("the workspace has no {name}"))?.clone();
            let place = CRATES.iter().find(|(_, place)| name.ends_with(place)).map(|(_, place)| (*place).into());
            if let (Some(place), Some(Value::String(path))) =
                (place, dependency.as_table_mut().and_then(|table| table.get_mut("path")))
            {
                *path = place;
            }
            dependencies.insert(name.clone(), dependency);
        }
    }
    let mut workspace = Table::new();
    workspace.insert("resolver".into(), "3".into());
    workspace.insert("members".into(), CRATES.map(|(_, place)| place).to_vec().into());
    for part in ["package", "lints"] {
        workspace.insert(part.into(), ours.get(part).ok_or("the workspace lacks a part")?.clone());
    }
    workspace.insert("dependencies".into(), dependencies.into());
    Ok(toml::to_string(&Table::from_iter([("workspace".to_owned(), Value::Table(workspace))]))?)
}
