//! Responses that go through the transforms before they are released.

use super::busy::Busy;
use crate::chain::Responses;
use crate::ids::SessionId;

/// The responses of this turn that go back through the chain of their source.
#[derive(Debug)]
pub(super) struct Staged {
    /// By source.
    responses: Vec<Responses>,
    /// The sources that have some.
    busy: Busy,
}

impl Staged {
    /// None, of so many sources.
    pub(super) fn of(sources: usize) -> Self {
        Self { responses: (0..sources).map(|_| Responses::default()).collect(), busy: Busy::of(sources) }
    }

    /// Those of a source, to add one.
    pub(super) fn add(&mut self, source: usize) -> &mut Responses {
        self.busy.add(source);
        &mut self.responses[source]
    }

    /// Those of a source.
    pub(super) fn get(&mut self, source: usize) -> &mut Responses {
        &mut self.responses[source]
    }

    /// The sources that have some, until the list is given back by [`Staged::give_back`].
    pub(super) fn take(&mut self) -> Vec<usize> {
        self.busy.take()
    }

    /// Keeps the memory of a list that was taken.
    pub(super) fn give_back(&mut self, list: Vec<usize>) {
        self.busy.give_back(list);
    }

    /// The sessions that the responses are for.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let responses = self.busy.list().iter().flat_map(|&source| self.responses[source].list());
        responses.map(|response| response.session)
    }
}
