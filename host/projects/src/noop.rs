//! A component that does nothing: what a crossing costs by itself.

use anyhow::{Context, Result};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::encode::encode;
use crate::world::contract;

/// The handlers of a lane: interface and number of its parameters, as core functions have them.
type Handlers = [(&'static str, usize); 2];

/// The lanes, with their world of the contract. A list is passed as two numbers.
const LANES: [(&str, Handlers); 2] = [
    ("columns", [("requests-columns", 14), ("responses-columns", 10)]),
    ("rows", [("requests-rows", 2), ("responses-rows", 2)]),
];

/// A transform in a lane (`rows` or `columns`) that asks for all requests, forwards them, and keeps
/// all responses, without a look.
///
/// # Errors
///
/// There is no such lane.
pub fn noop(lane: &str) -> Result<Vec<u8>> {
    let (world, handlers) = LANES.iter().find(|(name, _)| *name == lane).with_context(|| format!("no lane {lane}"))?;
    let mut resolve = Resolve::default();
    let contract = contract(&mut resolve)?;
    let world = resolve.select_world(&[contract], Some(world))?;
    let version = resolve.packages.get(contract).and_then(|package| package.name.version.clone());
    let version = version.context("the contract has no version")?;
    let mut module = wat::parse_str(text(handlers, &version.to_string()))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    encode(&module)
}

/// Every answer is at address 8, where there are zeroes: no text, an interest in everything with
/// the view `command`, no verdict, no change. What is passed lies behind that, and is forgotten
/// with the next call.
fn text(handlers: &Handlers, version: &str) -> String {
    let handlers: String = handlers
        .iter()
        .map(|(interface, parameters)| {
            let parameters = "(param i32)".repeat(*parameters);
            format!(
                r#"(func (export "sluice:transform/{interface}@{version}#handle") {parameters} (result i32)
                    (global.set $free (i32.const 64))
                    (i32.const 8))"#
            )
        })
        .collect();
    format!(
        r#"(module
            (memory (export "memory") 1)
            (global $free (mut i32) (i32.const 64))
            (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
                (local $start i32) (local $missing i32)
                (local.set $start (i32.and
                    (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
                    (i32.sub (i32.const 0) (local.get $align))))
                (global.set $free (i32.add (local.get $start) (local.get $size)))
                (local.set $missing (i32.sub
                    (i32.shr_u (i32.add (global.get $free) (i32.const 65535)) (i32.const 16))
                    (memory.size)))
                (if (i32.gt_s (local.get $missing) (i32.const 0))
                    (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable))))
                (local.get $start))
            (func (export "sluice:transform/lifecycle@{version}#describe") (result i32) (i32.const 8))
            (func (export "sluice:transform/lifecycle@{version}#configure") (param i32 i32) (result i32) (i32.const 8))
            {handlers})"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn there_is_a_component_for_each_lane() {
        for (lane, _) in LANES {
            noop(lane).unwrap();
        }
        assert!(noop("diagonals").is_err());
    }
}
