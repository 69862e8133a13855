//! Runs a family against a target, and keeps what of each reply must be the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Action, Family, Step, fill};
use super::reply::{Compare, Reply};
use super::target::{Came, Target, Wire};

/// How the requests of a family are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each waits for its reply.
    OneByOne,
    /// As many as possible at once.
    Pipelined,
    /// Each in a MULTI … EXEC of its own.
    Transaction,
    /// Against keys of another type.
    WrongType,
}

impl Way {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::OneByOne, Self::Pipelined, Self::Transaction, Self::WrongType];

    /// Its name in the list of differences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneByOne => "one-by-one",
            Self::Pipelined => "pipelined",
            Self::Transaction => "transaction",
            Self::WrongType => "wrong-type",
        }
    }

    /// The steps of a family in this way; `None` where it has none.
    fn steps(self, family: &Family, target: &Target) -> Option<Vec<Step>> {
        let simple = || family.steps.iter().filter(|step| step.simple().is_some()).cloned();
        match self {
            Self::OneByOne | Self::Pipelined => Some(family.steps.clone()),
            Self::Transaction => {
                family.poison.as_ref()?;
                let step = |line: &Step, name: &str| -> Step {
                    let compare = if name == "EXEC" { line.compare.deeper() } else { Compare::Bytes };
                    Step { action: Action::Request(vec![name.as_bytes().to_vec()]), compare, ..line.clone() }
                };
                let queued = |line: &Step| Step { compare: Compare::Bytes, ..line.clone() };
                Some(simple().flat_map(|line| [step(&line, "MULTI"), queued(&line), step(&line, "EXEC")]).collect())
            }
            Self::WrongType => {
                let poison = family.poison.as_ref()?;
                let keys = keys(simple().filter_map(|step| step.simple().map(<[_]>::to_vec)), target);
                let with = |key: &Vec<u8>| -> Vec<Vec<u8>> {
                    let word = |word: &Vec<u8>| if word == b"{key}" { key.clone() } else { word.clone() };
                    poison.iter().map(word).collect()
                };
                let step = |key: &Vec<u8>| Step {
                    line: format!("(poison {})", key.escape_ascii()),
                    connection: 1,
                    only: None,
                    action: Action::Request(with(key)),
                    replies: 1,
                    compare: Compare::Bytes,
                    keep: None,
                };
                Some(keys.iter().map(step).chain(simple()).collect())
            }
        }
    }
}

/// The keys of these requests, as the server itself names them.
fn keys(requests: impl Iterator<Item = Vec<Vec<u8>>>, target: &Target) -> BTreeSet<Vec<u8>> {
    let mut wire = target.connect();
    let mut keys = BTreeSet::new();
    for request in requests {
        let words: Vec<Vec<u8>> = [b"COMMAND".to_vec(), b"GETKEYS".to_vec()].into_iter().chain(request).collect();
        wire.send_request(&words);
        if let Came::Reply(Reply { elements: Some(found), .. }, _) = wire.reply() {
            keys.extend(found.into_iter().map(|key| key.text));
        }
    }
    keys
}

/// What of a step's replies must be the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) line: String,
    pub(super) replies: String,
}

/// Runs a family in one way and one protocol; `None` where there is nothing of it in that way.
pub(super) fn run(family: &Family, way: Way, protocol: u8, target: &Target) -> Option<Vec<Outcome>> {
    let mut run = Run { target, protocol, wires: BTreeMap::new(), kept: BTreeMap::new(), outcomes: Vec::new() };
    let steps = way.steps(family, target)?;
    let steps: Vec<&Step> = steps.iter().filter(|step| step.only.is_none_or(|only| only == protocol)).collect();
    let mut at = 0;
    while at < steps.len() {
        let together = steps[at..].iter().take_while(|step| step.simple().is_some()).count();
        let together = if way == Way::Pipelined { together.max(1) } else { 1 };
        let batch = &steps[at..at + together];
        batch.iter().for_each(|step| run.send(step));
        batch.iter().for_each(|step| run.receive(step));
        at += together;
    }
    let wires = std::mem::take(&mut run.wires);
    for (number, wire) in wires {
        let replies = wire.finish();
        run.outcomes.push(Outcome { line: format!("(the end of connection {number})"), replies });
    }
    Some(run.outcomes)
}

struct Run<'a> {
    target: &'a Target,
    protocol: u8,
    wires: BTreeMap<u8, Wire>,
    kept: BTreeMap<String, Vec<u8>>,
    outcomes: Vec<Outcome>,
}

impl Run<'_> {
    fn send(&mut self, step: &Step) {
        match &step.action {
            Action::Request(words) => {
                let words = fill(words, &self.kept);
                self.wire(step.connection).send_request(&words);
            }
            Action::Raw(bytes) => self.wire(step.connection).send(bytes),
            Action::Close => drop(self.wires.remove(&step.connection)),
            Action::Await(text, words) => {
                let words = fill(words, &self.kept);
                let came = self.target.comes_to_hold(&words, text);
                let replies = if came { "" } else { "(waited in vain)" }.to_owned();
                self.outcomes.push(Outcome { line: step.line.clone(), replies });
            }
            Action::Read | Action::Rest => {}
        }
    }

    fn receive(&mut self, step: &Step) {
        let mut outcome = Outcome { line: step.line.clone(), replies: String::new() };
        match &step.action {
            Action::Close | Action::Await(..) => return,
            Action::Rest => outcome.replies = self.wire(step.connection).rest(),
            Action::Request(_) | Action::Raw(_) | Action::Read => {
                for _ in 0..step.replies {
                    match self.wire(step.connection).reply() {
                        Came::Reply(reply, bytes) => {
                            outcome.replies += &step.compare.part(&reply, &bytes);
                            if let Some(name) = &step.keep {
                                self.kept.insert(name.clone(), reply.text);
                            }
                        }
                        Came::End(how) => outcome.replies += &how,
                    }
                }
            }
        }
        self.outcomes.push(outcome);
    }

    fn wire(&mut self, number: u8) -> &mut Wire {
        self.wires.entry(number).or_insert_with(|| {
            let mut wire = self.target.connect();
            if self.protocol == 3 {
                wire.send_request(&[b"HELLO".to_vec(), b"3".to_vec()]);
                // Where a password is wanted first, it is refused, and the connection stays with RESP2.
                let replies = match wire.reply() {
                    Came::Reply(reply, bytes) => Compare::Type.part(&reply, &bytes),
                    Came::End(how) => how,
                };
                self.outcomes.push(Outcome { line: format!("(HELLO 3 on connection {number})"), replies });
            }
            wire
        })
    }
}
