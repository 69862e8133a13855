//! From a core module to a component.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::wasi_adapter::{self, Start};
use crate::world;

/// The component of a core module with an embedded interface, validated.
///
/// # Errors
///
/// The module does not export what its interface says, imports what it does not say, or has none.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("the module cannot be made a component")
}

/// What an author is to write for an interface that the world exports and the module does not.
pub(crate) type Remedy = (&'static str, &'static str);

/// The component of a core module in the world of the directory `wit`. What it imports of WASI is
/// answered by [`wasi_adapter`], as the language's runtime `start`s.
///
/// # Errors
///
/// The world is wrong, or the module does not fit it: says what to write where, with the help of
/// `remedies`, which name the interfaces.
pub(crate) fn encode_in_world(module: &[u8], wit: &Path, start: Start, remedies: &[Remedy]) -> Result<Vec<u8>> {
    let (resolve, world) = world::resolve(wit)?;
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(wasi_adapter::NAME, &wasi_adapter::module(&wit.join(world::CONTRACT), start)?)
        })
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| explain(error, remedies))
}

/// Says what to do about a module that does not fit its world. An error that is none of these is
/// left as it is.
fn explain(error: anyhow::Error, remedies: &[Remedy]) -> anyhow::Error {
    let cause = error.root_cause().to_string();
    if let Some(interface) = between(&cause, "failed to find export of interface `", "`") {
        let remedy = remedies.iter().find(|(name, _)| short(interface) == *name).map_or("", |(_, remedy)| remedy);
        return anyhow!(
            "world.wit exports {interface}, and the transform does not have it: {remedy}\n\
             (or take `export {interface};` out of world.wit)"
        );
    }
    if let Some(interface) = between(&cause, "requires an import interface named `", "`") {
        return anyhow!(
            "the transform uses {interface}, and world.wit does not import it: add `import {interface};` there"
        );
    }
    error.context("the module cannot be made a component")
}

/// `log` of `sluice:transform/log@0.2.0`.
fn short(interface: &str) -> &str {
    let name = interface.rsplit_once('/').map_or(interface, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::files::{self, CONTRACT};

    const LIFECYCLE: &str = r#"
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "sluice:transform/lifecycle@0.2.0#describe") (result i32) unreachable)
        (func (export "sluice:transform/lifecycle@0.2.0#configure") (param i32 i32) (result i32) unreachable)"#;

    /// Encodes a module that has the lifecycle, in a world that exports it and what `world` says.
    fn encode(world: &str, module: &str) -> Result<Vec<u8>> {
        let place = tempfile::tempdir().unwrap();
        let contract = place.path().join(world::CONTRACT);
        for file in CONTRACT {
            let name = Path::new(file.path).file_name().unwrap().to_str().unwrap();
            files::write(&contract, &[files::File { path: name.to_owned().leak(), text: file.text }], str::to_owned)
                .unwrap();
        }
        let world =
            format!("package plugin:x;\nworld transform {{ export sluice:transform/lifecycle@0.2.0; {world} }}");
        fs::write(place.path().join("world.wit"), world).unwrap();
        let module = wat::parse_str(format!("(module {module} {LIFECYCLE})")).unwrap();
        encode_in_world(&module, place.path(), Start::Bare, &[("requests-rows", "write it")])
    }

    #[test]
    fn a_missing_export_says_what_to_write() {
        let error = encode("export sluice:transform/requests-rows@0.2.0;", "").unwrap_err().to_string();
        assert_eq!(
            error,
            "world.wit exports sluice:transform/requests-rows@0.2.0, and the transform does not have it: write it\n\
             (or take `export sluice:transform/requests-rows@0.2.0;` out of world.wit)"
        );
    }

    #[test]
    fn an_import_that_the_world_lacks_is_named() {
        let module = r#"(import "sluice:transform/clock@0.2.0" "unix-ms" (func (result i64)))"#;
        let error = encode("", module).unwrap_err().to_string();
        assert!(error.ends_with("add `import sluice:transform/clock@0.2.0;` there"), "{error}");
        encode("import sluice:transform/clock@0.2.0;", module).unwrap();
    }

    #[test]
    fn what_a_module_imports_of_wasi_is_no_import_of_the_component() {
        let names = |component: &[u8]| match wit_component::decode(component).unwrap() {
            wit_component::DecodedWasm::Component(resolve, world) => {
                let names: Vec<_> =
                    resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
                names.join(" ")
            }
            wit_component::DecodedWasm::WitPackage(..) => unreachable!(),
        };
        assert_eq!(names(&encode("", "").unwrap()), "");
        let wasi = r#"(import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))"#;
        assert_eq!(names(&encode("", wasi).unwrap()), "");
        let wasi = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
        assert_eq!(names(&encode("", wasi).unwrap()), "sluice:transform/log@0.2.0");
    }
}
