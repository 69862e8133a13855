//! Where the requests of a source leave: what routing asks of every kind of sink.
//!
//! A sink is one implementation of [`Sink`] and a line in [`sink`]. What a sink does not say
//! otherwise is what `NullSink` does.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::flow::{Links, Route};
use super::replies::Replies;
use super::request::Outgoing;
use super::routes::Router;
use crate::chain::{Answer, Kind};
use crate::net::Remote;
use crate::upstream::{
    Cause, Cluster, ClusterPlan, Failure, Identity, Lost, NodeView, Payload, Ready, ServerCommands, Single, SinglePlan,
    Ticket,
};

/// What is configured of a sink.
#[derive(Clone, Debug)]
pub enum SinkPlan {
    /// `ValkeySinkSingle`: one server, or the first of several that works.
    Single(SinglePlan),
    /// `ValkeySinkCluster`: a cluster that looks like one server.
    Cluster(ClusterPlan),
    /// `ValkeySinkCluster` with a direct destination: one node of a cluster.
    Direct(SinglePlan),
    /// `NullSink`: whatever comes is answered with an error.
    Null,
}

impl SinkPlan {
    /// What its servers call their commands; `None`: it has none.
    pub fn commands(&self) -> Option<Arc<ServerCommands>> {
        match self {
            Self::Cluster(cluster) => Some(cluster.node.commands.clone()),
            Self::Single(single) | Self::Direct(single) => Some(single.commands.clone()),
            Self::Null => None,
        }
    }

    /// How its servers are reached.
    pub fn remotes(&self) -> &[Remote] {
        match self {
            Self::Cluster(cluster) => &cluster.contacts,
            Self::Single(single) | Self::Direct(single) => &single.servers,
            Self::Null => &[],
        }
    }
}

/// The sink that `plan` asks for; must be called inside of the worker's runtime.
pub(crate) fn sink<R: Replies>(plan: &SinkPlan, ready: &Rc<Ready>) -> Rc<dyn Sink<R>> {
    match plan {
        SinkPlan::Null => Rc::new(NullSink),
        SinkPlan::Single(plan) | SinkPlan::Direct(plan) => Rc::new(Single::new(plan, ready)),
        SinkPlan::Cluster(plan) => Rc::new(Cluster::new(plan, ready)),
    }
}

/// Where the requests of a source leave.
pub(crate) trait Sink<R: Replies> {
    /// The connections that a new session begins with.
    fn begin(&self) -> Links {
        Links::Nowhere
    }

    /// Who a session is before it has said anything.
    fn identity(&self) -> Rc<Identity> {
        Rc::default()
    }

    /// Whether replies name nodes whose addresses clients must not see.
    fn rewrites(&self) -> bool {
        false
    }

    /// Whether requests that lie side by side may leave as one.
    fn takes_several(&self) -> bool {
        true
    }

    /// The nodes behind it, where it is a cluster that is known.
    fn view(&self) -> Option<Rc<NodeView>> {
        None
    }

    /// Sends a request that has come out of the chain, or lets it wait.
    fn send(&self, route: &mut Route, request: Outgoing<'_>, replies: &mut R);

    /// Requests that go straight to their connection could not be sent.
    fn not_sent(&self, route: &mut Route, ticket: Ticket, _: &[u8], failure: Failure, replies: &mut R) {
        self.failed(route, &ticket, failure, replies);
    }

    /// Lets what a session has waiting go on, as far as it can.
    fn poll(&self, _: &mut Route, _: &mut R) {}

    /// The server has replied to the requests of `ticket`.
    fn reply(&self, _: &mut Route, ticket: &Ticket, reply: Payload<'_>, kind: Kind, replies: &mut R) {
        replies.reply(ticket, reply, kind);
    }

    /// A request comes back that was not executed.
    fn sent_back(&self, route: &mut Route, ticket: &Ticket, _: Bytes, _: Cause<'_>, replies: &mut R) {
        self.failed(route, ticket, Failure::NotSent, replies);
    }

    /// A connection that the session had to itself is over.
    fn ended(&self, _: &mut Route, _: Lost, _: &mut R) {}

    /// A frame has come by itself. Returns whether it is not for the client.
    fn withholds(&self, _: &mut Route, _: &[u8], _: &mut R) -> bool {
        false
    }

    /// Writes what waits on the shared connections. Returns whether so much is left that no more
    /// should be read for it.
    fn flush(&self) -> bool {
        false
    }

    /// Lets sessions that wait for an exclusive connection have those that are free.
    fn lend(&self, _: &mut Router<'_, R>) {}

    /// Looks after the upstream; to be called a few times a second.
    fn tend(&self, _: &mut Router<'_, R>) {}

    /// Subscribes a session again that has lost the connection that it was subscribed on.
    fn resubscribe(&self, _: &mut Route, _: &mut R) {}

    /// The session is over: gives back its connections.
    fn leave(&self, _: &mut Route, _: &mut R) {}

    /// There will be no reply to the requests of `ticket`.
    fn failed(&self, _: &mut Route, ticket: &Ticket, _: Failure, replies: &mut R) {
        replies.failed(ticket.count);
        replies.discard(ticket.trail);
    }
}

/// `NullSink`: what no transform has answered is answered with an error.
struct NullSink;

impl<R: Replies> Sink<R> for NullSink {
    fn send(&self, _: &mut Route, request: Outgoing<'_>, replies: &mut R) {
        let name = String::from_utf8_lossy(request.arguments.get(0).unwrap_or_default()).into_owned();
        let name = name.escape_debug();
        let text = format!("ERR '{name}' was answered by no transform, and the chain ends in NullSink");
        replies.answer(&request.ticket, &Answer::error(&text), Kind::Single);
    }
}
