//! What a component imports and exports, by name: read off its bytes before it is compiled.
//!
//! Compiling takes seconds where a component brings an interpreter along, and fails with reasons of
//! its own where a component was made for a contract that this host does not know. So all that can
//! be told from names is told first.

use wasmparser::{Chunk, Parser, Payload};

/// The names of a component's imports and exports, in its own order.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

impl Names {
    /// Reads them. What lies deeper in the component is passed over.
    ///
    /// # Errors
    ///
    /// The bytes are no component, or end too early: the reason.
    pub(super) fn of(component: &[u8]) -> Result<Self, String> {
        let reason = |error: wasmparser::BinaryReaderError| error.to_string();
        let mut names = Self::default();
        let mut parser = Parser::new(0);
        let mut rest = component;
        // At the end of what there is, "more data" is an error of its own.
        while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).map_err(reason)? {
            rest = rest.get(consumed..).unwrap_or_default();
            match payload {
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        names.imports.push(import.map_err(reason)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        names.exports.push(export.map_err(reason)?.name.name.to_owned());
                    }
                }
                Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                    rest = rest
                        .get(unchecked_range.len()..)
                        .ok_or_else(|| format!("unexpected end at byte {}, within a module", component.len()))?;
                }
                Payload::End(_) => break,
                _ => {}
            }
        }
        Ok(names)
    }

    /// All of them that are of the contract, imports first.
    pub(super) fn of_the_contract(&self) -> impl Iterator<Item = (Direction, &str)> {
        let imports = self.imports.iter().map(|name| (Direction::Imports, name.as_str()));
        let exports = self.exports.iter().map(|name| (Direction::Exports, name.as_str()));
        imports.chain(exports).filter(|(_, name)| name.starts_with(super::versions::PACKAGE))
    }
}

/// Which way a name goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    Imports,
    Exports,
}

impl Direction {
    /// As a verb: "it imports …".
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Imports => "imports",
            Self::Exports => "exports",
        }
    }
}
