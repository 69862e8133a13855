//! What a component is made to believe in: a chain that it is the only transform of, sessions, and
//! a server.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::exchange::{Exchange, place_in};
use super::judge::{Came, Part, Sent};
use super::notes::{Notes, Seen};
use super::outcome::Difference;
use super::sessions::Sessions;
use super::verdict::Action;
use crate::buffer::LARGE;
use crate::chain::vector::{Request, lookup};
use crate::chain::{Answer, Chain, Kind, Link, Observer, Outcome, ResponsePaths, Responses, Vector};
use crate::ids::{MessageId, MessageIds, PathId, SessionId};
use crate::plugin::{SessionDirectory, SessionInfo, Transform};
use crate::resp::downgrade;
use crate::resp::request::Form;

/// A chain with one transform, and everything that it works on.
pub(super) struct Stage {
    sessions: Rc<Sessions>,
    notes: Rc<Notes>,
    chain: Chain,
    vector: Vector,
    trails: ResponsePaths,
    responses: Responses,
    ids: MessageIds,
}

impl Stage {
    pub(super) fn new(transform: Arc<Transform>, sessions: BTreeMap<u64, SessionInfo>) -> Self {
        let sessions = Rc::new(Sessions::new(sessions));
        let notes = Rc::new(Notes::new(&sessions));
        let spec = transform.spec();
        let link = Link { name: spec.name.as_str().into(), on_fault: spec.on_fault, transform };
        let directory: Rc<dyn SessionDirectory> = sessions.clone();
        let observer: Rc<dyn Observer> = notes.clone();
        Self {
            sessions,
            notes,
            chain: Chain::new(&[link], &directory).observed(&observer),
            vector: Vector::default(),
            trails: ResponsePaths::default(),
            responses: Responses::default(),
            ids: MessageIds::of_worker(0),
        }
    }

    /// Whether the component has been called: before that, no instance was started.
    pub(super) fn has_started(&self) -> bool {
        self.notes.has_started()
    }

    /// Lets the requests of a step cross together, and then their responses; says what was not as
    /// expected.
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

    /// Puts a request into the vector, as a session does that has read it.
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
                    self.vector.push(id, range, first, command, PathId::NONE);
                } else {
                    self.vector.push_large(id, Bytes::copy_from_slice(frame), first, command, PathId::NONE);
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

    /// Lets responses come back, and answers that no server gave.
    fn respond(&mut self, sent: &[Sent<'_>]) -> Vec<Difference> {
        self.responses.clear();
        let mut of = Vec::new();
        for (index, sent) in sent.iter().enumerate() {
            let session = SessionId(sent.exchange.session);
            let mut frames = sent.exchange.back.iter().flat_map(|back| &back.frames);
            for part in &sent.parts {
                let (kind, answer) = match &part.outcome {
                    Some(Outcome::Reply(answer) | Outcome::Spoil(answer)) => (Kind::Single, answer.clone()),
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

    /// What has come out of the responses for each exchange, of which `of` says whose each of them
    /// is.
    fn come_back(&mut self, sent: &[Sent<'_>], of: &[usize]) -> Vec<Came> {
        self.chain.responses(&mut self.responses, &mut self.trails);
        let mut came: Vec<Came> = sent.iter().map(|_| Came::default()).collect();
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

    /// Lets come what the server sends by itself, one after the other.
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
