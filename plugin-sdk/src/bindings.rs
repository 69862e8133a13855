//! What `wit-bindgen` makes of the contract: the imports, and the section that tells the component encoder what the exports are.
//!
//! The exports themselves are written by hand in `glue`: the generated ones take every list out of the allocator and give
//! it back, and ask the host for a second call that frees the answer.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::panic)]

wit_bindgen::generate!({
    path: "../wit",
    world: "columns",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "describe_exports",
    skip: ["describe", "configure", "handle"],
});
