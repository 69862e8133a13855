//! An adapter for WASI preview 1, for languages whose libraries expect it: with it a component
//! imports no WASI at all.
//!
//! It is a module (`wasi.wat`, whose first lines say what it answers) that becomes a part of the
//! component where it is needed.

use std::path::Path;

use anyhow::{Context, Result};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What modules import it as.
pub(crate) const NAME: &str = "wasi_snapshot_preview1";

const TEXT: &str = include_str!("wasi.wat");

/// Stands for the contract's version.
const VERSION: &str = "{{contract}}";

/// Stands for how often randomness is answered.
const SEEDS: &str = "{{seeds}}";

/// Whether the runtime of a language starts without randomness.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// It does: randomness is a fault, so that no code of the transform's takes fixed bytes for
    /// random ones.
    Bare,
    /// It asks once, before any code of the transform's runs, and ends if there is none: it gets
    /// fixed bytes, and later an error.
    Seeded,
}

/// Stands for whether more of it is an error, 1, or a fault, 0.
const REFUSES: &str = "{{refuses}}";

/// What it imports itself.
const WORLD: &str = "package sluice:wasi-adapter;\nworld wasi-adapter { import sluice:transform/log@{{contract}}; }\n";

/// The module, for a component of the contract in this directory.
pub(crate) fn module(contract: &Path, start: Start) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract).with_context(|| format!("{} is wrong", contract.display()))?;
    let version = resolve.packages[package].name.version.as_ref().context("the contract has no version")?.to_string();
    let own = resolve.push_str("wasi-adapter.wit", &WORLD.replace(VERSION, &version))?;
    let world = resolve.select_world(&[own], None)?;
    let (seeds, refuses) = match start {
        Start::Bare => ("0", "0"),
        Start::Seeded => ("1", "1"),
    };
    let text = TEXT.replace(VERSION, &version).replace(SEEDS, seeds).replace(REFUSES, refuses);
    let mut module = wat::parse_str(text)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    Ok(module)
}
