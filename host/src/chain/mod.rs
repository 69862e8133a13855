//! A vector's way through the transforms, and the way back of the responses that they watch.
//!
//! ```text
//!            requests: one crossing a transform                       responses: watched ones only
//!  Vector ─► Columns ─► transform 0 ─► apply ─► … ─► transform n      Responses ─► transform n ─► … ─► transform 0 ─► sessions
//!                         │ watch, fan out                                             ▲ steps, last one first
//!                         └────────────► ResponsePaths ───────────────────────────────────────┘
//! ```
//!
//! A chain never waits: a crossing is a call, so a vector is through before the turn goes on. What a request passed is written
//! down in its trail ([`response_path`]), step by step, and its response takes the same steps in reverse. A transform that faults
//! costs its own requests what its plugin's `on_fault` says; see `requests`.
//!
//! A chain can be succeeded by another between two turns. What a request began with it ends with: its trail remembers the chain's
//! [`Generation`], and the old chain carries its response. A transform that both chains have keeps its instance.

mod columns;
mod generation;
mod names;
mod observer;
mod requests;
pub mod response_path;
mod responses;
mod returns;
#[cfg(test)]
mod succession_test;
pub mod vector;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub use generation::{Generation, Place};
pub use names::Renamed;
pub use observer::Observer;
pub use response_path::{ResponsePaths, Step};
pub use responses::{Kind, Response, Responses};
pub use vector::{Answer, Frame, Outcome, Vector};

use crate::plugin::{Changes, Fault, Instance, Interest, OnFault, SessionDirectory, Transform, Verdicts};

/// One transform at its place in a chain, as it is configured; shared by the workers.
#[derive(Clone, Debug)]
pub struct Link {
    /// The name that the plugin is declared by.
    pub name: Arc<str>,
    /// The configured transform.
    pub transform: Arc<Transform>,
    /// What becomes of its requests when it faults.
    pub on_fault: OnFault,
}

/// A chain as one worker runs it: an instance of every transform, and the memory that crossings use again and again.
pub struct Chain {
    generation: Generation,
    /// A chain and its successor share those that both have, so each is borrowed for a crossing.
    stations: Vec<Rc<RefCell<Station>>>,
    columns: columns::Columns,
    part: columns::Columns,
    verdicts: Verdicts,
    returns: returns::Batch,
    changes: Changes,
}

struct Station {
    name: Arc<str>,
    instance: Instance,
    interest: Interest,
    on_fault: OnFault,
    observer: Option<Rc<dyn Observer>>,
    /// Whether it may ask who a session is.
    asks_sessions: bool,
}

impl Chain {
    /// Make the instances of a worker. `sessions` is what the worker tells transforms of its sessions.
    pub fn new(links: &[Link], sessions: &Rc<dyn SessionDirectory>) -> Self {
        Self::of(links.iter().map(|link| Station::new(link, sessions)).collect())
    }

    /// The chain that takes the place of this one. The instance of a transform that this one has too is the same: it forgets nothing.
    #[must_use]
    pub fn succeeded_by(&self, links: &[Link], sessions: &Rc<dyn SessionDirectory>) -> Self {
        let station = |link: &Link| {
            let known = self.stations.iter().find(|station| station.borrow().is_of(link));
            known.map_or_else(|| Station::new(link, sessions), Rc::clone)
        };
        Self::of(links.iter().map(station).collect())
    }

    fn of(stations: Vec<Rc<RefCell<Station>>>) -> Self {
        Self {
            generation: Generation::default(),
            stations,
            columns: columns::Columns::default(),
            part: columns::Columns::default(),
            verdicts: Verdicts::default(),
            returns: returns::Batch::default(),
            changes: Changes::default(),
        }
    }

    /// Let somebody look on at the crossings of all its transforms.
    #[must_use]
    pub fn observed(self, observer: &Rc<dyn Observer>) -> Self {
        self.stations.iter().for_each(|station| station.borrow_mut().observer = Some(observer.clone()));
        self
    }

    /// Whether any trail remembers it: responses are to come that go through it.
    pub fn is_awaited(&self) -> bool {
        self.generation.is_remembered()
    }

    /// Whether any of its transforms may ask who a session is.
    pub fn asks_sessions(&self) -> bool {
        self.stations.iter().any(|station| station.borrow().asks_sessions)
    }

    /// The place of the transform at this position.
    pub fn place(&self, position: usize) -> Place {
        Place { generation: self.generation.clone(), position }
    }

    /// How many transforms it has.
    pub fn len(&self) -> usize {
        self.stations.len()
    }

    /// Whether it has no transforms.
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }
}

/// A part of the names of the interface that tells who a session is, in every version.
const SESSIONS: &str = ":transform/sessions@";

impl Station {
    fn new(link: &Link, sessions: &Rc<dyn SessionDirectory>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            name: link.name.clone(),
            instance: link.transform.instantiate(sessions.clone()),
            interest: link.transform.interest().clone(),
            on_fault: link.on_fault,
            observer: None,
            asks_sessions: link.transform.plugin().imports().iter().any(|name| name.contains(SESSIONS)),
        }))
    }

    /// Whether it is what the link asks for.
    fn is_of(&self, link: &Link) -> bool {
        Arc::ptr_eq(self.instance.transform(), &link.transform)
            && self.on_fault == link.on_fault
            && self.name == link.name
    }

    /// The answer to a request that a fault cost. It names the plugin, and not what went wrong in it: that is for the operator.
    fn rejection(&self, fault: &Fault) -> Answer {
        tracing::debug!(plugin = &*self.name, %fault, "a crossing failed");
        match fault {
            Fault::Suspended { .. } => {
                Answer::error(&format!("ERR transform '{}' is suspended after repeated faults", self.name))
            }
            _ => Answer::error(&format!("ERR transform '{}' failed on this request", self.name)),
        }
    }
}
