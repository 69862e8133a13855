//! The sinks: what a chain can end with.

use super::direct::{self, direct};
use super::hidden::hidden;
use super::single::single;
use crate::routing::SinkPlan;
use crate::yaml::node::Node;
use crate::yaml::problem::{Origin, Problems};

/// Reads a sink's configuration.
pub(super) type Read = fn(&Node<'_>, Origin<'_>, &mut Problems) -> Option<SinkPlan>;

const SINKS: &[(&str, Read)] = &[
    ("ValkeySinkSingle", |node, origin, problems| single(node, origin, problems).map(SinkPlan::Single)),
    ("ValkeySinkCluster", cluster),
    ("NullSink", null),
];

/// How the sink of this name is read; `None` where no sink has it.
pub(super) fn find(name: &str) -> Option<Read> {
    let (_, read) = SINKS.iter().find(|(known, _)| *known == name)?;
    Some(*read)
}

pub(super) fn names() -> Vec<&'static str> {
    SINKS.iter().map(|(name, _)| *name).collect()
}

/// The sink of this name is one of two, by whether the clients route or the sink does.
fn cluster(node: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<SinkPlan> {
    if node.has("direct_destination") {
        return direct(node, origin, problems).map(SinkPlan::Direct);
    }
    if node.has("rewrite") {
        direct::is_missing(node, problems);
        return None;
    }
    hidden(node, origin, problems).map(SinkPlan::Cluster)
}

fn null(node: &Node<'_>, _: Origin<'_>, problems: &mut Problems) -> Option<SinkPlan> {
    node.fields(&[], problems)?;
    Some(SinkPlan::Null)
}
