//! The world of a project: which interfaces of the contract it imports and exports.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use wit_parser::{PackageId, Resolve, SourceMap, WorldId, WorldItem};

use crate::files;
use crate::project::Project;

/// The author's own file.
const WORLD: &str = "world.wit";

/// The name of the world in it.
pub(crate) const NAME: &str = "transform";

/// Where tools look for the contract, relative to the world.
pub(crate) const CONTRACT: &str = "deps/sluice-transform";

/// The contract, as this crate carries it.
pub(crate) fn contract(resolve: &mut Resolve) -> Result<PackageId> {
    let mut sources = SourceMap::default();
    for file in files::CONTRACT {
        sources.push(Path::new(file.path), file.text);
    }
    let group = sources.parse().map_err(|(_, error)| anyhow!("{error}"))?;
    Ok(resolve.push_group(group)?)
}

/// Puts the world and the contract into one directory, laid out as the tools of all languages
/// expect it, and gives that directory.
pub(crate) fn assemble(project: &Project) -> Result<PathBuf> {
    let wit = project.derived()?.join("wit");
    if wit.exists() {
        fs::remove_dir_all(&wit).with_context(|| format!("cannot replace {}", wit.display()))?;
    }
    let contract = wit.join(CONTRACT);
    fs::create_dir_all(&contract).with_context(|| format!("cannot create {}", contract.display()))?;
    let world = project.directory.join(WORLD);
    copy(&world, &wit.join(WORLD))?;
    let ours = project.support()?.join("wit");
    let entries = fs::read_dir(&ours).with_context(|| format!("cannot read the contract in {}", ours.display()))?;
    for entry in entries {
        let entry = entry?;
        copy(&entry.path(), &contract.join(entry.file_name()))?;
    }
    Ok(wit)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// The interfaces of a world.
pub(crate) struct Interfaces {
    /// The full names of those that it imports, such as `sluice:transform/log@0.2.0`.
    pub(crate) imports: Vec<String>,
    /// Those that it exports: their names, such as `requests-rows`, and those of their functions.
    pub(crate) exports: Vec<(String, Vec<String>)>,
}

/// The world in an assembled directory, with the contract.
///
/// # Errors
///
/// It is not WIT, names what the contract does not have, or is not called as it should be; says
/// where.
pub(crate) fn resolve(wit: &Path) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = match resolve.push_dir(wit) {
        Ok(pushed) => pushed,
        // With the line.
        Err(error) => bail!("the world is wrong: {}", resolve.render_error(&error)),
    };
    let world = resolve
        .select_world(&[package], Some(NAME))
        .with_context(|| format!("{WORLD} must hold the world `{NAME}`"))?;
    Ok((resolve, world))
}

/// What the world in an assembled directory imports and exports.
///
/// # Errors
///
/// See [`resolve`].
pub(crate) fn interfaces(wit: &Path) -> Result<Interfaces> {
    let (resolve, world) = resolve(wit)?;
    let world = &resolve.worlds[world];
    let interface = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    };
    let imports = world.imports.values().filter_map(interface).filter_map(|id| resolve.id_of(id)).collect();
    let exports = world.exports.values().filter_map(interface).filter_map(|id| {
        let interface = &resolve.interfaces[id];
        Some((interface.name.clone()?, interface.functions.keys().cloned().collect()))
    });
    Ok(Interfaces { imports, exports: exports.collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn directory(world: &str) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(WORLD), format!("package plugin:x;\n{world}")).unwrap();
        let contract: Vec<_> = files::CONTRACT
            .iter()
            .map(|file| files::File { path: file.path.strip_prefix("wit/").unwrap(), ..*file })
            .collect();
        files::write(&place.path().join(CONTRACT), &contract, str::to_owned).unwrap();
        place
    }

    #[test]
    fn a_world_says_what_it_imports_and_exports() {
        let place = directory(
            "world transform { import sluice:transform/log@0.2.0; export sluice:transform/lifecycle@0.2.0; }",
        );
        let world = interfaces(place.path()).unwrap();
        assert_eq!(world.imports, ["sluice:transform/log@0.2.0"]);
        assert_eq!(world.exports, [("lifecycle".to_owned(), vec!["describe".to_owned(), "configure".to_owned()])]);
    }

    #[test]
    fn what_is_wrong_with_a_world_is_said() {
        let cases = [
            ("world other {}", "must hold the world `transform`"),
            ("world transform { import sluice:transform/clocks@0.2.0; }", "clocks"),
            ("world transform {", "world.wit"),
        ];
        for (world, expected) in cases {
            let place = directory(world);
            let error = format!("{:#}", interfaces(place.path()).err().unwrap());
            assert!(error.contains(expected), "{error}");
        }
    }
}
