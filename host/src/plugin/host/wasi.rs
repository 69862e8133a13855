//! An inert WASI, for toolchains that cannot do without: `wasi: stub`.
//!
//! It gives a component nothing that its grants do not: no files, no environment, no network, no
//! streams. What programs ask for as they start has a harmless answer, so that they do start;
//! everything else traps with its name. Clocks and randomness are real where the grants `clock` and
//! `random` are given, and stand still at zero otherwise.

use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Val};

use crate::plugin::grants::{Grant, Grants};

/// The answer of a function, given the plugin's grants and the call's parameters.
type Answer = fn(Grants, &[Val]) -> wasmtime::Result<Val>;

/// The functions that do not trap: interface, function, answer.
const INERT: [(&str, &str, Answer); 15] = [
    ("wasi:cli/environment", "get-environment", |_, _| empty()),
    ("wasi:cli/environment", "get-arguments", |_, _| empty()),
    ("wasi:cli/environment", "initial-cwd", |_, _| none()),
    ("wasi:cli/terminal-stdin", "get-terminal-stdin", |_, _| none()),
    ("wasi:cli/terminal-stdout", "get-terminal-stdout", |_, _| none()),
    ("wasi:cli/terminal-stderr", "get-terminal-stderr", |_, _| none()),
    ("wasi:filesystem/preopens", "get-directories", |_, _| empty()),
    ("wasi:clocks/monotonic-clock", "now", |grants, _| {
        Ok(Val::U64(now(grants).0 * 1_000_000_000 + u64::from(now(grants).1)))
    }),
    ("wasi:clocks/monotonic-clock", "resolution", |_, _| Ok(Val::U64(1))),
    ("wasi:clocks/wall-clock", "now", |grants, _| Ok(datetime(now(grants)))),
    ("wasi:clocks/wall-clock", "resolution", |_, _| Ok(datetime((0, 1)))),
    ("wasi:random/random", "get-random-u64", |grants, _| Ok(Val::U64(bits(grants)?))),
    ("wasi:random/random", "get-random-bytes", random_bytes),
    ("wasi:random/insecure", "get-insecure-random-u64", |grants, _| Ok(Val::U64(bits(grants)?))),
    ("wasi:random/insecure-seed", "insecure-seed", |grants, _| {
        Ok(Val::Tuple(vec![Val::U64(bits(grants)?), Val::U64(bits(grants)?)]))
    }),
];

/// The most random bytes that one call gives; more traps, as WASI demands all of them.
const MOST: u64 = 64 << 10;

/// Links everything under `wasi:` that a component imports. Its other imports must have been
/// checked before.
pub(super) fn link<T: 'static>(
    linker: &mut Linker<T>,
    engine: &Engine,
    component: &Component,
    grants: Grants,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let interface = name.split_once('@').map_or(name, |(interface, _)| interface);
        let ComponentItem::ComponentInstance(functions) = import.ty else {
            continue;
        };
        for (_, function, answer) in INERT.iter().filter(|(of, ..)| *of == interface) {
            if functions.get_export(engine, function).is_none() {
                continue;
            }
            linker.instance(name)?.func_new(function, move |_, _, parameters, results| {
                if let Some(result) = results.first_mut() {
                    *result = answer(grants, parameters)?;
                }
                Ok(())
            })?;
        }
    }
    linker.define_unknown_imports_as_traps(component)
}

fn empty() -> wasmtime::Result<Val> {
    Ok(Val::List(Vec::new()))
}

fn none() -> wasmtime::Result<Val> {
    Ok(Val::Option(None))
}

/// Seconds and nanoseconds since 1970.
fn now(grants: Grants) -> (u64, u32) {
    if !grants.contains(Grant::Clock) {
        return (0, 0);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

fn datetime((seconds, nanoseconds): (u64, u32)) -> Val {
    Val::Record(vec![("seconds".to_owned(), Val::U64(seconds)), ("nanoseconds".to_owned(), Val::U32(nanoseconds))])
}

fn bits(grants: Grants) -> wasmtime::Result<u64> {
    if grants.contains(Grant::Random) { Ok(getrandom::u64()?) } else { Ok(0) }
}

fn random_bytes(grants: Grants, parameters: &[Val]) -> wasmtime::Result<Val> {
    let Some(&Val::U64(count)) = parameters.first() else {
        wasmtime::bail!("`get-random-bytes` takes a length");
    };
    if count > MOST {
        wasmtime::bail!("`get-random-bytes` gives at most {MOST} bytes");
    }
    let mut bytes = vec![0; usize::try_from(count)?];
    if grants.contains(Grant::Random) {
        getrandom::fill(&mut bytes)?;
    }
    Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
}
