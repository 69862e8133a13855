//! Which part of the contract a component keeps: its lane, its phases, and what it imports.

use wasmtime::Engine;
use wasmtime::component::types::{Component as Type, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower};

use super::grants::Grants;
use super::host;
use super::lanes::{columns, lifecycle, rows};
use super::spec::Wasi;

/// The package of the contract, and the version of it that this host speaks.
const PACKAGE: &str = "sluice:transform/";
pub(super) const VERSION: &str = "0.1.0";

/// The form in which batches cross into a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Natural types, for any language.
    Rows,
    /// Flat lists: several times cheaper.
    Columns,
}

impl Lane {
    /// Its name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Lane::Rows => "rows",
            Lane::Columns => "columns",
        }
    }
}

/// The handlers that a component has. At least one is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// It handles requests.
    pub requests: bool,
    /// It handles responses that it watched.
    pub responses: bool,
}

/// Why a component does not keep the contract; completes the sentence "the component …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// It exports nothing of the contract.
    #[error("is not a transform: it exports no `sluice:transform/lifecycle@{VERSION}`")]
    NotATransform,
    /// It was made for another version of the contract.
    #[error("was made for version {0} of the contract; this host speaks {VERSION}")]
    Version(String),
    /// It has no handler, or only one for responses: nothing would ever cross.
    #[error("has no handler for requests (`requests-columns` or `requests-rows`)")]
    NoHandler,
    /// It has handlers of both lanes.
    #[error("has handlers of both lanes; it must choose rows or columns")]
    BothLanes,
    /// An export of the contract lacks a function, or has one of another type.
    #[error("exports `{export}`, but its function `{function}` {problem}")]
    Function {
        /// The interface.
        export: String,
        /// The function in it.
        function: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It imports a capability that it was not granted.
    #[error("imports `{import}`, but has no grant `{grant}`")]
    NotGranted {
        /// The interface.
        import: String,
        /// The grant that it would need.
        grant: &'static str,
    },
    /// It imports WASI, which it may not.
    #[error("imports `{0}`; WASI is not offered (`wasi: stub` links an inert one)")]
    Wasi(String),
    /// It imports something that the host does not have.
    #[error("imports `{0}`, which this host does not have")]
    UnknownImport(String),
}

/// What a component exports, as far as the host calls it.
#[derive(Clone)]
pub(super) struct Contract {
    pub(super) lane: Lane,
    pub(super) phases: Phases,
    pub(super) describe: ComponentExportIndex,
    pub(super) configure: ComponentExportIndex,
    pub(super) requests: ComponentExportIndex,
    pub(super) responses: Option<ComponentExportIndex>,
}

impl Contract {
    /// Read the contract off a component's type.
    pub(super) fn of(component: &Component, engine: &Engine) -> Result<Contract, Breach> {
        let ty = component.component_type();
        check_versions(&ty, engine)?;
        let exports = Exports { component, engine, ty: &ty };
        let has = |interface| exports.find(interface).is_some();
        let has_columns = has("requests-columns") || has("responses-columns");
        let has_rows = has("requests-rows") || has("responses-rows");
        if has_columns && has_rows {
            return Err(Breach::BothLanes);
        }
        let describe = exports.function::<(), lifecycle::Described>("lifecycle", "describe")?;
        let configure = exports
            .function::<lifecycle::Config<'static>, lifecycle::Configured>("lifecycle", "configure")?
            .ok_or(Breach::NotATransform)?;
        let (lane, requests, responses) = if has_columns {
            (
                Lane::Columns,
                exports.function::<columns::RequestParams<'static>, columns::RequestResult>(
                    "requests-columns",
                    "handle",
                )?,
                exports.function::<columns::ResponseParams<'static>, columns::ResponseResult>(
                    "responses-columns",
                    "handle",
                )?,
            )
        } else {
            (
                Lane::Rows,
                exports.function::<rows::RequestParams<'static>, rows::RequestResult>("requests-rows", "handle")?,
                exports.function::<rows::ResponseParams<'static>, rows::ResponseResult>("responses-rows", "handle")?,
            )
        };
        Ok(Contract {
            lane,
            phases: Phases { requests: requests.is_some(), responses: responses.is_some() },
            describe: describe.ok_or(Breach::NotATransform)?,
            configure,
            requests: requests.ok_or(Breach::NoHandler)?,
            responses,
        })
    }
}

/// Check a component's imports against what it may use.
pub(super) fn check_imports(component: &Component, engine: &Engine, grants: Grants, wasi: Wasi) -> Result<(), Breach> {
    for (name, import) in component.component_type().imports(engine) {
        if name.starts_with("wasi:") {
            if wasi == Wasi::Stub {
                continue;
            }
            return Err(Breach::Wasi(name.to_owned()));
        }
        let capability = name
            .strip_prefix(PACKAGE)
            .and_then(|rest| rest.split_once('@'))
            .and_then(|(interface, _)| host::find(interface));
        match capability {
            Some(capability) => {
                if let Some(grant) = capability.grant
                    && !grants.contains(grant)
                {
                    return Err(Breach::NotGranted { import: name.to_owned(), grant: grant.name() });
                }
            }
            None if is_only_types(&import.ty, engine) => {}
            None => return Err(Breach::UnknownImport(name.to_owned())),
        }
    }
    Ok(())
}

/// An interface that a component imports for its types alone (as the rows lane does with `replies`) gives it no power.
fn is_only_types(import: &ComponentItem, engine: &Engine) -> bool {
    match import {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        ComponentItem::Type(_) => true,
        _ => false,
    }
}

/// Refuse a component that was made for an incompatible version, before its functions are looked for.
fn check_versions(ty: &Type, engine: &Engine) -> Result<(), Breach> {
    let other = ty
        .exports(engine)
        .filter_map(|(name, _)| name.strip_prefix(PACKAGE)?.split_once('@'))
        .map(|(_, version)| version)
        .find(|version| compatible_part(version) != compatible_part(VERSION));
    match other {
        Some(version) => Err(Breach::Version(version.to_owned())),
        None => Ok(()),
    }
}

/// The part of a version that compatible ones share: the major one, or up to the first that is not 0.
fn compatible_part(version: &str) -> &str {
    let end = version
        .match_indices('.')
        .map(|(dot, _)| dot)
        .find(|&dot| version.get(..dot).is_some_and(|part| part.chars().any(|c| !matches!(c, '0' | '.'))));
    end.and_then(|dot| version.get(..dot)).unwrap_or(version)
}

struct Exports<'a> {
    component: &'a Component,
    engine: &'a Engine,
    ty: &'a Type,
}

impl Exports<'_> {
    /// The full name of an interface of the contract that the component exports.
    fn find(&self, interface: &str) -> Option<String> {
        self.ty
            .exports(self.engine)
            .map(|(name, _)| name)
            .find(|name| {
                name.strip_prefix(PACKAGE)
                    .and_then(|rest| rest.split_once('@'))
                    .is_some_and(|(found, _)| found == interface)
            })
            .map(str::to_owned)
    }

    /// A function of an interface, of this very type; `None` where the interface is not exported.
    fn function<Params, Return>(
        &self,
        interface: &str,
        function: &'static str,
    ) -> Result<Option<ComponentExportIndex>, Breach>
    where
        Params: ComponentNamedList + Lower,
        Return: ComponentNamedList + Lift,
    {
        let Some(export) = self.find(interface) else {
            return Ok(None);
        };
        let found = self
            .component
            .get_export_index(None, &export)
            .and_then(|instance| self.component.get_export(Some(&instance), function));
        let problem = match found {
            Some((ComponentItem::ComponentFunc(ty), index)) => {
                match ty.typecheck::<Params, Return>(&self.ty.instance_type()) {
                    Ok(()) => return Ok(Some(index)),
                    Err(error) => format!("has another type: {error:#}"),
                }
            }
            _ => "is missing".to_owned(),
        };
        Err(Breach::Function { export, function, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compatible_as_semver_says() {
        assert_eq!(compatible_part("0.1.0"), compatible_part("0.1.7"));
        assert_ne!(compatible_part("0.1.0"), compatible_part("0.2.0"));
        assert_ne!(compatible_part("0.1.0"), compatible_part("1.1.0"));
        assert_eq!(compatible_part("1.1.0"), compatible_part("1.9.3"));
        assert_ne!(compatible_part("0.0.1"), compatible_part("0.0.2"));
        assert_ne!(compatible_part("10.0.0"), compatible_part("1.0.0"));
    }
}
