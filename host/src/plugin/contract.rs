//! Which part of the contract a component keeps: its lane, its phases, and what it imports.

use wasmtime::Engine;
use wasmtime::component::types::{Component as Type, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower};

use super::grants::Grants;
use super::host;
use super::lanes::{columns, lifecycle, rows};
use super::names::{Direction, Names};
use super::spec::Wasi;
use super::versions::{self, ContractVersion};

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
    #[error("is not a transform: it exports no `sluice:transform/lifecycle@{spoken}`", spoken = ContractVersion::SPOKEN)]
    NotATransform,
    /// It was made for a version of the contract that this host does not run.
    #[error(
        "{verb} `{name}`: it was made for a version of the contract that {why}; this host speaks {spoken} and runs components \
         made for {run}. {hint}",
        spoken = ContractVersion::SPOKEN,
        run = versions::run()
    )]
    Version {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The name that says so.
        name: String,
        /// What is wrong with the version.
        why: &'static str,
        /// What to do.
        hint: String,
    },
    /// Its exports are of several versions of the contract.
    #[error(
        "exports the contract in several versions ({}); expected all of its exports to be of one: build it against one version of \
         the WIT files",
        .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    MixedVersions(Vec<String>),
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
    pub(super) version: ContractVersion,
    pub(super) lane: Lane,
    pub(super) phases: Phases,
    pub(super) describe: ComponentExportIndex,
    pub(super) configure: ComponentExportIndex,
    pub(super) requests: ComponentExportIndex,
    pub(super) responses: Option<ComponentExportIndex>,
}

impl Contract {
    /// Read the contract off a component's type.
    pub(super) fn of(component: &Component, engine: &Engine, version: ContractVersion) -> Result<Contract, Breach> {
        let ty = component.component_type();
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
            version,
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
        let capability = versions::split(name).and_then(|(interface, _)| host::find(interface));
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

/// The version of the contract that a component was made for: that of its exports. What it imports may be of any version that this
/// host runs, as a component may be put together from parts that were made at different times.
///
/// # Errors
///
/// It has to do with a version that this host does not run, or exports more than one.
pub(super) fn version(names: &Names) -> Result<ContractVersion, Breach> {
    let mut made_for = None;
    for (direction, name) in names.of_the_contract() {
        let version = runnable(name).map_err(|(why, hint)| Breach::Version {
            verb: direction.verb(),
            name: name.to_owned(),
            why,
            hint,
        })?;
        if direction == Direction::Exports {
            if made_for.is_some_and(|other| other != version) {
                let exports = names.of_the_contract().filter(|(direction, _)| *direction == Direction::Exports);
                return Err(Breach::MixedVersions(exports.map(|(_, name)| name.to_owned()).collect()));
            }
            made_for = Some(version);
        }
    }
    made_for.ok_or(Breach::NotATransform)
}

/// The version of a name of the contract, if this host runs it; otherwise why it does not, and what to do.
fn runnable(name: &str) -> Result<ContractVersion, (&'static str, String)> {
    let spoken = ContractVersion::SPOKEN;
    let rebuild = |verb| format!("{verb} it against {spoken}, with the WIT files or the SDK that come with this host");
    let (_, text) = versions::split(name).unwrap_or_default();
    match text.parse::<ContractVersion>() {
        Ok(version) if version.is_run() => Ok(version),
        Ok(version) if version > spoken => Err((
            "is newer than this host",
            format!("Run it with a Sluice that speaks {version}, or {}", rebuild("rebuild")),
        )),
        Ok(_) => Err(("is no longer run", rebuild("Rebuild"))),
        Err(()) => Err(("has no number", rebuild("Rebuild"))),
    }
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
            .find(|name| versions::split(name).is_some_and(|(found, _)| found == interface))
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
