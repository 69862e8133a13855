//! Requests that were not executed and are retried: where, when, and how often.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_commands::CommandId;

use crate::chain::Answer;
use crate::cluster::{Address, MOST, Obstacle, Redirect, Target};
use crate::ids::Sequence;
use crate::net::{host_and_port, with_port};
use crate::upstream::{Cause, Cluster, NodeView, Ticket};

/// What has come of a request so far.
#[derive(Clone, Debug)]
pub(in super::super) struct Retry {
    /// Which request, and which part of it.
    pub(super) of: (Sequence, u16),
    /// Since when it is tried.
    since: Instant,
    redirections: u8,
    /// How long it has waited the last time.
    pause: Duration,
    /// When it is to be tried again.
    pub(super) due: Instant,
    /// How often it has waited.
    pub(super) pauses: u32,
    /// The node that it was sent to by a redirection.
    pub(super) to: Option<Arc<str>>,
    /// Whether that node is only about to get the slot.
    asking: bool,
    /// What the client is told when it has been tried for long enough.
    last: Bytes,
}

/// The pauses between two attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// What follows from the last attempt.
pub(super) enum Verdict {
    /// Try again when it is due.
    Again,
    /// This is the answer.
    Answer(Answer),
}

impl Retry {
    pub(super) fn new(ticket: &Ticket, now: Instant) -> Self {
        Self {
            of: (ticket.sequence, ticket.part),
            since: now,
            redirections: 0,
            pause: Duration::ZERO,
            due: now,
            pauses: 0,
            to: None,
            asking: false,
            last: Bytes::new(),
        }
    }

    /// The request has come back.
    pub(super) fn judge(
        &mut self,
        cause: Cause<'_>,
        command: CommandId,
        target: &Target,
        cluster: &Cluster,
        now: Instant,
    ) -> Verdict {
        (self.to, self.asking) = (None, false);
        let Cause::Reply { error, server } = cause else {
            cluster.refresh(None);
            return self.later(unreachable(target, cluster), cluster, now);
        };
        let answer = || Verdict::Answer(Answer { frame: Bytes::copy_from_slice(error), foreign: false });
        let Some(redirect) =
            Redirect::of(error).filter(|redirect| !runs_scripts(command) || redirect.is_of_server(error))
        else {
            return answer();
        };
        cluster.redirected(server, redirect);
        match redirect {
            Redirect::Moved(slot, address) | Redirect::Ask(slot, address) => {
                // What a script says is no redirection, unless it says so of its own slot. Of what nobody knows, only the cluster can tell.
                if *target != Target::To(slot) && command != CommandId::UNKNOWN {
                    return answer();
                }
                self.redirections = self.redirections.saturating_add(1);
                let to = host_of(address, server);
                self.asking = matches!(redirect, Redirect::Ask(..));
                let known = cluster.view().is_some_and(|view| view.at(&to).is_some());
                if !self.asking || !known {
                    cluster.refresh(Some(&to));
                }
                self.to = Some(to);
                if self.redirections <= MOST && known {
                    self.due = now;
                    return Verdict::Again;
                }
                // The nodes do not agree at the moment.
                let text = format!("CLUSTERDOWN too many redirections for slot {slot}; this request was not executed");
                self.later(Answer::error(&text).frame, cluster, now)
            }
            Redirect::ReadOnly | Redirect::Later(_) => {
                // While a slot is on its target, there is nothing new to learn.
                if redirect != Redirect::Later(Obstacle::TryAgain) {
                    cluster.refresh(None);
                }
                self.later(Bytes::copy_from_slice(error), cluster, now)
            }
        }
    }

    /// Whether the request goes behind ASKING, to the node that it was sent to.
    pub(super) fn asks(&self, view: &NodeView) -> bool {
        self.asking && self.to.as_deref().is_some_and(|to| view.at(to).is_some())
    }

    /// It cannot be executed now.
    pub(super) fn later(&mut self, otherwise: Bytes, cluster: &Cluster, now: Instant) -> Verdict {
        self.last = otherwise;
        // What has waited starts anew: while some of its keys are in one place and some in none, each attempt is sent on once.
        self.redirections = 0;
        if now.saturating_duration_since(self.since) >= cluster.retry_timeout() {
            return Verdict::Answer(Answer { frame: self.last.clone(), foreign: false });
        }
        self.pause = (2 * self.pause).clamp(PAUSES.0, PAUSES.1);
        self.due = now + self.pause;
        self.pauses += 1;
        Verdict::Again
    }
}

/// Whether the errors of a command may be those of a script, which has been executed then.
fn runs_scripts(command: CommandId) -> bool {
    let names = ["eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro"];
    command.get().is_some_and(|command| names.contains(&command.name()))
}

/// `host:port`, an IPv6 address in brackets.
fn host_of(target: Address<'_>, server: &Rc<str>) -> Arc<str> {
    let host = target.host.or_else(|| host_and_port(server).map(|(host, _)| host)).unwrap_or_default();
    with_port(host, target.port)
}

/// Why a request could not be sent. Where the nodes are is for the operator's log.
pub(super) fn unreachable(target: &Target, cluster: &Cluster) -> Bytes {
    let answer = match (cluster.view(), target) {
        (None, _) => {
            let trouble = cluster.trouble();
            let reason = trouble.as_deref().unwrap_or("no contact point has answered yet");
            Answer::error(&format!("CLUSTERDOWN the cluster is not known: {reason}; this request was not sent"))
        }
        (Some(view), Target::To(slot)) if view.owner(*slot).is_none() => {
            Answer::error(&format!("CLUSTERDOWN nobody serves slot {slot}; this request was not sent"))
        }
        (Some(_), Target::To(slot)) => Answer::error(&format!(
            "CLUSTERDOWN the node that serves slot {slot} is unreachable; this request was not sent"
        )),
        (Some(_), _) => Answer::error("CLUSTERDOWN a node of the cluster is unreachable; this request was not sent"),
    };
    answer.frame
}
