//! A vector's way through the transforms, and the way back of the responses that they watch.
//!
//! ```text
//!            requests: one crossing a transform                       responses: watched ones only
//!  Vector ─► Columns ─► transform 0 ─► apply ─► … ─► transform n      Responses ─► transform n ─► … ─► transform 0 ─► sessions
//!                         │ watch, fan out                                             ▲ steps, last one first
//!                         └────────────► Trails ───────────────────────────────────────┘
//! ```
//!
//! A chain never waits: a crossing is a call, so a vector is through before the turn goes on. What a request passed is written
//! down in its trail ([`trail`]), step by step, and its response takes the same steps in reverse. A transform that faults
//! costs its own requests what its plugin's `on_fault` says; see `requests`.

mod columns;
mod requests;
mod responses;
mod returns;
pub mod trail;
pub mod vector;
mod witness;

use std::rc::Rc;
use std::sync::Arc;

pub use responses::{Kind, Response, Responses};
pub use trail::{Effect, Step, Trails};
pub use vector::{Answer, Frame, Outcome, Vector};
pub use witness::Witness;

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
    stations: Vec<Station>,
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
    witness: Option<Rc<dyn Witness>>,
}

impl Chain {
    /// Make the instances of a worker. `sessions` is what the worker tells transforms of its sessions.
    pub fn new(links: &[Link], sessions: &Rc<dyn SessionDirectory>) -> Self {
        let stations = links
            .iter()
            .map(|link| Station {
                name: link.name.clone(),
                instance: link.transform.instantiate(sessions.clone()),
                interest: link.transform.interest().clone(),
                on_fault: link.on_fault,
                witness: None,
            })
            .collect();
        Self {
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
    pub fn witnessed(mut self, witness: &Rc<dyn Witness>) -> Self {
        self.stations.iter_mut().for_each(|station| station.witness = Some(witness.clone()));
        self
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

impl Station {
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
