//! `sluice plugin inspect`.

use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use sluice::plugin::{Component, Grant, Phases, Plugin, Runtime, RuntimeOptions, Spec, Wasi, standard};

/// Prints what a component is. `name` is a file or the name of a standard plugin.
pub(crate) fn inspect(name: &str) -> anyhow::Result<()> {
    let spec = with_everything_granted(name);
    let size = size(&spec.component)?;
    // Without a cache, so that compiling takes the time that it takes.
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let begun = Instant::now();
    let plugin = runtime.load(&spec).map_err(|error| anyhow!("{name}: {}", error.problem))?;
    let compiled = begun.elapsed();
    let description =
        plugin.describe().map_err(|fault| anyhow!("{name}: the component {fault}, while it described itself"))?;
    let mut text = format!("{} {}\n{}\n\n", description.name, description.version, description.summary);
    for (label, value) in rows(&plugin, size, compiled) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{label:<9} {value}");
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Nothing that the component may need keeps it from being looked at.
pub(super) fn with_everything_granted(name: &str) -> Spec {
    let spec = match standard::find(name) {
        Some(standard) if !Path::new(name).exists() => standard.spec(),
        _ => Spec::from_path(name, name),
    };
    Spec { grants: Grant::ALL.into_iter().collect(), wasi: Wasi::Stub, ..spec }
}

fn size(component: &Component) -> anyhow::Result<u64> {
    match component {
        Component::Standard(standard) => Ok(standard.bytes.len() as u64),
        Component::Path(path) => {
            let metadata =
                std::fs::metadata(path).with_context(|| format!("cannot read the component {}", path.display()))?;
            Ok(metadata.len())
        }
    }
}

fn rows(plugin: &Plugin, size: u64, compiled: Duration) -> Vec<(&'static str, String)> {
    let imports = plugin.imports();
    let grants: Vec<&str> = imports.iter().filter_map(|import| grant(import)).map(Grant::name).collect();
    let mut rows = vec![
        ("lane", plugin.lane().name().to_owned()),
        ("phases", phases(plugin.phases()).to_owned()),
        ("imports", list(&imports)),
        ("grants", list(&grants)),
    ];
    if imports.iter().any(|import| import.starts_with("wasi:")) {
        rows.push(("wasi", "stub".to_owned()));
    }
    rows.push(("size", format!("{size} bytes")));
    rows.push(("sha256", plugin.sha256().iter().map(|byte| format!("{byte:02x}")).collect()));
    rows.push(("compiling", format!("{:.1} ms", compiled.as_secs_f64() * 1e3)));
    rows
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
