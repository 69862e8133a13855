//! What was expected, held against what has come.

use super::exchange::{Exchange, Expected, Return};
use super::fault;
use super::notation;
use super::notes::Seen;
use super::outcome::Difference;
use super::reply::Reply;
use super::verdict::{Action, Verdict};
use crate::chain::Outcome;
use crate::ids::{MessageId, PathId};
use crate::plugin::Fault;
use crate::resp::encode;

/// An exchange whose request has crossed.
pub(super) struct Sent<'a> {
    pub(super) exchange: &'a Exchange,
    /// Where it stands among the others, for messages.
    pub(super) about: String,
    /// What its session speaks.
    pub(super) protocol: u8,
    /// `None`: it did not cross.
    pub(super) seen: Option<Seen>,
    /// The requests that are left of it: several after a fan-out.
    pub(super) parts: Vec<Part>,
}

/// A request behind the chain.
pub(super) struct Part {
    pub(super) id: MessageId,
    pub(super) trail: PathId,
    /// `None`: it goes to the server.
    pub(super) outcome: Option<Outcome>,
}

/// What has come out for a client.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// As the client gets it; `None`: nothing.
    pub(super) frame: Option<Vec<u8>>,
    /// What the crossing of the response has cost.
    pub(super) fault: Option<Fault>,
}

impl Sent<'_> {
    /// What is wrong with its verdict.
    pub(super) fn difference(&self) -> Option<Difference> {
        let is_expected = match (&self.exchange.expected, &self.seen) {
            (Expected::Verdict(verdict), Some(Seen { became: Ok(given), .. })) => verdict.is(given, self.protocol),
            (Expected::Verdict(verdict), None) => *verdict == Verdict::FORWARD,
            (Expected::Fault(expected), Some(Seen { became: Err(fault), .. })) => expected.is(fault),
            (Expected::Fault(_), _) | (Expected::Verdict(_), Some(Seen { became: Err(_), .. })) => false,
        };
        if is_expected {
            return None;
        }
        let expected = match &self.exchange.expected {
            Expected::Verdict(verdict) => format!("verdict: {}", verdict.show(self.protocol)),
            Expected::Fault(fault) => format!("fault: {}", fault.show()),
        };
        let actual = match &self.seen {
            None => "verdict: forward".to_owned(),
            Some(Seen { became: Ok(given), .. }) => format!("verdict: {}", given.show(self.protocol)),
            Some(Seen { became: Err(fault), .. }) => format!("fault: {}", fault::show(fault)),
        };
        Some(self.describe(self.about.clone()).row("expected", expected).row("actual", actual))
    }

    /// What is wrong with what the client got.
    pub(super) fn result_difference(&self, came: &Came) -> Option<Difference> {
        if let Some(back) = &self.exchange.back {
            return self.return_difference(self.about.clone(), back, came);
        }
        let expected = self.exchange.result.as_ref()?.frame(self.protocol);
        self.frame_difference(self.about.clone(), &expected, came)
    }

    /// What is wrong with what has become of what a server sent.
    pub(super) fn return_difference(&self, about: String, back: &Return, came: &Came) -> Option<Difference> {
        let response = |reply: &Reply| notation::show(&reply.frame(self.protocol), self.protocol);
        let is_expected = match (&back.fault, &came.fault) {
            (Some(expected), Some(fault)) => expected.is(fault),
            (None, None) => true,
            _ => false,
        };
        let frames: Vec<String> = back.frames.iter().map(response).collect();
        let with_responses = |difference: Difference| match frames.as_slice() {
            [one] => difference.row("response", one),
            several => difference.row("responses", format!("[{}]", several.join(", "))),
        };
        if !is_expected {
            let expected =
                back.fault.as_ref().map_or_else(|| "no fault".to_owned(), |fault| format!("fault: {}", fault.show()));
            let actual =
                came.fault.as_ref().map_or_else(|| self.shown(came), |fault| format!("fault: {}", fault::show(fault)));
            let difference = with_responses(self.describe(about));
            return Some(difference.row("expected", expected).row("actual", actual));
        }
        let expected = match (&back.result, &back.fault) {
            (Some(result), _) => result.frame(self.protocol),
            (None, Some(_)) => return None,
            (None, None) => self.unchanged(&back.frames),
        };
        self.frame_difference(about, &expected, came)
    }

    /// What comes out where nothing is changed: of a fan-out, the array of all.
    fn unchanged(&self, frames: &[Reply]) -> Vec<u8> {
        let frames: Vec<Vec<u8>> = frames.iter().map(|reply| reply.frame(self.protocol)).collect();
        match (self.parts.as_slice(), frames.as_slice()) {
            ([_], [frame]) if !self.is_fan_out() => frame.clone(),
            (_, frames) => {
                let mut array = Vec::new();
                encode::header(&mut array, b'*', frames.len());
                array.extend(frames.iter().flatten());
                array
            }
        }
    }

    fn is_fan_out(&self) -> bool {
        matches!(&self.exchange.expected, Expected::Verdict(verdict) if matches!(verdict.action, Action::FanOut(_)))
    }

    fn frame_difference(&self, about: String, expected: &[u8], came: &Came) -> Option<Difference> {
        if came.frame.as_deref() == Some(expected) {
            return None;
        }
        let expected = format!("result: {}", notation::show(expected, self.protocol));
        Some(self.describe(about).row("expected", expected).row("actual", self.shown(came)))
    }

    fn shown(&self, came: &Came) -> String {
        match &came.frame {
            Some(frame) => format!("result: {}", notation::show(frame, self.protocol)),
            None => "nothing for the client".to_owned(),
        }
    }

    fn describe(&self, about: String) -> Difference {
        let difference =
            Difference::new(&self.exchange.place, about).row("request", self.exchange.request.words.line());
        match &self.seen {
            Some(seen) => difference.row("seen", seen.view.clone()),
            None => difference.row("seen", "nothing: the component has not asked for this command"),
        }
    }
}
