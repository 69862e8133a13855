//! An instance: one transform on one worker, and its crossings.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::batch::{RequestBatch, ResponseBatch};
use super::breaker::Breaker;
use super::changes::Changes;
use super::fault::Fault;
use super::host::sessions::SessionDirectory;
use super::lanes::Failure;
use super::meter::Meter;
use super::store;
use super::transform::{Live, Transform, fault};
use super::validate::{self, Bounds};
use super::verdicts::Verdicts;

/// A transform on one worker. Its store is made at the first crossing, and again at the first one after a fault.
pub struct Instance {
    transform: Arc<Transform>,
    sessions: Rc<dyn SessionDirectory>,
    live: Option<Live>,
    breaker: Breaker,
    meter: Meter,
}

/// The protocol that is assumed of a session that has gone: its replies go nowhere, so any will do.
const PROTOCOL_OF_THE_GONE: u8 = 3;

impl Instance {
    pub(super) fn new(transform: Arc<Transform>, sessions: Rc<dyn SessionDirectory>) -> Instance {
        let meter = Meter::new(&transform.spec().name);
        Instance { transform, sessions, live: None, breaker: Breaker::default(), meter }
    }

    /// The transform that it is an instance of.
    pub fn transform(&self) -> &Arc<Transform> {
        &self.transform
    }

    /// Let a batch of requests cross. On success `verdicts` holds the checked answer; whatever it held before is gone.
    ///
    /// # Errors
    ///
    /// See [`Fault`]. The verdicts are then empty, and the next call begins with a new store.
    pub fn requests(&mut self, batch: &RequestBatch<'_>, verdicts: &mut Verdicts) -> Result<(), Fault> {
        verdicts.clear();
        self.wake()?;
        let begun = Instant::now();
        let result = self.cross_requests(batch, verdicts);
        self.meter.requests.crossing(batch.ids.len(), begun.elapsed());
        if result.is_err() {
            verdicts.clear();
        }
        self.settle(result)
    }

    /// Let a batch of watched responses cross. On success `changes` holds the checked answer; whatever it held before is gone.
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
        self.wake()?;
        let begun = Instant::now();
        let result = self.cross_responses(batch, changes);
        self.meter.responses.crossing(batch.ids.len(), begun.elapsed());
        if result.is_err() {
            changes.clear();
        }
        self.settle(result)
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
            .map_err(|failure| fault(&live.store, plugin, failure))?;
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
            .map_err(|failure: Failure| fault(&live.store, plugin, failure))?;
        validate::changes(changes, batch.sessions.len()).map_err(|invalid| Fault::InvalidAnswer(invalid.to_string()))
    }

    /// See to it that there is a store, unless the breaker is open.
    #[inline]
    fn wake(&mut self) -> Result<(), Fault> {
        if self.live.is_some() {
            return Ok(());
        }
        if let Some(retry_in) = self.breaker.suspended(Instant::now()) {
            let fault = Fault::Suspended { retry_in };
            self.meter.fault(&fault);
            return Err(fault);
        }
        self.meter.start();
        match self.transform.start(Rc::clone(&self.sessions)) {
            Ok(live) => {
                self.live = Some(live);
                Ok(())
            }
            Err(fault) => self.settle(Err(fault)),
        }
    }

    /// Keep the books: a fault costs the store, a success closes the breaker.
    #[inline]
    fn settle(&mut self, result: Result<(), Fault>) -> Result<(), Fault> {
        match result {
            Ok(()) if self.breaker.is_closed() => Ok(()),
            Ok(()) => {
                self.breaker.success();
                Ok(())
            }
            Err(fault) => {
                self.faulted(&fault);
                Err(fault)
            }
        }
    }

    #[cold]
    fn faulted(&mut self, fault: &Fault) {
        self.live = None;
        self.meter.fault(fault);
        let suspended = self.breaker.fault(Instant::now());
        let site = self.transform.site();
        tracing::warn!(
            plugin = self.transform.spec().name,
            source = site.source,
            position = site.position,
            kind = fault.kind(),
            suspended_ms = suspended.map(|pause| pause.as_millis()),
            "the plugin {fault}",
        );
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("transform", &self.transform)
            .field("live", &self.live.is_some())
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}
