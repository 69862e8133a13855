//! What the contract says of a capability: its interface, and who may import which of its
//! functions.

use crate::plugin::grants::Grant;
use crate::plugin::versions::ContractVersion;

/// An interface of the contract that the host implements. Read when a component's imports are
/// checked.
pub(in super::super) struct Interface {
    /// Its name, without the package and the version.
    pub(in super::super) name: &'static str,
    /// The grant that it needs; `None`: every plugin may import it.
    pub(in super::super) grant: Option<Grant>,
    /// Its functions, each with the version of the contract that introduced it.
    pub(in super::super) functions: &'static [(&'static str, ContractVersion)],
}
