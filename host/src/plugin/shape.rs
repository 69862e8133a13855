//! Which part of the contract a component keeps: its version, its lane and its phases, told by the
//! names of its exports.

use super::contract_error::ContractError;
use super::names::{Direction, Names};
use super::versions::{self, ContractVersion, PACKAGE};

/// The form in which batches cross into a component.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// Natural types, for any language.
    Rows,
    /// Flat lists: several times cheaper.
    Columns,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Rows, Self::Columns];

    /// The interfaces of its handlers: of requests, and of responses.
    pub(super) const fn handlers(self) -> [&'static str; 2] {
        match self {
            Self::Rows => ["requests-rows", "responses-rows"],
            Self::Columns => ["requests-columns", "responses-columns"],
        }
    }

    /// Its name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Columns => "columns",
        }
    }
}

/// The handlers that a component has. At least one is true.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases {
    /// It handles requests.
    pub requests: bool,
    /// It handles responses that it watched.
    pub responses: bool,
}

/// What can be told of a component by names alone.
#[derive(Clone, Copy, Debug)]
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
    /// Tells it from the names.
    pub(super) fn of(names: &Names) -> Result<Self, ContractError> {
        let version = version(names)?;
        let find = |interface| names.exports.iter().find(|name| versions::is_named(name, interface));
        let full = |interface: &str| format!("{PACKAGE}{interface}@{version}");
        let handlers: Vec<String> =
            Lane::ALL.iter().flat_map(|lane| lane.handlers()).filter_map(find).cloned().collect();
        if find("lifecycle").is_none() {
            return Err(match handlers.is_empty() {
                true => not_a_transform(names),
                false => ContractError::NoLifecycle { handlers, missing: full("lifecycle") },
            });
        }
        let lanes: Vec<Lane> =
            Lane::ALL.into_iter().filter(|lane| lane.handlers().into_iter().any(|name| find(name).is_some())).collect();
        let lane = match lanes[..] {
            [] => return Err(ContractError::NoHandler { version }),
            [lane] => lane,
            _ => return Err(ContractError::BothLanes(handlers)),
        };
        let [requests, responses] = lane.handlers().map(|handler| (full(handler), find(handler)));
        match (requests, responses.1) {
            ((_, Some(_)), responses) => {
                let phases = Phases { requests: true, responses: responses.is_some() };
                Ok(Self { version, lane, phases })
            }
            ((missing, None), found) => {
                Err(ContractError::NoRequests { found: found.cloned().unwrap_or_default(), missing })
            }
        }
    }
}

fn not_a_transform(names: &Names) -> ContractError {
    let named = |kind: &&(&str, &str)| names.exports.iter().any(|name| name.split('@').next() == Some(kind.0));
    let what = OTHER_KINDS.iter().find(named).map_or("a component of another kind", |(_, what)| what);
    ContractError::NotATransform { what, exports: names.exports.clone() }
}

/// The version of the contract that a component was made for: that of its exports. What it imports
/// may be of any version that this host runs, as a component may be put together from parts that
/// were made at different times.
///
/// # Errors
///
/// It has to do with a version that this host does not run, or exports more than one.
fn version(names: &Names) -> Result<ContractVersion, ContractError> {
    let mut made_for = None;
    for (direction, name) in names.of_the_contract() {
        let version = runnable(name).map_err(|(why, hint)| ContractError::Version {
            verb: direction.verb(),
            name: name.to_owned(),
            why,
            hint,
        })?;
        if direction == Direction::Exports {
            if made_for.is_some_and(|other| other != version) {
                let exports = names.of_the_contract().filter(|(direction, _)| *direction == Direction::Exports);
                return Err(ContractError::MixedVersions(exports.map(|(_, name)| name.to_owned()).collect()));
            }
            made_for = Some(version);
        }
    }
    made_for.ok_or_else(|| not_a_transform(names))
}

/// The version of a name of the contract, if this host runs it; otherwise why it does not, and what
/// to do.
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
