//! An instance: one transform on one worker, and its crossings.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::batch::{RequestBatch, ResponseBatch};
use super::breaker::Breaker;
use super::changes::Changes;
use super::fault::Fault;
use super::fault_ledger::{FaultLedger, Suspension};
use super::host::sessions::SessionDirectory;
use super::meter::Meter;
use super::start::Live;
use super::store;
use super::transform::Transform;
use super::validate::{self, Bounds};
use super::verdicts::Verdicts;
use crate::ids::SessionId;

/// A transform on one worker. Its store is made at the first crossing, and again at the first one
/// after a fault.
pub struct Instance {
    transform: Arc<Transform>,
    sessions: Rc<dyn SessionDirectory>,
    live: Option<Live>,
    /// What went wrong while it was started, which no session can be blamed for.
    starts: Breaker,
    /// What went wrong in crossings, by phase.
    ledgers: [FaultLedger; 2],
    meter: Meter,
}

/// A direction of crossings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Requests on their way out.
    Requests,
    /// Watched responses on their way back.
    Responses,
}

/// Sessions whose frames must not cross for now, because earlier ones made the plugin fault.
#[derive(Debug)]
pub struct Suspended {
    sessions: Vec<u64>,
    fault: Fault,
}

impl Suspended {
    /// Whether this session is one of them.
    pub fn contains(&self, session: u64) -> bool {
        self.sessions.binary_search(&session).is_ok()
    }

    /// What becomes of their frames: [`Fault::Suspended`], until the last of them may cross again.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

/// The protocol that is assumed of a session that has gone: its replies go nowhere, so any will do.
const PROTOCOL_OF_THE_GONE: u8 = 3;

impl Transform {
    /// An instance for one worker. Nothing runs until the first batch; what goes wrong then is a
    /// fault of that crossing.
    pub fn instantiate(self: &Arc<Self>, sessions: Rc<dyn SessionDirectory>) -> Instance {
        Instance {
            transform: Arc::clone(self),
            sessions,
            live: None,
            starts: Breaker::default(),
            ledgers: Default::default(),
            meter: Meter::new(self),
        }
    }
}

impl Instance {
    /// The transform that it is an instance of.
    pub fn transform(&self) -> &Arc<Transform> {
        &self.transform
    }

    /// Starts it now, if it is not started, rather than with its first crossing: instantiates and
    /// configures it.
    ///
    /// # Errors
    ///
    /// See [`Fault`].
    pub fn prepare(&mut self) -> Result<(), Fault> {
        self.wake(Phase::Requests)
    }

    /// The bytes of all its memories and tables; `None` before it is started and after a fault.
    pub fn memory(&self) -> Option<usize> {
        self.live.as_ref().map(|live| live.store.data().memory.used())
    }

    /// Those of `sessions` whose frames must not cross now: the caller keeps them out of the batch,
    /// so that what they did costs the others nothing. Costs one comparison while no fault is held
    /// against any.
    #[inline]
    pub fn suspended(&mut self, phase: Phase, sessions: &[u64]) -> Option<Suspended> {
        if self.ledgers[phase as usize].is_troubled() { self.look_up(phase, sessions) } else { None }
    }

    #[cold]
    fn look_up(&mut self, phase: Phase, sessions: &[u64]) -> Option<Suspended> {
        let (sessions, retry_in) = self.ledgers[phase as usize].suspended(sessions, Instant::now())?;
        let fault = Fault::Suspended { retry_in };
        sessions.iter().for_each(|_| self.meter.fault(&fault));
        Some(Suspended { sessions, fault })
    }

    /// Lets a batch of requests cross. On success `verdicts` holds the checked answer; whatever it
    /// held before is gone.
    ///
    /// # Errors
    ///
    /// See [`Fault`]. The verdicts are then empty, and the next call begins with a new store.
    pub fn requests(&mut self, batch: &RequestBatch<'_>, verdicts: &mut Verdicts) -> Result<(), Fault> {
        verdicts.clear();
        self.wake(Phase::Requests)?;
        let begun = Instant::now();
        let result = self.cross_requests(batch, verdicts);
        self.meter.requests.crossing(batch.ids.len(), begun.elapsed());
        if result.is_err() {
            verdicts.clear();
        }
        self.settle(result, Phase::Requests, batch.sessions)
    }

    /// Lets a batch of watched responses cross. On success `changes` holds the checked answer;
    /// whatever it held before is gone.
    ///
    /// A component without a handler for responses keeps them all.
    ///
    /// # Errors
    ///
    /// See [`Fault`]. The changes are then empty, and the next call begins with a new store.
    pub fn responses(&mut self, batch: &ResponseBatch<'_>, changes: &mut Changes) -> Result<(), Fault> {
        changes.clear();
        if !self.transform.plugin().phases().responses {
            return Ok(());
        }
        self.wake(Phase::Responses)?;
        let begun = Instant::now();
        let result = self.cross_responses(batch, changes);
        self.meter.responses.crossing(batch.ids.len(), begun.elapsed());
        if result.is_err() {
            changes.clear();
        }
        self.settle(result, Phase::Responses, batch.sessions)
    }

    fn cross_requests(&mut self, batch: &RequestBatch<'_>, verdicts: &mut Verdicts) -> Result<(), Fault> {
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        let plugin = self.transform.plugin();
        let limits = &plugin.spec().limits;
        let sessions = &*self.sessions;
        let protocol = |id| sessions.protocol(id).unwrap_or(PROTOCOL_OF_THE_GONE);
        store::arm(&mut live.store, limits.crossing);
        live.handlers
            .requests(&mut live.store, batch, verdicts, &protocol)
            .map_err(|failure| failure.into_fault(live.store.data(), plugin.spec()))?;
        if verdicts.is_nothing() {
            return Ok(());
        }
        let bounds = Bounds { output: limits.output, responses: plugin.phases().responses };
        validate::verdicts(verdicts, batch, &bounds).map_err(|invalid| Fault::InvalidAnswer(invalid.to_string()))
    }

    fn cross_responses(&mut self, batch: &ResponseBatch<'_>, changes: &mut Changes) -> Result<(), Fault> {
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        let plugin = self.transform.plugin();
        let sessions = &*self.sessions;
        let protocol = |id| sessions.protocol(id).unwrap_or(PROTOCOL_OF_THE_GONE);
        store::arm(&mut live.store, plugin.spec().limits.crossing);
        live.handlers
            .responses(&mut live.store, batch, changes, &protocol)
            .map_err(|failure| failure.into_fault(live.store.data(), plugin.spec()))?;
        validate::changes(changes, batch.pushes(), batch.sessions.len())
            .map_err(|invalid| Fault::InvalidAnswer(invalid.to_string()))
    }

    /// See to it that there is a store, unless the plugin is suspended for everyone.
    #[inline]
    fn wake(&mut self, phase: Phase) -> Result<(), Fault> {
        if self.live.is_some() && !self.ledgers[phase as usize].is_troubled() {
            return Ok(());
        }
        self.start(phase)
    }

    #[cold]
    fn start(&mut self, phase: Phase) -> Result<(), Fault> {
        let now = Instant::now();
        let starts = if self.live.is_none() { self.starts.suspended(now) } else { None };
        if let Some(retry_in) = self.ledgers[phase as usize].everyone_suspended(now).max(starts) {
            let fault = Fault::Suspended { retry_in };
            self.meter.fault(&fault);
            return Err(fault);
        }
        if self.live.is_some() {
            return Ok(());
        }
        self.meter.start();
        match self.transform.start(Rc::clone(&self.sessions)) {
            Ok(live) => {
                self.live = Some(live);
                self.starts = Breaker::default();
                Ok(())
            }
            Err(fault) => {
                let everyone = self.starts.fault(Instant::now());
                self.report(&fault, None, Suspension { session: None, everyone });
                Err(fault)
            }
        }
    }

    /// Keeps the ledger: a fault costs the store and is held against the session that was alone in
    /// the crossing, if one was; a success forgives.
    #[inline]
    fn settle(&mut self, result: Result<(), Fault>, phase: Phase, sessions: &[u64]) -> Result<(), Fault> {
        match result {
            Ok(()) if !self.ledgers[phase as usize].is_troubled() => Ok(()),
            Ok(()) => {
                self.ledgers[phase as usize].success(sessions);
                Ok(())
            }
            Err(fault) => {
                self.faulted(&fault, phase, sessions);
                Err(fault)
            }
        }
    }

    #[cold]
    fn faulted(&mut self, fault: &Fault, phase: Phase, sessions: &[u64]) {
        self.live = None;
        let alone = sessions.first().copied().filter(|first| sessions.iter().all(|session| session == first));
        let suspension =
            alone.map(|session| self.ledgers[phase as usize].fault(session, Instant::now())).unwrap_or_default();
        self.report(fault, alone, suspension);
    }

    fn report(&self, fault: &Fault, session: Option<u64>, suspension: Suspension) {
        self.meter.fault(fault);
        let site = self.transform.site();
        tracing::warn!(
            plugin = self.transform.spec().name,
            source = site.source,
            position = site.position,
            kind = fault.kind(),
            session = session.map(|session| tracing::field::display(SessionId(session))),
            session_suspended_ms = suspension.session.map(|pause| pause.as_millis()),
            all_suspended_ms = suspension.everyone.map(|pause| pause.as_millis()),
            "the plugin {fault}",
        );
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("transform", &self.transform)
            .field("live", &self.live.is_some())
            .field("starts", &self.starts)
            .field("ledgers", &self.ledgers)
            .finish_non_exhaustive()
    }
}
