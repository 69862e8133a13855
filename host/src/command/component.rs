//! The component that a command is given: a file, or the name of a standard plugin.

use std::path::Path;

use sluice::plugin::{Grant, Limits, Spec, Wasi, standard};

/// It as it is declared where nothing is said of it. One from a file goes by the file's name.
pub(super) fn spec(component: &str) -> Spec {
    let path = Path::new(component);
    match standard::find(component) {
        Some(standard) if !path.exists() => standard.spec(),
        _ => {
            let name =
                path.file_stem().map_or_else(|| component.to_owned(), |stem| stem.to_string_lossy().into_owned());
            Spec::from_path(name, path)
        }
    }
}

/// Nothing that the component may need keeps it from being looked at. What it would log stays out
/// of what is said of it: it is set up many times.
pub(super) fn with_everything_granted(component: &str) -> Spec {
    let spec = spec(component);
    let limits = Limits { log_lines: 0, ..spec.limits };
    Spec { grants: Grant::ALL.into_iter().collect(), wasi: Wasi::Stub, limits, ..spec }
}
