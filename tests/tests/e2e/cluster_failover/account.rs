//! Whether what a client has been told of its counter can be true.
//!
//! A failover is noticed by nobody but by what comes of it, so an account is a set of beliefs: on which of the primaries that the shard
//! has had the client may be now, and what its counter is there. Each reply is held against all of them, and those that it contradicts
//! are given up; when none is left, the reply is wrong.

use super::client::{Asked, Event};
use crate::told::Told;

/// What may be the case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Belief {
    /// How many failovers this client has behind it.
    failovers: usize,
    value: u64,
}

#[derive(Debug)]
pub(super) struct Account {
    key: String,
    /// What the replica had at each failover.
    kept: Vec<u64>,
    beliefs: Vec<Belief>,
    /// Increments that it was left in doubt about.
    pub(super) in_doubt: u64,
}

impl Account {
    /// Of a counter that is 0.
    pub(super) fn new(key: &str) -> Self {
        let beliefs = vec![Belief { failovers: 0, value: 0 }];
        Self { key: key.to_owned(), kept: Vec::new(), beliefs, in_doubt: 0 }
    }

    /// A replica has taken over with this value.
    pub(super) fn failed_over(&mut self, kept: u64) {
        self.kept.push(kept);
    }

    /// Goes on with what the client has been told since.
    ///
    /// # Errors
    ///
    /// What cannot be true.
    pub(super) fn settle(&mut self, events: &[Event]) -> Result<(), String> {
        for (at, event) in events.iter().enumerate() {
            let before = self.beliefs.clone();
            self.hear(event);
            if self.beliefs.is_empty() {
                let around = &events[at.saturating_sub(6)..events.len().min(at + 3)];
                let around: Vec<String> =
                    around.iter().map(|event| format!("{:?}: {:?}", event.asked, event.told)).collect();
                return Err(format!(
                    "{}: {:?} to {:?} cannot be; it was one of {before:?}, and replicas took over with {:?}; around it: {around:#?}",
                    self.key, event.told, event.asked, self.kept,
                ));
            }
        }
        Ok(())
    }

    /// Whether the last of the primaries may hold this in the end.
    pub(super) fn allows(&mut self, value: u64) -> bool {
        self.fail_over();
        self.beliefs.contains(&Belief { failovers: self.kept.len(), value })
    }

    fn hear(&mut self, event: &Event) {
        self.fail_over();
        let now = self.kept.len();
        if event.told == Told::InDoubt && event.asked == Asked::Increment {
            self.in_doubt += 1;
        }
        let beliefs = std::mem::take(&mut self.beliefs);
        for belief in beliefs {
            let more = Belief { value: belief.value + 1, ..belief };
            match (event.asked, &event.told) {
                (Asked::Increment, Told::Value(value)) if *value == more.value => self.believe(more),
                (Asked::Value, Told::Text(value)) if *value == belief.value.to_string() => self.believe(belief),
                // In doubt can be only what was sent to a primary that has failed since. It has been executed there, or not.
                (Asked::Increment, Told::InDoubt) if belief.failovers < now => {
                    self.believe(belief);
                    self.believe(more);
                }
                (Asked::Value | Asked::Large, Told::InDoubt) if belief.failovers < now => self.believe(belief),
                (Asked::Large, Told::Ok) => self.believe(belief),
                _ => {}
            }
        }
    }

    /// Whoever has not seen the next failover yet may see it now. The replica cannot have had what nobody has sent.
    fn fail_over(&mut self) {
        let mut at = 0;
        while let Some(&Belief { failovers, value }) = self.beliefs.get(at) {
            if let Some(&kept) = self.kept.get(failovers).filter(|kept| **kept <= value) {
                self.believe(Belief { failovers: failovers + 1, value: kept });
            }
            at += 1;
        }
    }

    fn believe(&mut self, belief: Belief) {
        if !self.beliefs.contains(&belief) {
            self.beliefs.push(belief);
        }
    }
}

#[test]
fn an_account_takes_what_can_be_true_and_nothing_else() {
    use Asked::{Increment, Value};
    use Told::InDoubt;
    let increment = |value| (Increment, Told::Value(value));
    let value = |value: u64| (Value, Told::Text(value.to_string()));
    let doubt = (Increment, InDoubt);
    // Told, what the replica had where there was a failover, and what the server holds in the end.
    let true_ones = [
        (vec![increment(1), value(1), increment(2)], None, 2),
        (vec![increment(1), doubt.clone(), increment(2)], Some(1), 2),
        (vec![increment(1), doubt.clone(), value(2), increment(3)], Some(2), 3),
        (vec![increment(1), (Value, InDoubt), value(1)], Some(1), 1),
        // Lost by replication.
        (vec![increment(1), increment(2), doubt.clone(), value(1), increment(2)], Some(1), 2),
        (vec![increment(1), increment(2)], Some(1), 1),
    ];
    let false_ones = [
        // Lost, doubled, or of another client.
        (vec![increment(1), increment(1)], None, 1),
        (vec![increment(1), increment(3)], None, 3),
        (vec![increment(1), value(0)], None, 1),
        // In doubt, though nothing has failed.
        (vec![increment(1), doubt.clone()], None, 1),
        // Executed again by the new primary, or by the old one.
        (vec![increment(1), doubt.clone(), increment(3)], Some(1), 3),
        (vec![increment(1), doubt.clone(), increment(2)], Some(1), 3),
        (vec![increment(1), doubt.clone(), increment(4)], Some(3), 4),
        // Said by the old primary when there was a new one.
        (vec![increment(1), increment(2), increment(2), increment(3), increment(3)], Some(1), 3),
        // Other errors.
        (vec![increment(1), (Increment, Told::NotSent), increment(2)], Some(1), 2),
        (vec![increment(1), (Increment, Told::NotNow), increment(2)], Some(1), 2),
    ];
    let holds = |(told, kept, value): &(Vec<(Asked, Told)>, Option<u64>, u64)| {
        let mut account = Account::new("count");
        kept.iter().for_each(|&kept| account.failed_over(kept));
        let events: Vec<Event> = told.iter().map(|(asked, told)| Event::now(*asked, told.clone())).collect();
        account.settle(&events).is_ok() && account.allows(*value)
    };
    true_ones.iter().for_each(|story| assert!(holds(story), "{story:?}"));
    false_ones.iter().for_each(|story| assert!(!holds(story), "{story:?}"));
}
