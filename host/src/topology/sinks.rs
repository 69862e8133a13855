//! The sinks: what a chain can end with.

use super::node::Node;
use super::problem::{Origin, Problems};
use super::single::single;
use crate::worker::SinkPlan;

/// Reads a sink's configuration.
pub(super) type Read = fn(&Node<'_>, Origin<'_>, &mut Problems) -> Option<SinkPlan>;

const SINKS: &[(&str, Read)] = &[
    ("ValkeySinkSingle", |node, origin, problems| single(node, origin, problems).map(SinkPlan::Single)),
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

fn null(node: &Node<'_>, _: Origin<'_>, problems: &mut Problems) -> Option<SinkPlan> {
    node.fields(&[], problems)?;
    Some(SinkPlan::Null)
}
