//! Projects of transforms: made from templates, and built into components with the tools of their
//! language.
//!
//! ```text
//! new ──► a directory: plugin.yaml, a source, cases, a topology, sluice/ (the contract and the language's helpers)
//!                                   │
//! build ◄───────────────────────────┘   the language's tools ──► core module or component ──► encode ──► NAME.wasm
//! ```
//!
//! Everything that is particular to a language is in its row of [`Language`]'s table and in its
//! file below `build/`.

mod build;
mod caches;
mod encode;
mod files;
mod language;
mod name;
mod new;
mod noop;
mod output;
pub mod process;
mod project;
mod tools;
mod wasi_adapter;
mod world;

pub use build::{build, rust};
pub use caches::caches;
pub use encode::encode;
pub use language::Language;
pub use name::Name;
pub use new::new;
pub use noop::noop;
pub use output::write_if_changed;
pub use project::Project;
pub use tools::Tools;
