//! What connections bring, on its way to the worker.

use bytes::Bytes;

use super::replies::Replies;
use super::routes::Router;
use crate::chain::Kind;
use crate::ids::SessionId;
use crate::upstream::{Cause, Failure, Lost, Payload, Receiver, Ticket};

impl<R: Replies> Receiver for Router<'_, R> {
    fn reply(&mut self, ticket: &Ticket, reply: Payload<'_>, whole: bool) {
        let kind = if whole { Kind::Single } else { Kind::Several };
        match self.routes.get(ticket.session) {
            // No session waits for it any more.
            None => self.replies.discard(ticket.trail),
            Some(route) if route.is_plain(ticket) => self.replies.reply(ticket, reply, kind),
            Some(_) => self.with(ticket.session, |sink, route, replies| {
                sink.reply(route, ticket, reply, kind, replies);
            }),
        }
    }

    fn unasked(&mut self, session: SessionId, frame: &[u8]) {
        self.with(session, |sink, route, replies| {
            if !sink.withholds(route, frame, replies) {
                replies.push(session, frame, route.flow.pushes.as_deref());
            }
        });
    }

    fn stream(&mut self, session: SessionId, bytes: &[u8]) {
        self.replies.stream(session, bytes);
    }

    fn unanswered(&mut self, ticket: &Ticket) {
        self.replies.skip(ticket);
    }

    fn failed(&mut self, ticket: &Ticket, failure: Failure) {
        if self.routes.get(ticket.session).is_none() {
            self.replies.failed(ticket.count);
            return self.replies.discard(ticket.trail);
        }
        self.with(ticket.session, |sink, route, replies| sink.failed(route, ticket, failure, replies));
    }

    fn sent_back(&mut self, ticket: &Ticket, request: Bytes, cause: Cause<'_>) {
        if self.routes.get(ticket.session).is_none() {
            return self.replies.discard(ticket.trail);
        }
        self.with(ticket.session, |sink, route, replies| {
            sink.sent_back(route, ticket, request, cause, replies);
        });
    }

    fn ended(&mut self, session: SessionId, lost: Lost) {
        self.with(session, |sink, route, replies| sink.ended(route, lost, replies));
    }
}
