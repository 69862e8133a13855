//! A request that was not executed comes back: it is retried, or answered.

use bytes::Bytes;
use sluice_commands::{CommandId, ConnectionNeed};

use super::super::answers::Answers;
use super::super::replies::Replies;
use super::super::request::{QueuedRequest, RequestInfo};
use super::dispatch::Dispatch;
use super::retry::Verdict;
use super::subscriptions::OWN;
use crate::chain::Kind;
use crate::chain::vector::{Arguments, lookup};
use crate::upstream::{Cause, Ticket};

impl<R: Replies> Dispatch<'_, R> {
    /// Lets a request wait until it is due, in front of those that came after it, which wait until
    /// everything so far is answered.
    pub(super) fn retry(&mut self, request: QueuedRequest) {
        let now = self.replies.now();
        let due = request.retry.as_ref().map_or(now, |retry| retry.due);
        if due > now {
            self.route.wake_at(due, self.cluster, self.flow.id, now);
        }
        let at = self.flow.queue.partition_point(|other| other.place() < request.place());
        self.flow.queue.insert(at, request);
        self.flow.hold_behind(self.replies.progress(self.flow.id).issued);
    }

    /// A request has come back: it is retried, or answered.
    pub(super) fn come_back(&mut self, ticket: &Ticket, frame: Bytes, cause: Cause<'_>) {
        let now = self.replies.now();
        if ticket.part == OWN {
            return self.own_answered(ticket, true);
        }
        if let Some(transaction) = self.route.transaction.as_deref_mut().filter(|own| own.has(ticket)) {
            transaction.come_back(cause, self.cluster, now);
            return self.replies.wake(ticket.session);
        }
        let info = self.info_of(&frame, ticket);
        let mut retry = self.route.retry_of(ticket, now);
        match retry.judge(cause, info.command, &info.target, self.cluster, now) {
            Verdict::Answer(answer) => self.answer(ticket, &answer, Kind::Single),
            Verdict::Again => {
                // What it asked to change is noted again when it is sent again.
                let _ = self.flow.unconfirmed(ticket);
                if info.need == ConnectionNeed::Watch {
                    self.route.unwatch(ticket.sequence);
                }
                self.retry(QueuedRequest { ticket: *ticket, frame, info, retry: Some(Box::new(retry)) });
                self.replies.wake(ticket.session);
            }
        }
    }

    /// What is known of a request that has come back, of which only the bytes are left.
    fn info_of(&self, frame: &Bytes, ticket: &Ticket) -> RequestInfo {
        let mut spans = Vec::new();
        let arguments = Arguments::of(frame, &mut spans);
        let commands = self.cluster.commands();
        let command = match lookup(&arguments) {
            CommandId::UNKNOWN => commands.renamed(arguments.get(0).unwrap_or_default(), arguments.get(1)),
            known => known,
        };
        let mut info = RequestInfo::in_cluster(command, &arguments, self.cluster);
        if let Some(target) = self.route.target_of_part(ticket) {
            info.target = target;
        }
        info
    }
}
