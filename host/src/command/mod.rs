//! What the commands do.

mod bench;
mod build;
mod cache;
mod check;
mod component;
mod explain;
mod files;
mod inspect;
mod new;
mod run;
mod starting;
mod test;

pub(crate) use bench::bench;
pub(crate) use build::build;
pub(crate) use cache::CacheChoice;
pub(crate) use check::check;
pub(crate) use explain::explain;
pub(crate) use inspect::inspect;
pub(crate) use new::new;
pub(crate) use run::run;
pub(crate) use test::test;
