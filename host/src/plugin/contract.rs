//! Which part of the contract a component keeps: its version, its lane and its phases.

use wasmtime::Engine;
use wasmtime::component::types::{Component as Type, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower};

use super::breach::Breach;
use super::lanes::{columns, lifecycle, rows};
use super::names::{Direction, Names};
use super::versions::{self, ContractVersion, PACKAGE};

/// The form in which batches cross into a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Natural types, for any language.
    Rows,
    /// Flat lists: several times cheaper.
    Columns,
}

impl Lane {
    const ALL: [Lane; 2] = [Lane::Rows, Lane::Columns];

    /// The interfaces of its handlers: of requests, and of responses.
    const fn handlers(self) -> [&'static str; 2] {
        match self {
            Lane::Rows => ["requests-rows", "responses-rows"],
            Lane::Columns => ["requests-columns", "responses-columns"],
        }
    }

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

/// What can be told of a component by names alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) version: ContractVersion,
    pub(super) lane: Lane,
    pub(super) phases: Phases,
}

/// The exports by which other kinds of components are known, without their versions.
const OTHER_KINDS: [(&str, &str); 3] = [
    ("wasi:cli/run", "a command"),
    ("wasi:http/incoming-handler", "a server of HTTP requests"),
    ("wasi:http/handler", "a server of HTTP requests"),
];

impl Shape {
    /// Tell it from the names.
    pub(super) fn of(names: &Names) -> Result<Shape, Breach> {
        let version = version(names)?;
        let find = |interface| names.exports.iter().find(|name| is_named(name, interface));
        let full = |interface: &str| format!("{PACKAGE}{interface}@{version}");
        let handlers: Vec<String> =
            Lane::ALL.iter().flat_map(|lane| lane.handlers()).filter_map(find).cloned().collect();
        if find("lifecycle").is_none() {
            return Err(match handlers.is_empty() {
                true => not_a_transform(names),
                false => Breach::NoLifecycle { handlers, missing: full("lifecycle") },
            });
        }
        let lanes: Vec<Lane> =
            Lane::ALL.into_iter().filter(|lane| lane.handlers().into_iter().any(|name| find(name).is_some())).collect();
        let lane = match lanes[..] {
            [] => return Err(Breach::NoHandler { version }),
            [lane] => lane,
            _ => return Err(Breach::BothLanes(handlers)),
        };
        let [requests, responses] = lane.handlers().map(|handler| (full(handler), find(handler)));
        match (requests, responses.1) {
            ((_, Some(_)), responses) => {
                let phases = Phases { requests: true, responses: responses.is_some() };
                Ok(Shape { version, lane, phases })
            }
            ((missing, None), found) => Err(Breach::NoRequests { found: found.cloned().unwrap_or_default(), missing }),
        }
    }
}

fn not_a_transform(names: &Names) -> Breach {
    let named = |kind: &&(&str, &str)| names.exports.iter().any(|name| name.split('@').next() == Some(kind.0));
    let what = OTHER_KINDS.iter().find(named).map_or("a component of another kind", |(_, what)| what);
    Breach::NotATransform { what, exports: names.exports.clone() }
}

fn is_named(name: &str, interface: &str) -> bool {
    versions::split(name).is_some_and(|(found, _)| found == interface)
}

/// What a component exports, as far as the host calls it.
#[derive(Clone)]
pub(super) struct Contract {
    pub(super) shape: Shape,
    pub(super) describe: ComponentExportIndex,
    pub(super) configure: ComponentExportIndex,
    pub(super) requests: ComponentExportIndex,
    pub(super) responses: Option<ComponentExportIndex>,
}

impl Contract {
    /// Find the functions of a component of this shape.
    pub(super) fn of(component: &Component, engine: &Engine, shape: Shape) -> Result<Contract, Breach> {
        let ty = component.component_type();
        let exports = Exports { component, engine, ty: &ty };
        let describe = exports.function::<(), lifecycle::Described>("lifecycle", "describe")?;
        let configure =
            exports.function::<lifecycle::Config<'static>, lifecycle::Configured>("lifecycle", "configure")?;
        let [on_requests, on_responses] = shape.lane.handlers();
        let (requests, responses) = match shape.lane {
            Lane::Columns => (
                exports.function::<columns::RequestParams<'static>, columns::RequestResult>(on_requests, "handle")?,
                exports
                    .function::<columns::ResponseParams<'static>, columns::ResponseResult>(on_responses, "handle")?,
            ),
            Lane::Rows => (
                exports.function::<rows::RequestParams<'static>, rows::RequestResult>(on_requests, "handle")?,
                exports.function::<rows::ResponseParams<'static>, rows::ResponseResult>(on_responses, "handle")?,
            ),
        };
        // Its shape says that they are there.
        let (Some(describe), Some(configure), Some(requests)) = (describe, configure, requests) else {
            return Err(Breach::NoHandler { version: shape.version });
        };
        Ok(Contract { shape, describe, configure, requests, responses })
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
    made_for.ok_or_else(|| not_a_transform(names))
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
        self.ty.exports(self.engine).map(|(name, _)| name).find(|name| is_named(name, interface)).map(str::to_owned)
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
