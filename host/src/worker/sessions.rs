//! The sessions of a worker, and which of them the turn has to look at.

use std::time::Instant;

use slab::Slab;

use super::session::{Life, Session};
use crate::ids::SessionId;
use crate::routing::{Replies, Routes};

/// All sessions of a worker, found by their ID. An ID of a session that has gone finds nothing, even where its place is taken again.
#[derive(Debug)]
pub(super) struct Sessions {
    worker: u8,
    count: u32,
    places: Slab<Session>,
    /// Sessions to be looked at at the end of the turn: to be written to, to be read from again, or to be removed.
    ready: Vec<SessionId>,
    /// Sessions to be subscribed again, in a while.
    later: Vec<SessionId>,
}

impl Sessions {
    pub(super) fn of_worker(worker: u8) -> Self {
        Self { worker, count: 0, places: Slab::new(), ready: Vec::new(), later: Vec::new() }
    }

    pub(super) fn add(&mut self, make: impl FnOnce(SessionId) -> Session) -> SessionId {
        self.count = self.count.wrapping_add(1);
        let place = self.places.vacant_entry();
        let id = SessionId::new(self.worker, place.key(), self.count);
        place.insert(make(id));
        id
    }

    #[inline]
    pub(super) fn get(&mut self, id: SessionId) -> Option<&mut Session> {
        self.places.get_mut(id.place()).filter(|session| session.id == id)
    }

    /// As [`Sessions::get`], to look at.
    #[inline]
    pub(super) fn peek(&self, id: SessionId) -> Option<&Session> {
        self.places.get(id.place()).filter(|session| session.id == id)
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.get(id)?;
        self.places.try_remove(id.place())
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.places.iter().map(|(_, session)| session.id).collect()
    }

    /// Have the turn look at a session when all else is done.
    #[inline]
    pub(super) fn mark_ready(&mut self, id: SessionId) {
        if let Some(session) = self.places.get_mut(id.place()).filter(|session| session.id == id)
            && !session.ready
        {
            session.ready = true;
            self.ready.push(id);
        }
    }

    /// Looks whether any of them has been what it must not be for too long.
    pub(super) fn supervise<R: Replies>(&mut self, now: Instant, routes: &mut Routes<R>) {
        for (_, session) in &mut self.places {
            let Some(route) = routes.get(session.id) else { continue };
            session.supervise(now, route);
            if (session.life != Life::Open || session.finished) && !session.ready {
                session.ready = true;
                self.ready.push(session.id);
            }
        }
    }

    /// Have a session subscribed again at the next tick.
    pub(super) fn resubscribe_later(&mut self, id: SessionId) {
        self.later.push(id);
    }

    /// The sessions to be subscribed again.
    pub(super) fn take_later(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.later)
    }

    /// Whether there is any session to look at.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The sessions that were ready. Give the list back to [`Sessions::give_back`].
    pub(super) fn take_ready(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.ready)
    }

    /// Keep the memory of a list, unless another one was begun.
    pub(super) fn give_back(&mut self, mut list: Vec<SessionId>) {
        if self.ready.is_empty() {
            list.clear();
            self.ready = list;
        }
    }
}
