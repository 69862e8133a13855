//! How the requests of a session end without a server's reply.

use bytes::Bytes;

use super::flow::Flow;
use super::replies::Replies;
use crate::chain::{Answer, Kind};
use crate::upstream::{Failure, Ticket};

/// Answers the requests of one session in the place of its server. Each sink says what is its own;
/// the rules that all share stand here.
pub(super) trait Answers<R: Replies> {
    /// The session's requests, and whom they are answered through.
    fn parts(&mut self) -> (&mut Flow, &mut R);

    /// Whether a session is closed without an answer when its server fails it.
    fn hangs_up(&self) -> bool {
        false
    }

    /// Whether the requests of `ticket`, which have failed, are sent again.
    fn is_sent_again(&mut self, _: &Ticket, _: Failure) -> bool {
        false
    }

    /// Answers the requests of `ticket`.
    fn answer(&mut self, ticket: &Ticket, answer: &Answer, kind: Kind);

    /// There will be no reply to the requests of `ticket`.
    fn failed(&mut self, ticket: &Ticket, failure: Failure) {
        let (flow, replies) = self.parts();
        if flow.departed {
            // The server has let go of the client that waited, as it was asked to.
            replies.remove(ticket.session);
            return replies.discard(ticket.trail);
        }
        if self.is_sent_again(ticket, failure) {
            return self.parts().1.wake(ticket.session);
        }
        let unconfirmed = self.parts().0.unconfirmed(ticket);
        if failure.is_of_server() && self.hangs_up() {
            return self.last(ticket, &Answer { frame: Bytes::new(), foreign: false });
        }
        if unconfirmed {
            return self.dismiss(ticket, failure);
        }
        self.parts().1.failed(ticket.count);
        self.answer(ticket, &Answer::error(&failure.to_string()), Kind::Single);
    }

    /// A request has failed without which those behind it may mean something else: its error is the
    /// last answer of the session.
    fn dismiss(&mut self, ticket: &Ticket, failure: Failure) {
        self.last(ticket, &Answer::error(&failure.to_string()));
    }

    /// This is the last answer of the session.
    fn last(&mut self, ticket: &Ticket, answer: &Answer) {
        let (flow, replies) = self.parts();
        flow.dismissed = true;
        flow.queue.drain(..).for_each(|request| replies.discard(request.ticket.trail));
        replies.failed(ticket.count);
        self.answer(ticket, answer, Kind::Last);
    }

    /// Reads no more from the session, and fails what waits.
    fn end(&mut self, failure: Failure) {
        let (flow, replies) = self.parts();
        let id = flow.id;
        replies.end(id);
        for request in std::mem::take(&mut flow.queue) {
            self.failed(&request.ticket, failure);
        }
        self.parts().1.wake(id);
    }
}
