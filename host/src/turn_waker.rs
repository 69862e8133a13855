//! What wakes the turn.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

/// Rung by everything that has become ready; heard by the turn.
///
/// The first ring puts the turn at the end of the worker's run queue, so it runs after all tasks that were ready by then: the vector
/// forms by itself, without a timer. Further rings until then cost a look at a flag.
#[derive(Debug, Default)]
pub struct TurnWaker {
    woken: Cell<bool>,
    turn: RefCell<Option<Waker>>,
}

impl TurnWaker {
    /// There is something to do.
    #[inline]
    pub fn wake(&self) {
        if !self.woken.replace(true)
            && let Some(waker) = &*self.turn.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Wait until it is woken. For one listener.
    pub fn poll_woken(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.woken.replace(false) {
            return Poll::Ready(());
        }
        let mut turn = self.turn.borrow_mut();
        if !turn.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *turn = Some(context.waker().clone());
        }
        Poll::Pending
    }
}
