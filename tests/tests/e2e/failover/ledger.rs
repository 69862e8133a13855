//! What a client has been told of its writes, and what may follow from it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::told::Told;

/// A counter on the server that one client alone increments.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) key: String,
    /// What it is at least.
    sure: u64,
    /// How much more it may be.
    doubt: u64,
}

impl Counter {
    pub(super) fn new(key: String) -> Self {
        Self { key, sure: 0, doubt: 0 }
    }

    /// An INCR has been answered.
    pub(super) fn incremented(&mut self, told: &Told, tally: &Tally) {
        let counted = match told {
            Told::Value(value) => {
                assert!(*value > self.sure, "{self:?}: a write was lost: INCR says {value}");
                assert!(
                    *value <= self.sure + self.doubt + 1,
                    "{self:?}: a write was executed twice: INCR says {value}"
                );
                self.is(*value);
                &tally.acknowledged
            }
            Told::InDoubt => {
                self.doubt += 1;
                &tally.in_doubt
            }
            Told::NotSent => &tally.not_sent,
            Told::NotNow => &tally.not_now,
            told => panic!("{self:?}: {told:?} to INCR"),
        };
        Tally::add(counted, 1);
    }

    /// An EXEC that increments it was not answered.
    pub(super) fn unanswered(&mut self, tally: &Tally) {
        self.doubt += 1;
        Tally::add(&tally.unanswered, 1);
    }

    /// A GET has been answered.
    pub(super) fn seen(&mut self, told: &Told) {
        match told.number() {
            Some(value) => {
                self.check(value);
                self.is(value);
            }
            None => assert!(told.is_error(), "{self:?}: {told:?} to GET"),
        }
    }

    /// Whether it may have this value, which is returned.
    pub(super) fn check(&self, value: u64) -> u64 {
        assert!(value >= self.sure, "{self:?}: an acknowledged write was lost: the server has {value}");
        assert!(value <= self.sure + self.doubt, "{self:?}: a write was executed twice: the server has {value}");
        value
    }

    /// With its value known, nothing is in doubt any more: what was sent to a server that died is never executed later.
    fn is(&mut self, value: u64) {
        (self.sure, self.doubt) = (value, 0);
    }
}

/// What all clients have been told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) acknowledged: AtomicU64,
    /// Transactions among them, of two writes each.
    pub(super) transactions: AtomicU64,
    pub(super) in_doubt: AtomicU64,
    pub(super) not_sent: AtomicU64,
    pub(super) not_now: AtomicU64,
    pub(super) unanswered: AtomicU64,
    /// Connections that the proxy closed.
    pub(super) closed: AtomicU64,
    /// Clients that failed.
    pub(super) ended: AtomicU64,
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// Writes that were acknowledged outside of transactions, and in them.
    pub(super) fn written(&self) -> [u64; 2] {
        let in_transactions = 2 * self.transactions.load(Ordering::Relaxed);
        [self.acknowledged.load(Ordering::Relaxed).saturating_sub(in_transactions), in_transactions]
    }

    pub(super) fn summary(&self) -> String {
        let [_, in_transactions] = self.written();
        let [acknowledged, in_doubt, not_sent, not_now, unanswered, closed] =
            [&self.acknowledged, &self.in_doubt, &self.not_sent, &self.not_now, &self.unanswered, &self.closed]
                .map(|counter| counter.load(Ordering::Relaxed));
        format!(
            "{acknowledged} writes acknowledged ({in_transactions} in transactions), {in_doubt} in doubt, {not_sent} not sent, {not_now} refused by the server, \
             {unanswered} unanswered; {closed} sessions closed"
        )
    }
}
