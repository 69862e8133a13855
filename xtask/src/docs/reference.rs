//! The reference of the contract: `docs/contract.md`, from the interfaces in `wit/` and what is written in them.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use wit_parser::{Docs, Interface, Resolve, Stability, TypeDef, TypeDefKind, World, WorldItem, WorldKey};

use super::types;

/// The interfaces in the order in which one would read them; others follow in the order of their files.
const ORDER: [&str; 6] =
    ["lifecycle", "requests-rows", "responses-rows", "replies", "requests-columns", "responses-columns"];

/// The world whose imports are what the host offers.
const HOST: &str = "host";

/// The page.
pub(super) fn page(wit: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (id, _) = resolve.push_dir(wit).with_context(|| format!("cannot read {}", wit.display()))?;
    let package = resolve.packages.get(id).context("a package that was read is there")?;
    let offered = package.worlds.get(HOST).and_then(|world| resolve.worlds.get(*world));
    let offered = offered.with_context(|| format!("there is no world `{HOST}`"))?;
    let of_host = |interface: &&Interface| is_imported(offered, &resolve, interface);
    let mut interfaces: Vec<&Interface> =
        package.interfaces.values().filter_map(|interface| resolve.interfaces.get(*interface)).collect();
    interfaces
        .sort_by_key(|interface| ORDER.iter().position(|name| Some(*name) == named(interface)).unwrap_or(ORDER.len()));
    let (capabilities, exports): (Vec<_>, Vec<_>) = interfaces.into_iter().partition(of_host);

    let mut page = String::new();
    writeln!(page, "<!-- Written by `cargo xtask docs` from what stands in wit/: change it there. -->\n")?;
    writeln!(page, "# The contract, `{}`\n", package.name)?;
    docs(&mut page, &package.docs)?;
    for (title, group) in [("What a transform exports", &exports), ("What the host offers", &capabilities)] {
        writeln!(page, "\n**{title}**\n")?;
        for interface in group {
            let name = named(interface).unwrap_or_default();
            writeln!(page, "- [`{name}`](#{name}): {}", first_sentence(&interface.docs))?;
        }
    }
    writeln!(page, "\n**[Worlds](#worlds)**, of which a component's own is made")?;
    writeln!(page, "\n**[Versions](versions.md)**: what may change, and for how long a component runs")?;
    writeln!(page, "\n# What a transform exports")?;
    exports.into_iter().try_for_each(|interface| self::interface(&mut page, &resolve, interface))?;
    writeln!(page, "\n# What the host offers\n")?;
    docs(&mut page, &offered.docs)?;
    capabilities.into_iter().try_for_each(|interface| self::interface(&mut page, &resolve, interface))?;
    writeln!(page, "\n# Worlds")?;
    for world in package.worlds.values().filter_map(|world| resolve.worlds.get(*world)) {
        self::world(&mut page, &resolve, world)?;
    }
    Ok(page)
}

fn named(interface: &Interface) -> Option<&str> {
    interface.name.as_deref()
}

fn is_imported(world: &World, resolve: &Resolve, interface: &Interface) -> bool {
    let imported = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces.get(*id).is_some_and(|of| of.name == interface.name),
        _ => false,
    };
    world.imports.values().any(imported)
}

fn interface(page: &mut String, resolve: &Resolve, interface: &Interface) -> Result<()> {
    let name = named(interface).context("an interface of the package has a name")?;
    writeln!(page, "\n## {name}\n")?;
    docs(page, &interface.docs)?;
    since(page, &interface.stability)?;
    for ty in interface.types.values().filter_map(|ty| resolve.types.get(*ty)) {
        self::ty(page, resolve, name, ty)?;
    }
    for function in interface.functions.values() {
        writeln!(page, "\n### {name}.{}\n", function.name)?;
        writeln!(page, "```wit\n{}\n```\n", types::function(resolve, function))?;
        docs(page, &function.docs)?;
        since(page, &function.stability)?;
    }
    Ok(())
}

fn ty(page: &mut String, resolve: &Resolve, interface: &str, ty: &TypeDef) -> Result<()> {
    let name = ty.name.as_deref().unwrap_or_default();
    // A type that is used from elsewhere is explained there.
    if let TypeDefKind::Type(wit_parser::Type::Id(original)) = &ty.kind
        && let Some(original) = resolve.types.get(*original)
        && let wit_parser::TypeOwner::Interface(owner) = original.owner
        && let Some(owner) = resolve.interfaces.get(owner).and_then(named)
        && owner != interface
    {
        writeln!(page, "\nUses [`{owner}.{name}`](#{}).", anchor(owner, name))?;
        return Ok(());
    }
    writeln!(page, "\n### {interface}.{name}\n")?;
    writeln!(page, "`{}`\n", types::heading(resolve, ty))?;
    docs(page, &ty.docs)?;
    since(page, &ty.stability)?;
    let parts = types::parts(resolve, ty);
    if !parts.is_empty() {
        writeln!(page)?;
    }
    for (part, says) in parts {
        match says {
            None => writeln!(page, "- `{part}`")?,
            Some(says) => {
                let mut lines = says.trim().lines();
                writeln!(page, "- `{part}`: {}", lines.next().unwrap_or_default())?;
                lines.try_for_each(|line| indented(page, line, "  "))?;
            }
        }
    }
    Ok(())
}

fn world(page: &mut String, resolve: &Resolve, world: &World) -> Result<()> {
    writeln!(page, "\n## world {}\n", world.name)?;
    docs(page, &world.docs)?;
    since(page, &world.stability)?;
    for (verb, items) in [("Imports", &world.imports), ("Exports", &world.exports)] {
        let names: Vec<String> = items
            .keys()
            .filter_map(|key| match key {
                WorldKey::Interface(id) => resolve.interfaces.get(*id).and_then(named),
                WorldKey::Name(name) => Some(name.as_str()),
            })
            .map(|name| format!("[`{name}`](#{name})"))
            .collect();
        if !names.is_empty() {
            writeln!(page, "\n{verb} {}.", names.join(", "))?;
        }
    }
    Ok(())
}

fn docs(page: &mut String, docs: &Docs) -> Result<()> {
    docs.contents.iter().flat_map(|text| text.trim().lines()).try_for_each(|line| indented(page, line, ""))
}

fn indented(page: &mut String, line: &str, indent: &str) -> Result<()> {
    if line.trim().is_empty() {
        writeln!(page)?
    } else {
        writeln!(page, "{indent}{line}")?
    }
    Ok(())
}

/// With which version something came, where it was not there from the first.
fn since(page: &mut String, stability: &Stability) -> Result<()> {
    if let Stability::Stable { since, deprecated } = stability {
        writeln!(page, "\n*Since {since}.*")?;
        if let Some(deprecated) = deprecated {
            writeln!(page, "*Deprecated since {deprecated}.*")?;
        }
    }
    Ok(())
}

fn first_sentence(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default().split("\n\n").next().unwrap_or_default().replace('\n', " ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.trim().to_owned(),
    }
}

/// The anchor that a heading `interface.item` is given: without the dot.
fn anchor(interface: &str, item: &str) -> String {
    format!("{interface}{item}")
}
