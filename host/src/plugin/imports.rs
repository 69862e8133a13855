//! What a component imports: whether its declaration allows that, and whether the host has it.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::contract_error::{ContractError, Needs, UnknownImport};
use super::grants::Grants;
use super::host::{self, Interface};
use super::names::Names;
use super::spec::Wasi;
use super::versions::{self, ContractVersion, PACKAGE};

/// Checks what a component imports, by name, against what its declaration allows.
pub(super) fn check_grants(names: &Names, grants: Grants, wasi: Wasi) -> Result<(), ContractError> {
    let needed = |name: &String| {
        let grant = versions::split(name).and_then(|(interface, _)| host::find(interface)?.grant)?;
        (!grants.contains(grant)).then(|| (name.clone(), grant))
    };
    let not_granted: Vec<_> = names.imports.iter().filter_map(needed).collect();
    let refused = |name: &&String| wasi == Wasi::None && name.starts_with("wasi:");
    let wasi: Vec<_> = names.imports.iter().filter(refused).cloned().collect();
    if not_granted.is_empty() && wasi.is_empty() {
        return Ok(());
    }
    Err(ContractError::Needs(Needs { granted: grants, not_granted, wasi }))
}

/// Checks that the host has what a component imports. WASI is not looked at: it has been, by name.
pub(super) fn check(component: &Component, engine: &Engine) -> Result<(), ContractError> {
    let ty = component.component_type();
    let mut unknown = Vec::new();
    for (name, import) in ty.imports(engine).filter(|(name, _)| !name.starts_with("wasi:")) {
        match versions::split(name).and_then(|(interface, _)| host::find(interface)) {
            Some(interface) => check_functions(name, &import.ty, interface, engine)?,
            None if is_only_types(&import.ty, engine) => {}
            None => unknown.push(unknown_import(name)),
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(ContractError::UnknownImports(unknown)) }
}

/// Checks that an interface that is imported has no more functions than it has in that version of
/// the contract.
fn check_functions(
    name: &str,
    import: &ComponentItem,
    interface: &Interface,
    engine: &Engine,
) -> Result<(), ContractError> {
    let ComponentItem::ComponentInstance(instance) = import else {
        return Ok(());
    };
    let version: Option<ContractVersion> = versions::split(name).and_then(|(_, version)| version.parse().ok());
    for (function, _) in instance.exports(engine).filter(|(_, export)| !matches!(export.ty, ComponentItem::Type(_))) {
        let hint = match interface.functions.iter().find(|(known, _)| *known == function) {
            Some((_, since)) if version.is_some_and(|version| version >= *since) => continue,
            Some((_, since)) => format!("it came with {since}. Rebuild it against {since} or a later version"),
            None => {
                let known = || interface.functions.iter().map(|(known, _)| *known);
                let nearest = nearest(function, known()).map(|nearest| format!("did you mean `{nearest}`?"));
                let all = || format!("expected one of {}", known().collect::<Vec<_>>().join(", "));
                nearest.unwrap_or_else(all)
            }
        };
        return Err(ContractError::UnknownFunction { import: name.to_owned(), function: function.to_owned(), hint });
    }
    Ok(())
}

/// What is wrong with the type of a function that a component imports, given the linker's reason.
pub(super) fn other_type(component: &Component, engine: &Engine, error: &wasmtime::Error) -> Option<ContractError> {
    let messages: Vec<String> = error.chain().map(ToString::to_string).collect();
    let (first, reasons) = messages.split_first()?;
    let quoted = |(name, _): &(&str, _)| first.contains(&format!("`{name}`"));
    let ty = component.component_type();
    let (import, _) = ty.imports(engine).find(quoted)?;
    let problem = reasons.join(": ").replace("instance export", "its function");
    Some(ContractError::ImportedFunction { import: import.to_owned(), problem })
}

fn unknown_import(name: &str) -> UnknownImport {
    let (base, version) = name.split_once('@').unwrap_or((name, ""));
    let known: Vec<String> = host::interfaces().map(|interface| format!("{PACKAGE}{interface}")).collect();
    let nearest = nearest(base, known.iter().map(String::as_str)).map(|nearest| {
        let version = version.parse().ok().filter(|version: &ContractVersion| version.is_run());
        format!("{nearest}@{}", version.unwrap_or(ContractVersion::SPOKEN))
    });
    UnknownImport { name: name.to_owned(), nearest, offered: host::interfaces().collect() }
}

/// The one of these names that is most like another, if it is much like it.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &'a str| (strsim::damerau_levenshtein(known, name), known);
    known.map(distance).min().filter(|(distance, _)| *distance <= 2).map(|(_, known)| known)
}

/// An interface that a component imports for its types alone (as the rows lane does with `replies`)
/// gives it no power.
fn is_only_types(import: &ComponentItem, engine: &Engine) -> bool {
    match import {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        ComponentItem::Type(_) => true,
        _ => false,
    }
}
