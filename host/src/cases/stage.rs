//! What a component is made to believe in: a chain that it is the only transform of, sessions, and a server.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::exchange::{Exchange, Expected, Return, place_in};
use super::fault;
use super::notes::{Notes, Seen};
use super::outcome::Difference;
use super::reply::{self, Reply};
use super::verdict::{Action, Verdict};
use crate::buffer::LARGE;
use crate::chain::vector::{Request, lookup};
use crate::chain::{Answer, Chain, Kind, Link, Outcome, Responses, Trails, Vector, Witness};
use crate::ids::{MessageId, MessageIds, SessionId, TrailId};
use crate::plugin::{Fault, SessionDirectory, SessionInfo, Transform};
use crate::resp::request::Form;
use crate::resp::{downgrade, encode};

/// The sessions that there are.
pub(super) struct Sessions(RefCell<BTreeMap<u64, SessionInfo>>);

impl Sessions {
    /// The protocol that a session speaks.
    pub(super) fn protocol_of(&self, id: u64) -> u8 {
        self.protocol(id).unwrap_or(2)
    }

    fn close(&self, id: u64) {
        self.0.borrow_mut().remove(&id);
    }
}

impl SessionDirectory for Sessions {
    fn session(&self, id: u64) -> Option<SessionInfo> {
        self.0.borrow().get(&id).cloned()
    }
}

/// A chain with one transform, and everything that it works on.
pub(super) struct Stage {
    sessions: Rc<Sessions>,
    notes: Rc<Notes>,
    chain: Chain,
    vector: Vector,
    trails: Trails,
    responses: Responses,
    ids: MessageIds,
}

/// An exchange whose request has crossed.
struct Sent<'a> {
    exchange: &'a Exchange,
    about: String,
    protocol: u8,
    seen: Option<Seen>,
    /// The requests that are left of it: several after a fan-out.
    parts: Vec<Part>,
}

/// A request behind the chain.
struct Part {
    id: MessageId,
    trail: TrailId,
    outcome: Option<Outcome>,
}

/// What has come out for a client.
struct Came {
    /// As the client gets it; `None`: nothing.
    frame: Option<Vec<u8>>,
    fault: Option<Fault>,
}

impl Stage {
    pub(super) fn new(transform: Arc<Transform>, sessions: BTreeMap<u64, SessionInfo>) -> Self {
        let sessions = Rc::new(Sessions(RefCell::new(sessions)));
        let notes = Rc::new(Notes::new(&sessions));
        let spec = transform.spec();
        let link = Link { name: spec.name.as_str().into(), on_fault: spec.on_fault, transform };
        let directory: Rc<dyn SessionDirectory> = sessions.clone();
        let witness: Rc<dyn Witness> = notes.clone();
        Self {
            sessions,
            notes,
            chain: Chain::new(&[link], &directory).witnessed(&witness),
            vector: Vector::default(),
            trails: Trails::default(),
            responses: Responses::default(),
            ids: MessageIds::of_worker(0),
        }
    }

    /// Whether the component has been called: before that, no instance was started.
    pub(super) fn has_started(&self) -> bool {
        self.notes.has_started()
    }

    /// Lets the requests of a step cross together, and then their responses; says what was not as expected.
    pub(super) fn step(&mut self, number: usize, exchanges: &[Exchange]) -> Vec<Difference> {
        if let Some(difference) = self.closed(number, exchanges) {
            return vec![difference];
        }
        self.vector.clear();
        self.notes.clear();
        let sent: Vec<MessageId> = exchanges.iter().map(|exchange| self.send(exchange)).collect();
        self.chain.requests(&mut self.vector, &mut self.trails, &mut self.ids);
        let sent = self.arrived(number, exchanges, &sent);
        let mut differences: Vec<_> = sent.iter().filter_map(Sent::difference).collect();
        if differences.is_empty() {
            differences = self.respond(&sent);
        }
        if differences.is_empty() {
            differences = sent.iter().flat_map(|sent| self.push(sent)).collect();
        }
        let closes = |part: &Part| matches!(part.outcome, Some(Outcome::Close(_)));
        for sent in sent.iter().filter(|sent| sent.parts.iter().any(closes)) {
            self.sessions.close(sent.exchange.session);
        }
        differences
    }

    /// The request of a session that is no more: a fault may have closed it.
    fn closed(&self, number: usize, exchanges: &[Exchange]) -> Option<Difference> {
        let gone = |exchange: &&Exchange| self.sessions.session(exchange.session).is_none();
        let position = exchanges.iter().position(|exchange| gone(&exchange))?;
        let exchange = exchanges.get(position)?;
        let difference = Difference::new(&exchange.place, place_in(number, position, exchanges.len()))
            .row("request", exchange.request.words.line())
            .row(
                "actual",
                format!("session {} was closed in an earlier step: nothing comes of it any more", exchange.session),
            );
        Some(difference)
    }

    /// Put a request into the vector, as a session does that has read it.
    fn send(&mut self, exchange: &Exchange) -> MessageId {
        let (id, frame) = (self.ids.issue(), &exchange.request.frame);
        self.notes.sends(id, &exchange.request.words);
        self.vector.begin_run(SessionId(exchange.session));
        let first = self.vector.arguments_mut().len();
        let start = self.vector.arena_mut().append(frame);
        let range = start..start + frame.len();
        // The frame is whole: that was checked when it was read.
        match self.vector.scan(range.start, range.end) {
            Ok((_, Form::Array)) => {
                let command = lookup(&self.vector.arguments_at(range.clone(), first));
                if frame.len() < LARGE {
                    self.vector.push(id, range, first, command, TrailId::NONE);
                } else {
                    self.vector.push_large(id, Bytes::copy_from_slice(frame), first, command, TrailId::NONE);
                }
            }
            _ => {
                self.vector.push_words(id, &exchange.request.words.0);
            }
        }
        self.vector.end_run(frame.len());
        id
    }

    /// What is behind the chain.
    fn arrived<'a>(&self, number: usize, exchanges: &'a [Exchange], ids: &[MessageId]) -> Vec<Sent<'a>> {
        let mut behind = self.vector.requests().iter();
        let part = |request: &Request| Part {
            id: request.id,
            trail: request.trail,
            outcome: self.vector.outcome(request).cloned(),
        };
        let sent = exchanges.iter().zip(ids).enumerate().map(|(position, (exchange, &id))| {
            let seen = self.notes.seen(id);
            let count = match &seen {
                Some(Seen { became: Ok(given), .. }) => match &given.action {
                    Action::FanOut(requests) => requests.len(),
                    _ => 1,
                },
                _ => 1,
            };
            Sent {
                exchange,
                about: place_in(number, position, exchanges.len()),
                protocol: self.sessions.protocol_of(exchange.session),
                seen,
                parts: behind.by_ref().take(count).map(part).collect(),
            }
        });
        sent.collect()
    }

    /// Let responses come back, and answers that no server gave.
    fn respond(&mut self, sent: &[Sent<'_>]) -> Vec<Difference> {
        self.responses.clear();
        let mut of = Vec::new();
        for (index, sent) in sent.iter().enumerate() {
            let session = SessionId(sent.exchange.session);
            let mut frames = sent.exchange.back.iter().flat_map(|back| &back.frames);
            for part in &sent.parts {
                let (kind, answer) = match &part.outcome {
                    Some(Outcome::Reply(answer)) => (Kind::Single, answer.clone()),
                    Some(Outcome::Close(Some(answer))) => (Kind::Last, answer.clone()),
                    Some(Outcome::Close(None)) => continue,
                    None => match frames.next() {
                        Some(reply) => {
                            (Kind::Single, Answer { frame: reply.frame(sent.protocol).into(), foreign: false })
                        }
                        None => continue,
                    },
                };
                self.responses.push_bytes(session, part.id, part.trail, kind, answer.foreign, answer.frame);
                of.push(index);
            }
        }
        let came = self.come_back(sent, &of);
        sent.iter().zip(came).filter_map(|(sent, came)| sent.result_difference(&came)).collect()
    }

    /// What has come out of the responses for each exchange, of which `of` says whose each of them is.
    fn come_back(&mut self, sent: &[Sent<'_>], of: &[usize]) -> Vec<Came> {
        self.chain.responses(&mut self.responses, &mut self.trails);
        let mut came: Vec<Came> = sent.iter().map(|_| Came { frame: None, fault: None }).collect();
        for (response, &index) in self.responses.list().iter().zip(of) {
            let came = &mut came[index];
            came.fault = came.fault.take().or_else(|| self.notes.take_return_fault(response.id));
            if response.kind == Kind::Consumed {
                continue;
            }
            let frame = self.responses.bytes(response);
            let plain = if response.foreign && sent[index].protocol == 2 { downgrade::to_resp2(frame) } else { None };
            came.frame = Some(plain.unwrap_or_else(|| frame.to_vec()));
            if response.kind == Kind::Last {
                self.sessions.close(response.session.0);
            }
        }
        came
    }

    /// Let come what the server sends by itself, one after the other.
    fn push(&mut self, sent: &Sent<'_>) -> Vec<Difference> {
        let Some(part) = sent.parts.first() else { return Vec::new() };
        // The response has taken the trail with it; what comes later is watched as it was.
        let Some(Seen { became: Ok(given), .. }) = &sent.seen else { return Vec::new() };
        let watches: Vec<_> = given.watch.map(|tag| (self.chain.place(0), tag)).into_iter().collect();
        let mut differences = Vec::new();
        for (number, push) in (1..).zip(&sent.exchange.pushes) {
            self.responses.clear();
            let trail = self.trails.watched_by(&watches);
            for reply in &push.frames {
                let session = SessionId(sent.exchange.session);
                self.responses.push(session, part.id, trail, Kind::Unasked, false, &reply.frame(sent.protocol));
            }
            let came = self.come_back(std::slice::from_ref(sent), &[0]);
            let about = format!("{}, push {number}", sent.about);
            differences.extend(came.iter().filter_map(|came| sent.return_difference(about.clone(), push, came)));
        }
        differences
    }
}

impl Sent<'_> {
    /// What is wrong with its verdict.
    fn difference(&self) -> Option<Difference> {
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
    fn result_difference(&self, came: &Came) -> Option<Difference> {
        if let Some(back) = &self.exchange.back {
            return self.return_difference(self.about.clone(), back, came);
        }
        let expected = self.exchange.result.as_ref()?.frame(self.protocol);
        self.frame_difference(self.about.clone(), &expected, came)
    }

    /// What is wrong with what has become of what a server sent.
    fn return_difference(&self, about: String, back: &Return, came: &Came) -> Option<Difference> {
        let response = |reply: &Reply| reply::show(&reply.frame(self.protocol), self.protocol);
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
        let expected = format!("result: {}", reply::show(expected, self.protocol));
        Some(self.describe(about).row("expected", expected).row("actual", self.shown(came)))
    }

    fn shown(&self, came: &Came) -> String {
        match &came.frame {
            Some(frame) => format!("result: {}", reply::show(frame, self.protocol)),
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
