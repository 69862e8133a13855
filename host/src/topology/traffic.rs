//! The traffic log of a source.

use super::terms::one_of;
use crate::plugin::CommandSet;
use crate::traffic::{Destination, MAX_ARGUMENT, Plan, Values};
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::{Origin, Problems};

const TRAFFIC_LOG: &[Key] =
    &[Key::read("file"), Key::read("sample"), Key::read("commands"), Key::read("values"), Key::read("max_argument")];

const VALUES: &[(&str, Values)] = &[("redacted", Values::Redacted), ("keys", Values::Keys), ("shown", Values::Shown)];

/// How many bytes are shown of each argument where nothing else is said.
const ARGUMENT: usize = 64;

/// What `traffic_log` says; the file's path is as it is written there.
pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Plan> {
    let fields = node.fields(TRAFFIC_LOG, problems)?;
    let destination = fields
        .require("file", "the path of a file, or `stdout`", problems)
        .and_then(|node| destination(&node, problems));
    let sample = fields.get("sample").map_or(Some(1.0), |node| share(&node, problems));
    let commands = fields.get("commands").map_or(Some(CommandSet::ALL), |node| commands(&node, problems));
    let values = fields.get("values").map_or(Some(Values::Redacted), |node| one_of(VALUES, &node, problems));
    let max_argument = fields.get("max_argument").map_or(Some(ARGUMENT), |node| node.size(0..=MAX_ARGUMENT, problems));
    Some(Plan {
        destination: destination?,
        sample: sample?,
        commands: commands?,
        values: values?,
        max_argument: max_argument?,
    })
}

/// The plan with the file's path as the topology means it: relative to itself.
pub(super) fn beside(mut plan: Plan, origin: Origin<'_>) -> Plan {
    if let Destination::File(path) = &mut plan.destination {
        *path = origin.beside(&path.to_string_lossy());
    }
    plan
}

fn destination(node: &Node<'_>, problems: &mut Problems) -> Option<Destination> {
    let what = "the path of a file, or `stdout`";
    match node.text(what, problems)? {
        "" => node.unexpected(what, problems),
        "stdout" => Some(Destination::Stdout),
        path => Some(Destination::File(path.into())),
    }
}

fn share(node: &Node<'_>, problems: &mut Problems) -> Option<f64> {
    match node.value.as_f64().filter(|share| *share > 0.0 && *share <= 1.0) {
        None => node.unexpected("the share of requests to log, more than 0 and at most 1", problems),
        share => share,
    }
}

fn commands(node: &Node<'_>, problems: &mut Problems) -> Option<CommandSet> {
    let entries =
        node.list("a list of commands and categories, such as [set, \"client|setname\", \"@write\"]", problems)?;
    let what = "a command such as `get` or `config|set`, or a category such as `\"@write\"`";
    let words: Vec<_> = entries.iter().map(|entry| entry.text(what, problems)).collect();
    let words: Vec<&str> = words.into_iter().collect::<Option<_>>()?;
    match CommandSet::parse(words.iter().copied()) {
        Ok(set) => Some(set),
        Err(word) => {
            let entry = entries.iter().find(|entry| entry.value.as_str() == Some(word)).unwrap_or(node);
            let kind = if word.starts_with('@') { "category" } else { "command" };
            problems.value(&entry.path, format!("expected {what}, found {word:?}, which is no {kind} that is known"));
            None
        }
    }
}
