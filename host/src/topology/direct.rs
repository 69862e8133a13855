//! What can be said of a `ValkeySinkCluster` whose clients route by themselves: it stands for one
//! node of the cluster.

use std::sync::Arc;

use super::connection::{self, A_NODE};
use crate::cluster::Rewrite;
use crate::net::Endpoint;
use crate::upstream::SinglePlan;
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::{Origin, Problems};

const OWN: &[Key] = &[
    Key::read("direct_destination"),
    Key::read("rewrite"),
    // Shotover asks for these with or without a direct destination.
    Key::read("first_contact_points"),
    Key::read("connection_count"),
];

/// Reads the configuration of the sink.
pub(super) fn direct(node: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<SinglePlan> {
    let fields = node.fields(&connection::with(OWN), problems)?;
    let destination = fields.require("direct_destination", "the node that the source stands for", problems)?;
    let endpoint = connection::server(&destination, problems);
    let table = fields.get("rewrite").map(|table| rewrite(&table, endpoint.as_ref(), problems));
    if let Some(points) = fields.get("first_contact_points") {
        // Nothing is asked of them, but a mistake is one.
        let points = points.list("a list of nodes", problems).unwrap_or_default();
        points.iter().for_each(|point| drop(connection::tcp(point, problems)));
    }
    let plan = connection::plan(endpoint.map(|endpoint| vec![endpoint]), &fields, origin, problems)?;
    Some(SinglePlan { hangs_up: true, rewrite: table.map(Arc::new), ..plan })
}

/// What is said where there is a table, and no node that its source stands for.
pub(super) fn is_missing(node: &Node<'_>, problems: &mut Problems) {
    let message = "`rewrite` is for sources that stand for a node each: `direct_destination`, that node, is missing";
    problems.key(&node.path.key("rewrite"), message);
}

/// Node of the cluster → address of its proxy.
fn rewrite(table: &Node<'_>, asked: Option<&Endpoint>, problems: &mut Problems) -> Rewrite {
    let mut rewrite = Rewrite::new(asked.and_then(Endpoint::host));
    let what = "a map from nodes of the cluster to the addresses of their proxies";
    for (node, proxy) in table.entries(what, problems) {
        let stands_for = match node.parse() {
            Ok(Endpoint::Tcp(address)) => Some(address),
            _ => {
                let message = format!("{node:?} is no node of a cluster: expected {A_NODE}");
                problems.key(&proxy.path, message);
                None
            }
        };
        if let (Some(node), Some(proxy_at)) = (stands_for, connection::tcp(&proxy, problems))
            && !rewrite.add(&node, &proxy_at)
        {
            problems.key(&proxy.path, "this node is in the table already, written in another way");
        }
    }
    rewrite
}
