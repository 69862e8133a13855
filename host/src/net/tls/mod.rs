//! TLS, in both directions.
//!
//! ```text
//!  the files that the operator names (`material`)
//!      └─► a rustls configuration, exchanged for a new one when the files change (`reloading_files`, watched by `renewal`)
//!             └─► a handshake within its time (`handshake`), whose failure is told in the operator's words (`failure`)
//!                    └─► a connection that is read and written like a socket (`secure`)
//! ```
//!
//! Certificates in PEM, TLS 1.2 and 1.3, cryptography by `ring`.

mod failure;
mod handshake;
mod material;
mod reloading_files;
mod renewal;
mod secure;
mod subject;

#[cfg(test)]
mod tests;

pub use handshake::{Failure, Inbound, Outbound};
pub use material::{IdentityFiles, InboundFiles, OutboundFiles, Part, TlsError};
pub use reloading_files::ReloadingFiles;
pub use renewal::{Renewable, Renewal};

pub(super) use handshake::ServerIdentity;
pub(super) use secure::Secure;
