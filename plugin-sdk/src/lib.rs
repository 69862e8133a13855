//! Write Sluice transforms in Rust: one struct, one trait, one macro.
//!
//! ```
//! use sluice_plugin::{Interest, Reply, Request, Transform, Verdict, View};
//!
//! /// The map under the transform's name in the topology.
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// The longest key that is let through, in bytes.
//!     max: usize,
//! }
//!
//! struct KeyLimit {
//!     max: usize,
//! }
//!
//! impl Transform for KeyLimit {
//!     type Config = Config;
//!
//!     fn new(config: Config) -> Result<Self, String> {
//!         if config.max == 0 {
//!             return Err("max: found 0, expected at least 1 byte".into());
//!         }
//!         Ok(Self { max: config.max })
//!     }
//!
//!     // Keys only: values never cross, however large they are.
//!     fn interest(&self) -> Interest {
//!         Interest::everything().view(View::Keys)
//!     }
//!
//!     fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
//!         if request.keys().any(|key| key.len() > self.max) {
//!             verdict.reply(&Reply::error("ERR the key is too long"));
//!         }
//!     }
//! }
//!
//! // Exports it from the component, under the type's name, with the version and the description of the crate.
//! sluice_plugin::transform!(KeyLimit);
//!
//! // And it runs natively too.
//! use sluice_plugin::testing::Harness;
//!
//! let mut harness = Harness::<KeyLimit>::new(serde_json::json!({ "max": 5 }))?;
//! assert!(harness.request("GET short").is_forwarded());
//! assert_eq!(harness.request("GET longer").reply(), Some(&Reply::error("ERR the key is too long")));
//! # Ok::<(), String>(())
//! ```
//!
//! A transform is given requests in batches from many sessions, and says of each what becomes of it: [`Verdict`] has a method for each
//! possibility, and one that is left alone forwards the request. Where a verdict [watches](Verdict::watch), the response comes to
//! [`Transform::response`] with the tag that was given.
//!
//! # Costs
//!
//! A request that is only looked at costs some nanoseconds and no allocation. [`Request`] borrows the batch; [`Verdict`] writes straight
//! into the answer, where an argument that stays as it is is a number and is not copied; [`Response::nodes`] reads where the frame lies.
//! What a transform does not want to see ([`Interest`]) does not cross at all.
//!
//! # What a transform may use
//!
//! [`log`], [`metrics`] and the command table ([`Command`]) are always there. [`clock`], [`random`], [`sessions`] and [`state`] each need
//! a grant of the same name in the topology. A component imports only what its code calls, so what is not called needs no grant. There is
//! no network, no file and no environment.
//!
//! # How it is built
//!
//! `sluice plugin new NAME --language rust` makes a project that builds at once, and `sluice plugin build` makes its component: a crate of type
//! `cdylib` for `wasm32-unknown-unknown`, turned into a component. The guide, `docs/plugins.md`, goes through it all.
//! A panic is written to the log at level error, then traps; the host replaces the instance.

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[path = "glue.rs"]
pub mod __glue;
#[cfg(any(target_arch = "wasm32", test))]
mod arena;
mod buffer;
pub mod clock;
mod command;
mod host;
mod ids;
mod instance;
pub mod log;
pub mod metrics;
pub mod random;
mod reply;
mod request;
pub mod resp;
mod response;
pub mod sessions;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod transform;
mod verdict;

pub use command::{Command, CommandSet};
pub use ids::{MessageId, SessionId};
pub use reply::{IntoBytes, Reply};
pub use request::{Arg, Request, Requests};
pub use response::{Change, Response, Responses};
pub use transform::{Interest, NoConfig, Transform, View};
pub use verdict::{FanOut, Rewrite, Verdict};

/// Export a [`Transform`] from the component, under the name of its type, with the version and the description of its crate. Once a crate.
///
/// Natively it only checks that the type is one.
#[macro_export]
macro_rules! transform {
    ($transform:ident) => {
        const _: fn() = || {
            fn is_a_transform<T: $crate::Transform>() {}
            is_a_transform::<$transform>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::__glue as glue;

            struct Exports;
    glue::bindings::describe_exports!(Exports with_types_in $crate::__glue::bindings);

            ::std::thread_local! {
                static SLOT: glue::Slot<$transform> = const { glue::Slot::new() };
            }

            #[unsafe(export_name = "cabi_export_realloc")]
            unsafe extern "C" fn realloc(old: *const u8, old_len: usize, align: usize, new_len: usize) -> *mut u8 {
                unsafe { glue::realloc(old, old_len, align, new_len) }
            }

            #[unsafe(export_name = "sluice:transform/lifecycle@0.2.0#describe")]
            extern "C" fn describe() -> *const usize {
                glue::describe([
                    ::core::stringify!($transform),
                    ::core::env!("CARGO_PKG_VERSION"),
                    ::core::env!("CARGO_PKG_DESCRIPTION"),
                ])
            }

            #[unsafe(export_name = "sluice:transform/lifecycle@0.2.0#configure")]
            unsafe extern "C" fn configure(config: *const u8, len: usize) -> *const usize {
                SLOT.with(|slot| unsafe { slot.configure((config, len)) })
            }

            #[unsafe(export_name = "sluice:transform/requests-columns@0.2.0#handle")]
            unsafe extern "C" fn requests(
                a: *const u8,
                a_len: usize,
                b: *const u8,
                b_len: usize,
                c: *const u8,
                c_len: usize,
                d: *const u8,
                d_len: usize,
                e: *const u8,
                e_len: usize,
                f: *const u8,
                f_len: usize,
                g: *const u8,
                g_len: usize,
            ) -> *const usize {
                let lists = [(a, a_len), (b, b_len), (c, c_len), (d, d_len), (e, e_len), (f, f_len), (g, g_len)];
                SLOT.with(|slot| unsafe { slot.requests(lists) })
            }

            #[unsafe(export_name = "sluice:transform/responses-columns@0.2.0#handle")]
            unsafe extern "C" fn responses(
                a: *const u8,
                a_len: usize,
                b: *const u8,
                b_len: usize,
                c: *const u8,
                c_len: usize,
                d: *const u8,
                d_len: usize,
                e: *const u8,
                e_len: usize,
            ) -> *const usize {
                let lists = [(a, a_len), (b, b_len), (c, c_len), (d, d_len), (e, e_len)];
                SLOT.with(|slot| unsafe { slot.responses(lists) })
            }
        };
    };
}

// The examples of the README and of the page on Rust are tests too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
#[cfg(doctest)]
#[doc = include_str!("../../docs/languages/rust.md")]
struct Page;
