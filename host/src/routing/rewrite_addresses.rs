//! Replies that tell of the nodes of a cluster, as clients are to see them: with the addresses of proxies where they are to reach the nodes
//! through these, or as if there were but one.

use bytes::Bytes;

use super::change::StateChange;
use super::session::{Route, Session};
use super::sink::Sink;
use crate::chain::Kind;
use crate::upstream::Ticket;

impl Session {
    /// The replies to the requests of `ticket` as the client is to see them; `None`: as they are.
    #[inline]
    pub(super) fn readdress(&self, sink: &Sink, ticket: &Ticket, replies: &[u8], kind: Kind) -> Option<Bytes> {
        if let Route::Cluster(route) = &self.route {
            return route.recount(ticket, replies);
        }
        let Sink::Single(sink) = sink else { return None };
        let rewrite = sink.rewrite()?;
        let several = ticket.count > 1 || kind != Kind::Single;
        let rewritten = match self.change_of(ticket.sequence) {
            Some(StateChange::Nodes(form)) => rewrite.reply(*form, replies),
            Some(StateChange::Exec(changes)) => {
                let nodes = changes.iter().filter_map(|(at, change)| match change {
                    StateChange::Nodes(form) => Some((*at, *form)),
                    _ => None,
                });
                rewrite.results(&nodes.collect::<Vec<_>>(), replies)
            }
            _ => None,
        };
        rewritten.or_else(|| rewrite.errors(replies, several)).map(Bytes::from)
    }

    /// What the request at this place has asked for.
    fn change_of(&self, sequence: u64) -> Option<&StateChange> {
        let at = self.changes.binary_search_by_key(&sequence, |(of, _)| *of).ok()?;
        self.changes.get(at).map(|(_, change)| change)
    }
}
