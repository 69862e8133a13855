//! What can be said of a `ValkeySinkSingle`.

use super::connection;
use crate::net::Endpoint;
use crate::upstream::SinglePlan;
use crate::yaml::node::{Fields, Key, Node};
use crate::yaml::problem::{Origin, Problems};

const OWN: &[Key] = &[Key::read("remote_address"), Key::read("servers")];

/// Reads the configuration of the sink.
pub(super) fn single(node: &Node<'_>, origin: Origin<'_>, problems: &mut Problems) -> Option<SinglePlan> {
    let fields = node.fields(&connection::with(OWN), problems)?;
    let endpoints = servers(&fields, problems);
    connection::plan(endpoints, &fields, origin, problems)
}

/// One server, or a list of them.
fn servers(fields: &Fields<'_>, problems: &mut Problems) -> Option<Vec<Endpoint>> {
    let Some(list) = fields.get("servers") else {
        let what = "the server, such as \"127.0.0.1:6379\"";
        let node = fields.require("remote_address", what, problems)?;
        return Some(vec![connection::server(&node, problems)?]);
    };
    if fields.get("remote_address").is_some() {
        problems.value(&fields.path, "give either one server as `remote_address` or several as `servers`");
    }
    let entries = list.list("a list of servers, the preferred one first", problems)?;
    if entries.is_empty() {
        problems.value(&list.path, "there must be at least one server");
    }
    let servers: Vec<_> = entries.iter().map(|node| connection::server(node, problems)).collect();
    servers.into_iter().collect()
}
