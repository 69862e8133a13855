//! What can be said of a `ValkeySinkCluster` that hides its cluster: it looks like one server.

use std::sync::Arc;
use std::time::Duration;

use super::connection;
use super::terms::one_of;
use crate::net::Endpoint;
use crate::upstream::ClusterPlan;
use crate::upstream::ReadFrom;
use crate::yaml::node::{Fields, Key, Node};
use crate::yaml::problem::{Origin, Problems};

const OWN: &[Key] = &[
    Key::read("first_contact_points"),
    Key::read("connection_count"),
    Key::read("refresh_interval"),
    Key::read("retry_timeout"),
    Key::read("read_from"),
];

const READ_FROM: &[(&str, ReadFrom)] = &[
    ("primary", ReadFrom::Primary),
    ("prefer_replica", ReadFrom::PreferReplica),
    ("round_robin", ReadFrom::RoundRobin),
    ("nearest", ReadFrom::Nearest),
];

const REFRESH_INTERVAL: Duration = Duration::from_secs(10);
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the configuration of the sink.
pub(super) fn hidden(node: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<ClusterPlan> {
    let fields = node.fields(&connection::with(OWN), problems)?;
    let points = points(&fields, problems);
    let mut duration = |key| fields.get(key).and_then(|node| node.duration(problems));
    let (refresh_interval, retry_timeout) = (duration("refresh_interval"), duration("retry_timeout"));
    let read_from = fields.get("read_from").and_then(|node| one_of(READ_FROM, &node, problems));
    let node = connection::plan(points, &fields, origin, problems)?;
    Some(ClusterPlan {
        contacts: node.servers.clone(),
        node,
        refresh_interval: refresh_interval.unwrap_or(REFRESH_INTERVAL),
        retry_timeout: retry_timeout.unwrap_or(RETRY_TIMEOUT),
        read_from: read_from.unwrap_or_default(),
        discovery: Arc::default(),
    })
}

/// The nodes that are asked for the others.
fn points(fields: &Fields<'_>, problems: &mut Problems) -> Option<Vec<Endpoint>> {
    let what = "some nodes of the cluster, such as [\"127.0.0.1:6379\"]";
    let list = fields.require("first_contact_points", what, problems)?;
    let entries = list.list(what, problems)?;
    if entries.is_empty() {
        problems.value(&list.path, "there must be at least one node to ask for the others");
        return None;
    }
    let points: Vec<_> = entries.iter().map(|node| connection::tcp(node, problems).map(Endpoint::Tcp)).collect();
    points.into_iter().collect()
}
