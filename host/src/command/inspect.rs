//! `sluice plugin inspect`.

use std::fmt::Write;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use sluice::plugin::{
    CommandSet, Component, ConfigureError, Grant, Interest, Phases, Plugin, Runtime, RuntimeOptions, Site, View,
};

use super::component::with_everything_granted;
use super::starting::Starting;

/// How many commands are named before the rest is a number.
const COMMANDS: usize = 12;

/// What is said of an interest in no command, which is rarely meant.
const NEVER: &str = "none: it is never called";

/// A line: what it is about, and what is said of that.
type Row = (&'static str, String);

/// Prints what a component is, wants and costs. `name` is a file or the name of a standard plugin.
/// Without a configuration it is given an empty one, which it may refuse.
pub(crate) fn inspect(name: &str, config: Option<&Value>) -> anyhow::Result<()> {
    let spec = with_everything_granted(name);
    let size = size(&spec.component)?;
    // Without a cache, so that compiling takes the time that it takes.
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let begun = Instant::now();
    let plugin = runtime.load(&spec).map_err(|error| anyhow!("{name}: {}", error.problem))?;
    let compiled = begun.elapsed();
    let description =
        plugin.describe().map_err(|fault| anyhow!("{name}: the component {fault}, while it described itself"))?;

    let mut text = format!("{} {}\n{}\n", description.name, description.version, description.summary);
    section(
        &mut text,
        "is",
        &[is(&plugin), vec![("size", format!("{size} bytes")), ("sha256", sha256(&plugin))]].concat(),
    );
    let mut costs = vec![("compiling", milliseconds(compiled))];
    let empty = json!({});
    let site = Site { source: "inspect".to_owned(), position: 0 };
    match plugin.configure(config.unwrap_or(&empty), site) {
        Ok(transform) => {
            section(&mut text, &format!("wants, with {}", config.unwrap_or(&empty)), &wants(transform.interest()));
            costs.extend(started(Starting::of(&transform).with_context(|| name.to_owned())?));
        }
        // It need not do without a configuration.
        Err(ConfigureError::Refused { reason, .. }) if config.is_none() => {
            let advice = "`--config` gives it one, and shows more".to_owned();
            section(&mut text, "wants", &[("config", format!("it refuses {{}}: {reason}")), ("", advice)]);
        }
        Err(error) => return Err(anyhow!("{name}: {error}")),
    }
    section(&mut text, "costs", &costs);
    if cfg!(debug_assertions) {
        text.push_str("  (in a debug build, whose times say little)\n");
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn section(text: &mut String, title: &str, rows: &[Row]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n{title}");
    for (label, value) in rows {
        let _ = writeln!(text, "  {label:<9} {value}");
    }
}

fn size(component: &Component) -> anyhow::Result<u64> {
    match component {
        Component::Standard { bytes, .. } => Ok(bytes.len() as u64),
        Component::Path(path) => {
            let metadata =
                std::fs::metadata(path).with_context(|| format!("cannot read the component {}", path.display()))?;
            Ok(metadata.len())
        }
    }
}

fn is(plugin: &Plugin) -> Vec<Row> {
    let imports = plugin.imports();
    let grants: Vec<&str> = imports.iter().filter_map(|import| grant(import)).map(Grant::name).collect();
    let mut rows = vec![
        ("contract", plugin.contract().to_string()),
        ("lane", plugin.lane().name().to_owned()),
        ("phases", phases(plugin.phases()).to_owned()),
        ("imports", list(&imports)),
        ("grants", list(&grants)),
    ];
    if imports.iter().any(|import| import.starts_with("wasi:")) {
        rows.push(("wasi", "stub".to_owned()));
    }
    rows
}

fn wants(interest: &Interest) -> Vec<Row> {
    let view = match interest.view {
        View::Command => "command: the names of commands",
        View::Keys => "keys: the names of commands, and keys",
        View::All => "all: every argument",
    };
    let keys =
        if interest.key_positions { "it is told which arguments are keys" } else { "it is not told which these are" };
    vec![
        ("commands", if interest.commands.is_empty() { NEVER.to_owned() } else { commands(&interest.commands) }),
        ("view", view.to_owned()),
        ("whole", commands(&interest.whole)),
        ("keys", keys.to_owned()),
    ]
}

fn commands(set: &CommandSet) -> String {
    if set.is_all() {
        return "all, those that the host does not know included".to_owned();
    }
    let names: Vec<&str> = set.names().collect();
    match names.len().checked_sub(COMMANDS) {
        Some(more @ 1..) => format!("{} and {more} more", list(&names[..COMMANDS])),
        _ => list(&names),
    }
}

fn started(Starting { time, memory }: Starting) -> [Row; 2] {
    let time = milliseconds(time);
    [
        ("starting", format!("{time} for each instance, the median of {}", Starting::COUNT)),
        ("memory", format!("{memory} bytes for each instance, once it is configured")),
    ]
}

fn sha256(plugin: &Plugin) -> String {
    plugin.sha256().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The grant that an import needs: interfaces that need one are named like it.
fn grant(import: &str) -> Option<Grant> {
    let (interface, _version) = import.strip_prefix("sluice:transform/")?.split_once('@')?;
    interface.parse().ok()
}

fn phases(phases: Phases) -> &'static str {
    match phases {
        Phases { responses: false, .. } => "requests",
        Phases { responses: true, .. } => "requests, responses",
    }
}

fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grants_that_a_component_needs_follow_from_its_imports() {
        assert_eq!(grant("sluice:transform/clock@0.2.0"), Some(Grant::Clock));
        assert_eq!(grant("sluice:transform/log@0.2.0"), None);
        assert_eq!(grant("wasi:clocks/clock@0.2.0"), None);
    }
}
