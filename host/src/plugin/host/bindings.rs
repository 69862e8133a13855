//! What wasmtime derives from the world `host`: a trait for each interface, and the types of its
//! functions.

#![allow(missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "sluice:transform/host",
    imports: { "sluice:transform/random": trappable },
});

pub use self::sluice::transform as interfaces;
